"""Producer: a track that a participant sends. Stream: one SSRC of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfu.events import Encoding
from sfu.parameters import Codec, Kind, MediaLine, Source
from sfu.plane.interface import SourceRow
from sfu.streams.clock import ClockReading
from sfu.streams.keyframe_request import KeyframeRequest
from sfu.streams.receiver_report import ReceiverReports

if TYPE_CHECKING:
    from sfu.consumer import Consumer

# A line's SSRC changes when a client replaces its sender; more at once than this is an attack on memory.
MAX_STREAMS = 8


class Stream:
    """One SSRC that a publisher sends: the plane's source row and what is known of it."""

    def __init__(self, row: SourceRow) -> None:
        self.row = row
        self.keyframe = KeyframeRequest()
        self.reception = ReceiverReports()
        self.clock: ClockReading | None = None
        """The newest sender report, None before the first."""

    @property
    def source(self) -> int:
        return self.row.id

    @property
    def ssrc(self) -> int:
        return self.row.ssrc


class Producer:
    """A track that a participant sends on one m-line."""

    def __init__(self, track_id: str, participant_id: str, source: Source, line: MediaLine) -> None:
        self.track_id = track_id
        self.participant_id = participant_id
        self.source: Source = source
        self.line = line
        self.streams: dict[int, Stream] = {}
        """By SSRC, oldest first."""
        self.consumers: set[Consumer] = set()

    @property
    def kind(self) -> Kind:
        return self.line.kind

    @property
    def active(self) -> Stream | None:
        """The stream that consumers are fed from: the newest one."""
        return next(reversed(self.streams.values()), None)

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """What subscribers are told: the preferred codec of the line, which is what clients send."""
        return (Encoding(rid="", codec=self.line.codecs[0].name),)

    def codecs_by_payload_type(self) -> dict[int, Codec]:
        return {codec.payload_type: codec for codec in self.line.codecs}
