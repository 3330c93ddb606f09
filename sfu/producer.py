"""Producer: a track that a participant sends. Stream: one SSRC of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfu.dynacast import Dynacast
from sfu.events import Encoding
from sfu.parameters import Codec, Kind, MediaLine, Source
from sfu.plane.interface import SourceRow
from sfu.streams.clock import ClockReading
from sfu.streams.keyframe_request import KeyframeRequest
from sfu.streams.layer_meter import LayerMeter
from sfu.streams.receiver_report import ReceiverReports

if TYPE_CHECKING:
    from sfu.consumer import Consumer
    from sfu.ladder import Layer

# A line's SSRC changes when a client replaces its sender; more at once than this is an attack on memory.
MAX_STREAMS = 8


class Stream:
    """One SSRC that a publisher sends: the plane's source row and what is known of it."""

    def __init__(self, row: SourceRow, rid: str = "") -> None:
        self.row = row
        self.rid = rid
        """The simulcast id; empty where the track is a single stream."""
        self.sizes: tuple[tuple[int, int], ...] = ()
        """Width and height of each spatial layer, the lowest first; empty before a keyframe has told."""
        self.meter = LayerMeter()
        self.keyframe = KeyframeRequest()
        self.reception = ReceiverReports()
        self.rtx_ssrc = row.rtx_ssrc
        """Where the publisher repeats its packets, as far as that is known."""
        self.clock: ClockReading | None = None
        """The newest sender report, None before the first."""

    @property
    def source(self) -> int:
        return self.row.id

    def size(self, spatial: int) -> tuple[int, int] | tuple[None, None]:
        """Width and height of a spatial layer, where they are known."""
        return self.sizes[spatial] if spatial < len(self.sizes) else (None, None)

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
        self.dynacast = Dynacast(self.rids)
        self.ladder: tuple[Layer, ...] = ()
        """What can be had of it, the lowest layer first, as it was measured last."""
        self.muted = False
        """It is forwarded to nobody for now, whatever its client sends."""

    @property
    def kind(self) -> Kind:
        return self.line.kind

    @property
    def simulcast(self) -> bool:
        """Several streams are sent, each with a rid."""
        return bool(self.line.rids)

    @property
    def rids(self) -> tuple[str, ...]:
        """The encodings, the lowest first as clients order them; one without a name if it is no simulcast."""
        return self.line.rids or ("",)

    @property
    def newest(self) -> Stream:
        """The stream whose SSRC came last. Raises StopIteration before the first."""
        return next(reversed(self.streams.values()))

    @property
    def last_packet(self) -> float:
        """When the newest packet of any stream came, as it was measured last."""
        return max((stream.meter.last_packet for stream in self.streams.values()), default=0.0)

    def stream(self, rid: str) -> Stream | None:
        """The newest stream of an encoding, None before its first."""
        return next((stream for stream in reversed(self.streams.values()) if stream.rid == rid), None)

    def by_source(self, source: int | None) -> Stream | None:
        """The stream of a row of the plane."""
        return next((stream for stream in self.streams.values() if stream.source == source), None)

    def ordered(self) -> list[Stream]:
        """The newest stream of each encoding that there is, the lowest first."""
        return [stream for rid in self.rids if (stream := self.stream(rid)) is not None]

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """What subscribers are told: the preferred codec of the line, which is what clients send."""
        return tuple(Encoding(rid=rid, codec=self.line.codecs[0].name) for rid in self.rids)

    @property
    def rtx_payload_types(self) -> dict[int, int]:
        """Payload type of RTX (RFC 4588) → of what it repeats."""
        return {
            codec.rtx_payload_type: codec.payload_type
            for codec in self.line.codecs
            if codec.rtx_payload_type is not None
        }

    def codecs_by_payload_type(self) -> dict[int, Codec]:
        return {codec.payload_type: codec for codec in self.line.codecs}
