"""Consumer: what one subscriber receives on one m-line. It outlives the tracks that it carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sfu.parameters import Kind, MediaLine
from sfu.streams.clock import SentReports
from sfu.wish import Wish

if TYPE_CHECKING:
    from sfu.events import SubscriptionChanged
    from sfu.ladder import Layer
    from sfu.producer import Producer


@dataclass(slots=True)
class ReceiverFeedback:
    """What the subscriber's receiver reports said last (RFC 3550 section 6.4.1)."""

    fraction_lost: float = 0.0
    packets_lost: int = 0
    jitter: int = 0
    """Timestamp units."""
    round_trip_time: float | None = None
    """Seconds; None until a report answered one of ours."""
    keyframe_requests: int = 0
    """PLI and FIR received."""


class Consumer:
    """A receiving m-line of a participant: one SSRC out, whatever feeds it."""

    def __init__(self, route: int, ssrc: int, rtx_ssrc: int | None, line: MediaLine) -> None:
        self.route = route
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        """Where packets are sent again (RFC 4588); None where they are sent again as they were."""
        self.line = line
        self.wanted: str | None = None
        """The track that the client named for the line; None where it takes any free one."""
        self.sending = False
        """The answer promised media on this line, so it can be fed without a new offer."""
        self.producer: Producer | None = None
        self.payload_types: dict[int, int] = {}
        """Of the producer → of this line; empty without a producer."""
        self.paused = False
        self.wish = Wish()
        self.allocated: Layer | None = None
        """The highest layer that the subscriber's share of bandwidth allows; None where nothing limits it."""
        self.preferred: Layer | None = None
        """What its wish comes to, as it was looked at last."""
        self.target: Layer | None = None
        """What it is to be sent: the lower one of the two."""
        self.limits = (255, 255)
        """The highest spatial and temporal layer of its route."""
        self.fed: object | None = None
        """What the route was fed with last, to know when that is something else."""
        self.source: int | None = None
        """The row of the stream that it is sent, as it was looked at last."""
        self.settled = False
        """It is sent what is right for it: nothing is to be done until something changes."""
        self.told: SubscriptionChanged | None = None
        self.reports = SentReports()
        self.feedback = ReceiverFeedback()

    @property
    def kind(self) -> Kind:
        return self.line.kind

    @property
    def takes_nack(self) -> bool:
        """The subscriber asks for what it has lost."""
        return any("nack" in codec.feedback for codec in self.line.codecs)

    @property
    def rtx_payload_types(self) -> dict[int, int]:
        """Payload type → that of its RTX (RFC 4588)."""
        return {
            codec.payload_type: codec.rtx_payload_type
            for codec in self.line.codecs
            if codec.rtx_payload_type is not None
        }
