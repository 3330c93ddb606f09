"""A route of the reference plane: gates, maps, patches, protects."""

from __future__ import annotations

from collections.abc import Mapping

import pylibsrtp

from sfu.bwe.sent import SentPackets
from sfu.plane.interface import Address, Drop, Feed, RouteRow, RouteState
from sfu.plane.srtp import MAXIMUM_PACKET, SEND_WINDOW
from sfu.streams.sequence import MAX_DROPOUT, signed32
from sfu.wire import rtp

# A source whose clock is this far off the time that passed, in seconds, has set its timestamps anew.
_MAXIMUM_CLOCK_ERROR = 1.0
# abs-send-time counts seconds with 18 bits of fraction, in 24 bits.
_ABS_SEND_TIME_STEPS = 1 << 18
# A switch advances the timestamp by at least a hundredth of a second, so that frames stay apart.
_MINIMUM_STEPS_PER_SECOND = 100


class Destination:
    """Where a transport's packets go: what its routes read."""

    __slots__ = ("address", "send", "sent")

    def __init__(self) -> None:
        self.address: Address | None = None
        self.send: pylibsrtp.Session | None = None
        self.sent: SentPackets | None = None
        """What is numbered over the whole transport; None where the peer gives no feedback about it."""


class Incoming:
    """The packet being forwarded, read once for all of its routes. The plane has one and reuses it."""

    __slots__ = (
        "blocks",
        "contributors",
        "elements",
        "extended",
        "first_byte",
        "marker",
        "now",
        "payload",
        "payload_size",
        "payload_type",
        "starts",
        "timestamp",
    )

    first_byte: int
    """Without the extension bit."""
    marker: int
    payload_type: int
    extended: int
    """Sequence number, extended."""
    timestamp: int
    contributors: bytes
    """The CSRC list as it came."""
    elements: list[rtp.Element]
    payload: bytes
    """With padding."""
    payload_size: int
    """Without padding."""
    starts: bool
    """Decoding can start here: at a keyframe, or anywhere in what has none."""
    now: float
    blocks: dict[bytes, bytes]
    """Extension blocks built for this packet, by the route's rewriting."""


class Route:
    """One outgoing stream. Its sequence numbers and timestamps are continuous over all its feeds."""

    __slots__ = (
        "awaiting_keyframe",
        "bytes",
        "destination",
        "drops",
        "extensions",
        "feed",
        "first_packet",
        "highest",
        "last_now",
        "last_timestamp",
        "offered",
        "own",
        "packets",
        "paused",
        "payload_bytes",
        "payload_types",
        "rewriting",
        "row",
        "sequence_offset",
        "start",
        "starting",
        "timestamp_offset",
    )

    def __init__(self, row: RouteRow, destination: Destination) -> None:
        self.row = row
        self.destination = destination
        self.own: list[rtp.Element] = [(row.mid_extension, row.mid.encode())] if row.mid_extension else []
        self.feed: Feed | None = None
        self.payload_types: dict[int, int] = {}
        self.extensions: dict[int, int] = {}
        self.rewriting = b""
        self.paused = False
        self.awaiting_keyframe = False
        # The next packet sent anchors the sequence numbers anew.
        self.starting = True
        self.start = 0  # extended number, at the source, of the packet that did
        self.sequence_offset = 0
        self.timestamp_offset: int | None = None
        # Of the newest packet sent, which is not always the last one sent.
        self.highest: int | None = None  # extended
        self.last_timestamp = 0
        self.last_now = 0.0
        self.first_packet = 0.0
        self.offered = 0
        self.packets = 0
        self.bytes = 0
        self.payload_bytes = 0
        self.drops: dict[Drop, int] = {}

    def set_feed(self, feed: Feed | None, codecs: Mapping[int, str]) -> None:
        """Carry another source, whose payload types are `codecs`, or none."""
        if feed is None or self.feed is None or self.feed.source != feed.source:
            self.timestamp_offset = None
        self.feed = feed
        self.starting = True
        self.awaiting_keyframe = feed is not None and feed.await_keyframe
        self.payload_types = (
            {key: value for key, value in feed.payload_types.items() if key in codecs} if feed else {}
        )
        self.extensions = dict(feed.extensions) if feed else {}
        # Routes that rewrite alike share the blocks built for a packet. Bytes keep their hash; tuples do not.
        self.rewriting = repr(
            (sorted(self.extensions.items()), self.own, self.row.abs_send_time_extension)
        ).encode()

    def pause(self) -> None:
        """Send nothing."""
        self.paused = True

    def resume(self, is_video: bool) -> None:
        """Send again, video from its next keyframe."""
        self.paused = False
        self.starting = True
        self.awaiting_keyframe = self.feed is not None and (self.awaiting_keyframe or is_video)

    def forward(self, packet: Incoming, out: list[tuple[bytes, Address]]) -> Drop | None:
        """Append the packet to `out` as the subscriber gets it, or tell why not. Counts it as offered."""
        self.offered += 1
        reason = self._send(packet, out)
        if reason is not None:
            self.drops[reason] = self.drops.get(reason, 0) + 1
        return reason

    def _send(self, packet: Incoming, out: list[tuple[bytes, Address]]) -> Drop | None:
        if self.paused:
            return Drop.ROUTE_PAUSED
        payload_type = self.payload_types.get(packet.payload_type)
        if payload_type is None:
            return Drop.NO_PAYLOAD_TYPE
        address = self.destination.address
        if address is None:
            return Drop.NO_ADDRESS
        session = self.destination.send
        if session is None:
            return Drop.NO_KEYS
        extended = packet.extended
        highest = self.highest
        starting = self.starting
        if starting:
            if self.awaiting_keyframe and not packet.starts:
                return Drop.AWAITING_KEYFRAME
        elif extended < self.start:
            return Drop.BEFORE_START
        else:
            sequence = extended + self.sequence_offset
            assert highest is not None
            ahead = sequence - highest
            if ahead <= -SEND_WINDOW:
                return Drop.TOO_LATE
            # The source has restarted, or nothing could be sent for a while. Sent as it is, a long
            # jump would put the roll-over counters of both sides out of step.
            starting = ahead >= MAX_DROPOUT
        if starting:
            sequence = self.row.first_sequence_number if highest is None else highest + 1
            offset = self._anchor_timestamp(packet)
        else:
            assert self.timestamp_offset is not None
            offset = self.timestamp_offset
        timestamp = packet.timestamp + offset & 0xFFFFFFFF
        sent = self.destination.sent if self.row.transport_wide_extension else None
        block = packet.blocks.get(self.rewriting)
        if block is None:
            own = list(self.own)
            if self.row.abs_send_time_extension:
                time = int(packet.now * _ABS_SEND_TIME_STEPS) & 0xFFFFFF
                own.append((self.row.abs_send_time_extension, time.to_bytes(3, "big")))
            if sent is not None:
                own.append((self.row.transport_wide_extension, sent.next_number.to_bytes(2, "big")))
            block = rtp.build_extension_block(rtp.remap_elements(packet.elements, self.extensions, own))
            if sent is None:
                packet.blocks[self.rewriting] = block
        plain = (
            rtp.FIXED_HEADER.pack(
                packet.first_byte | rtp.EXTENSION_BIT if block else packet.first_byte,
                packet.marker | payload_type,
                sequence & 0xFFFF,
                timestamp,
                self.row.ssrc,
            )
            + packet.contributors
            + block
            + packet.payload
        )
        if len(plain) > MAXIMUM_PACKET:
            return Drop.TOO_LARGE
        try:
            protected = session.protect(plain)
        except pylibsrtp.Error:
            return Drop.SRTP_PROTECT
        out.append((protected, address))
        if sent is not None:
            sent.sent(len(protected), packet.now)
        # Nothing before this line has changed the mapping: a packet that was not sent anchors nothing.
        if starting:
            self.start = extended
            self.sequence_offset = sequence - extended
            self.timestamp_offset = offset
            self.starting = self.awaiting_keyframe = False
        if highest is None or sequence > highest:
            self.highest = sequence
            self.last_timestamp = timestamp
            self.last_now = packet.now
        if not self.packets:
            self.first_packet = packet.now
        self.packets += 1
        self.bytes += len(plain)
        self.payload_bytes += packet.payload_size
        return None

    def _anchor_timestamp(self, packet: Incoming) -> int:
        """The offset with which the timestamps go on from the newest one sent."""
        if self.highest is None:
            return 0
        clock_rate = self.row.clock_rate
        elapsed = round((packet.now - self.last_now) * clock_rate)
        if self.timestamp_offset is not None:
            # The same source goes on. Its own clock tells better than arrival times what has passed.
            advance = signed32(packet.timestamp + self.timestamp_offset - self.last_timestamp)
            if advance > 0 and abs(advance - elapsed) <= _MAXIMUM_CLOCK_ERROR * clock_rate:
                return self.timestamp_offset
        step = max(elapsed, clock_rate // _MINIMUM_STEPS_PER_SECOND, 1)
        return self.last_timestamp + step - packet.timestamp & 0xFFFFFFFF

    def state(self) -> RouteState:
        """A copy of the counters."""
        sent = self.highest is not None
        return RouteState(
            offered=self.offered,
            packets=self.packets,
            bytes=self.bytes,
            payload_bytes=self.payload_bytes,
            drops=dict(self.drops),
            timestamp_offset=self.timestamp_offset,
            awaiting_keyframe=self.awaiting_keyframe,
            last_sequence_number=self.highest & 0xFFFF if self.highest is not None else None,
            last_timestamp=self.last_timestamp if sent else None,
            first_packet=self.first_packet,
        )
