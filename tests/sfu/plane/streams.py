"""Streams with layers, frame by frame, as encoders write them; and what a subscriber may see of them."""

import itertools
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from plane_world import Peer, Rtp, World, rtp_packet

FRAME_TICKS = 3000
"""Timestamp units of a frame at 30 frames per second."""

# Temporal layer and layer sync of eight frames (libwebrtc's pattern for three layers of VP8).
TEMPORAL_PATTERN = [(0, 0), (2, 1), (1, 1), (2, 0), (0, 0), (2, 0), (1, 0), (2, 0)]


@dataclass
class Vp8Stream:
    """A VP8 stream of three temporal layers; each frame is two packets."""

    ssrc: int
    sequence: int = 0
    timestamp: int = 0
    picture: int = 0
    tl0: int = 0
    position: int = 0
    packets_per_frame: int = 2

    def frame(self, keyframe: bool = False) -> list[bytes]:
        if keyframe:
            self.position = 0
        temporal, sync = TEMPORAL_PATTERN[self.position % len(TEMPORAL_PATTERN)]
        if temporal == 0:
            self.tl0 = self.tl0 + 1 & 0xFF
        self.position += 1
        self.picture = self.picture + 1 & 0x7FFF
        self.timestamp = self.timestamp + FRAME_TICKS & 0xFFFFFFFF
        packets = []
        for part in range(self.packets_per_frame):
            descriptor = struct.pack(
                "!BBHBB",
                0x80 | (0x10 if part == 0 else 0),
                0xE0,
                0x8000 | self.picture,
                self.tl0,
                temporal << 6 | sync << 5,
            )
            head = bytes((0 if keyframe else 1,)) if part == 0 else b"\x55"
            self.sequence = self.sequence + 1 & 0xFFFF
            packets.append(
                rtp_packet(
                    self.sequence,
                    self.timestamp,
                    descriptor + head + struct.pack("!II", self.ssrc, self.picture),
                    ssrc=self.ssrc,
                    marker=part == self.packets_per_frame - 1,
                )
            )
        return packets

    def frames(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield from self.frame()


@dataclass
class Vp8Frame:
    """A frame as the subscriber got it."""

    timestamp: int
    picture: int
    tl0: int
    temporal: int
    sync: bool
    keyframe: bool
    origin: int
    """SSRC of the publisher's stream."""
    packets: list[Rtp] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Begun, and ended by the marker."""
        return bool(self.packets[0].rest[0] & 0x10) and self.packets[-1].marker


def vp8_frames(packets: Iterable[Rtp]) -> list[Vp8Frame]:
    """What a subscriber makes of its packets, put in the order of their numbers."""
    frames: list[Vp8Frame] = []
    for packet in sorted(packets, key=lambda p: p.sequence):
        if not packet.rest[0] & 0x80:
            continue  # padding alone
        first, _, picture, tl0, layer = struct.unpack_from("!BBHBB", packet.rest)
        (origin,) = struct.unpack_from("!I", packet.rest, 7)
        if not frames or frames[-1].timestamp != packet.timestamp or frames[-1].origin != origin:
            frames.append(
                Vp8Frame(
                    packet.timestamp,
                    picture & 0x7FFF,
                    tl0,
                    layer >> 6,
                    bool(layer & 0x20),
                    bool(first & 0x10) and not packet.rest[6] & 1,
                    origin,
                )
            )
        assert frames[-1].picture == picture & 0x7FFF
        frames[-1].packets.append(packet)
    return frames


class Vp8Decoder:
    """Holds that what comes can be decoded: whole frames, no number missing, references there."""

    def __init__(self) -> None:
        self.last: Vp8Frame | None = None
        self.newest: dict[int, int] = {}  # temporal layer → place of its newest frame

    def decode(self, frames: list[Vp8Frame]) -> None:
        for place, frame in enumerate(frames):
            assert frame.complete, f"picture {frame.picture} is broken"
            if self.last is None or frame.keyframe:
                assert frame.keyframe
                self.newest = {}
            else:
                assert frame.picture == self.last.picture + 1 & 0x7FFF
                assert frame.tl0 == (self.last.tl0 + (frame.temporal == 0)) & 0xFF
                if frame.temporal and not frame.sync:
                    # It may be predicted from any frame of its layer or below since the last base frame.
                    assert frame.temporal in self.newest or (frame.temporal == 2 and 1 in self.newest)
            if self.last is not None:
                assert frame.picture == self.last.picture + 1 & 0x7FFF
                assert 0 < (frame.timestamp - self.last.timestamp & 0xFFFFFFFF) < 90_000
                assert frame.tl0 == (self.last.tl0 + (frame.temporal == 0)) & 0xFF
            self.newest[frame.temporal] = place
            self.last = frame


def contiguous(packets: Iterable[Rtp]) -> bool:
    """Whether no sequence number is missing (over at most one wrap)."""
    numbers = [packet.sequence for packet in packets]
    steps = {after - before & 0xFFFF for before, after in itertools.pairwise(numbers)}
    return steps <= {1}


def send_all(world: World, packets: Iterable[bytes], transport: int = 1, seconds: float = 1 / 60) -> None:
    for packet in packets:
        world.now += seconds
        world.send(transport, packet)


def decoded(peer: Peer) -> list[Vp8Frame]:
    """The frames of all that a peer got, which must be decodable."""
    assert contiguous(peer.packets)
    frames = vp8_frames(peer.packets)
    Vp8Decoder().decode(frames)
    return frames
