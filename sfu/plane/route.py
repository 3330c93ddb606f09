"""A route of the reference plane: gates, maps, patches, protects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pylibsrtp

from sfu.bwe.sent import SentPackets
from sfu.plane.gate import Gate
from sfu.plane.interface import Address, Drop, Feed, Repair, RouteRow, RouteState, SourceRow
from sfu.plane.picture_numbers import PictureNumbers
from sfu.plane.probe import PADDING
from sfu.plane.retransmission import MAX_RESENDS, Memory, Remembered
from sfu.plane.srtp import MAXIMUM_PACKET
from sfu.streams.history import History, HistoryLimits
from sfu.streams.number_map import NumberMap
from sfu.streams.sequence import MAX_DROPOUT, SEND_WINDOW, signed16, signed32
from sfu.wire import rtp, rtx
from sfu.wire.dependency_descriptor import Structure, with_frame_number
from sfu.wire.layering import Layering

# A source whose clock is this far off the time that passed, in seconds, has set its timestamps anew.
_MAXIMUM_CLOCK_ERROR = 1.0
# abs-send-time counts seconds with 18 bits of fraction, in 24 bits.
_ABS_SEND_TIME_STEPS = 1 << 18
# A switch advances the timestamp by at least a hundredth of a second, so that frames stay apart.
_MINIMUM_STEPS_PER_SECOND = 100


class Destination:
    """Where a transport's packets go: what its routes read."""

    __slots__ = ("address", "round_trip_time", "send", "sent")

    def __init__(self) -> None:
        self.address: Address | None = None
        self.send: pylibsrtp.Session | None = None
        self.sent: SentPackets | None = None
        """What is numbered over the whole transport; None where the peer gives no feedback about it."""
        self.round_trip_time = 0.1


class Incoming:
    """The packet being forwarded, read once for all of its routes. The plane has one and reuses it."""

    __slots__ = (
        "active_targets",
        "blocks",
        "contributors",
        "elements",
        "extended",
        "first_byte",
        "held",
        "layering",
        "marker",
        "now",
        "payload",
        "payload_offset",
        "payload_size",
        "payload_type",
        "source",
        "starts",
        "structure",
        "timestamp",
    )

    source: int
    """Its row id."""
    held: bool
    """Its source is held back for now."""

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
    payload_offset: int
    payload_size: int
    """Without padding."""
    starts: bool
    """Decoding can start here: at a keyframe, or anywhere in what has none."""
    layering: Layering
    structure: Structure | None
    """By which the layering's decode targets were read."""
    active_targets: int
    now: float
    blocks: dict[tuple[bytes, int], bytes]
    """Extension blocks built for this packet, by the route's rewriting and the frame number in them."""


class Feeding:
    """A feed with its maps as they are looked up."""

    __slots__ = (
        "dependency_descriptor",
        "extensions",
        "feed",
        "payload_types",
        "rewriting",
        "rtx_payload_types",
    )

    def __init__(self, feed: Feed, source: SourceRow, route: RouteRow, own: Sequence[object]) -> None:
        """Routes of equal `own` add the same header extension elements to a packet."""
        self.feed = feed
        self.payload_types = {key: value for key, value in feed.payload_types.items() if key in source.codecs}
        self.extensions = dict(feed.extensions)
        self.dependency_descriptor = source.dependency_descriptor
        self.rtx_payload_types = (
            dict(feed.rtx_payload_types) if feed.nack and route.rtx_ssrc is not None else {}
        )
        # Routes that rewrite alike share the blocks built for a packet. Bytes keep their hash; tuples do not.
        self.rewriting = repr((sorted(self.extensions.items()), own)).encode()


class Route:
    """One outgoing stream. Its numbers are continuous over its feeds and over what it drops on purpose."""

    __slots__ = (
        "awaiting_keyframe",
        "bytes",
        "current",
        "destination",
        "drops",
        "first_packet",
        "gate",
        "highest",
        "kept",
        "last_now",
        "last_timestamp",
        "memory",
        "missed",
        "nacks",
        "next",
        "numbers",
        "offered",
        "own",
        "packets",
        "padding",
        "padding_bytes",
        "padding_type",
        "paused",
        "payload_bytes",
        "pictures",
        "retransmitted",
        "retransmitted_bytes",
        "row",
        "rtx_sequence_number",
        "start",
        "starting",
        "throttled",
        "timestamp_offset",
    )

    def __init__(self, row: RouteRow, destination: Destination, limits: HistoryLimits) -> None:
        self.row = row
        self.destination = destination
        self.own: list[rtp.Element] = [(row.mid_extension, row.mid.encode())] if row.mid_extension else []
        self.current: Feeding | None = None
        self.next: Feeding | None = None
        """What takes the place of the current one as soon as a keyframe of it has come."""
        self.paused = False
        self.awaiting_keyframe = False
        # The next packet sent anchors the sequence numbers anew.
        self.starting = True
        self.start = 0  # extended number, at the source, of the packet that did
        self.numbers = NumberMap()
        self.timestamp_offset: int | None = None
        self.gate = Gate()
        self.pictures = PictureNumbers()
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
        self.rtx_sequence_number = row.first_rtx_sequence_number  # of the next one
        # Payload type of RTX for the newest packet that has one: what padding is sent with.
        self.padding_type: int | None = None
        self.padding = 0
        self.padding_bytes = 0
        self.memory = Memory()
        # As it was sent, by number: what cannot be repeated by RTX.
        self.kept = History(limits)
        self.nacks = 0
        self.retransmitted = 0
        self.retransmitted_bytes = 0
        self.missed = 0
        self.throttled = 0

    def rebuilds(self, source: int) -> bool:
        """Whether it may need packets of a source again that feeds it, or is to."""
        return any(
            feeding.feed.source == source and bool(feeding.rtx_payload_types)
            for feeding in (self.current, self.next)
            if feeding is not None
        )

    @property
    def answers(self) -> bool:
        """Whether NACKs of the subscriber are answered."""
        return self.current is not None and self.current.feed.nack

    def set_feed(self, feeding: Feeding | None) -> None:
        """Carry another source from now on, or none."""
        before = self.current.feed.source if self.current is not None else None
        if feeding is None or before != feeding.feed.source:
            self._change_clock(feeding)
        self.current = feeding
        self.next = None
        self.starting = True
        self.awaiting_keyframe = feeding is not None and feeding.feed.await_keyframe
        if feeding is None or not feeding.feed.nack:
            self.kept.release()

    def _change_clock(self, feeding: Feeding | None) -> None:
        """Guess the timestamp offset of another source: where the clocks of both are known, it is known."""
        delta = feeding.feed.timestamp_delta if feeding is not None else None
        if self.timestamp_offset is not None:
            self.timestamp_offset = self.timestamp_offset + delta & 0xFFFFFFFF if delta is not None else None

    def pause(self) -> None:
        """Send nothing."""
        self.paused = True

    def resume(self, is_video: bool) -> None:
        """Send again, video from its next keyframe."""
        self.paused = False
        self.starting = True
        self.awaiting_keyframe = self.current is not None and (self.awaiting_keyframe or is_video)

    def release(self, source: int) -> None:
        """A source that was held is forwarded again."""
        if self.current is not None and self.current.feed.source == source:
            self.starting = True

    def forward(self, packet: Incoming, out: list[tuple[bytes, Address]]) -> Drop | None:
        """Append the packet to `out` as the subscriber gets it, or tell why not. Counts it as offered.

        `current` is another one afterwards where the packet was the keyframe that the route waited for.
        """
        self.offered += 1
        reason = self._send(packet, out)
        if reason is not None:
            self.drops[reason] = self.drops.get(reason, 0) + 1
        return reason

    def _send(self, packet: Incoming, out: list[tuple[bytes, Address]]) -> Drop | None:
        if self.paused:
            return Drop.ROUTE_PAUSED
        if packet.held:
            return Drop.NOT_LOUDEST
        assert self.current is not None
        feeding = self.current
        if packet.source != feeding.feed.source:
            assert self.next is not None
            feeding = self.next
        payload_type = feeding.payload_types.get(packet.payload_type)
        if payload_type is None:
            return Drop.NO_PAYLOAD_TYPE
        address = self.destination.address
        if address is None:
            return Drop.NO_ADDRESS
        session = self.destination.send
        if session is None:
            return Drop.NO_KEYS
        if feeding is not self.current:
            if not packet.starts:
                return Drop.AWAITING_KEYFRAME
            self.set_feed(feeding)
        extended = packet.extended
        highest = self.highest
        starting = self.starting
        newest = True
        if starting:
            if self.awaiting_keyframe and not packet.starts:
                return Drop.AWAITING_KEYFRAME
        elif extended < self.start:
            return Drop.BEFORE_START
        else:
            sequence = self.numbers.sent(extended)
            newest = extended > self.numbers.highest
            assert highest is not None
            ahead = sequence - highest
            if ahead <= -SEND_WINDOW:
                return Drop.TOO_LATE
            # The source has restarted, or nothing could be sent for a while. Sent as it is, a long
            # jump would put the roll-over counters of both sides out of step.
            starting = ahead >= MAX_DROPOUT
        layering = packet.layering
        if starting:
            newest = True
            self.gate.start()
            self.pictures.start()
        passes = self.gate.passes(
            layering,
            packet.structure,
            packet.active_targets,
            timestamp=packet.timestamp,
            starts=packet.starts,
            newest=newest,
        ) and not (not newest and self.pictures.dropped(layering))
        if not passes and newest:
            if not starting:
                self.pictures.drop(layering)
                self.numbers.drop(extended)
            return Drop.LAYER_NOT_WANTED
        if starting:
            sequence = self.row.first_sequence_number if highest is None else highest + 1
            offset = self._anchor_timestamp(packet)
        else:
            assert self.timestamp_offset is not None
            offset = self.timestamp_offset
        timestamp = packet.timestamp + offset & 0xFFFFFFFF
        if passes:
            self.pictures.anchor(layering, packet.starts and newest)
        plain = self._write(packet, feeding, payload_type, sequence, timestamp, passes)
        if len(plain) > MAXIMUM_PACKET:
            return Drop.TOO_LARGE
        try:
            protected = session.protect(plain)
        except pylibsrtp.Error:
            return Drop.SRTP_PROTECT
        out.append((protected, address))
        if (sent := self._sent) is not None:
            sent.sent(len(protected), packet.now)
        # Nothing before this line has changed the mapping: a packet that was not sent anchors nothing.
        if starting:
            self.start = extended
            self.numbers.anchor(extended, sequence)
            self.timestamp_offset = offset
            self.starting = self.awaiting_keyframe = False
        self.numbers.advance(extended)
        if passes and newest:
            self.pictures.sent(layering)
        if highest is None or sequence > highest:
            self.highest = sequence
            self.last_timestamp = timestamp
            self.last_now = packet.now
        self.padding_type = feeding.rtx_payload_types.get(payload_type, self.padding_type)
        if not self.packets:
            self.first_packet = packet.now
        self.packets += 1
        self.bytes += len(plain)
        if passes:
            self.payload_bytes += packet.payload_size
            if feeding.feed.nack:
                self._remember(packet, feeding, sequence, plain, protected)
        return None

    def _remember(
        self, packet: Incoming, feeding: Feeding, sequence: int, plain: bytes, protected: bytes
    ) -> None:
        """Note a packet that was sent, so that it can be sent again."""
        first, second, _, timestamp, _ = rtp.FIXED_HEADER.unpack_from(plain)
        payload_type = second & 0x7F
        self.memory.add(
            Remembered(
                number=sequence,
                source=packet.source,
                extended=packet.extended,
                timestamp=timestamp,
                payload_type=payload_type,
                first_byte=first & ~rtp.EXTENSION_BIT,
                marker=second & rtp.MARKER_BIT,
                contributors=packet.contributors,
                elements=self._elements(packet, feeding),
                payload=plain[len(plain) - len(packet.payload) :],
            )
        )
        if payload_type not in feeding.rtx_payload_types:
            self.kept.put(sequence, protected, packet.now)

    def _elements(self, packet: Incoming, feeding: Feeding) -> list[rtp.Element]:
        """The publisher's header extensions with the frame number that the subscriber gets."""
        if packet.layering.frame_number is None:
            return packet.elements
        frame, changed = self.pictures.frame_number(packet.layering), feeding.dependency_descriptor
        return [
            (found, with_frame_number(data, frame) if found == changed and len(data) >= 3 else data)
            for found, data in packet.elements
        ]

    def _write(
        self,
        packet: Incoming,
        feeding: Feeding,
        payload_type: int,
        sequence: int,
        timestamp: int,
        passes: bool,
    ) -> bytes:
        """The packet as the subscriber gets it.

        One that comes late and does not pass has a place among the numbers, as it was taken for lost: what
        fills it is a packet of padding alone.
        """
        if not passes:
            block = rtp.build_extension_block(self._own_elements(packet.now))
            return (
                rtp.FIXED_HEADER.pack(
                    0x80 | rtp.PADDING_BIT | (rtp.EXTENSION_BIT if block else 0),
                    payload_type,
                    sequence & 0xFFFF,
                    timestamp,
                    self.row.ssrc,
                )
                + block
                + bytes((1,))
            )
        layering = packet.layering
        frame = self.pictures.frame_number(layering)
        cached = packet.blocks.get((feeding.rewriting, frame))
        if cached is None:
            elements = self._elements(packet, feeding)
            own = self._own_elements(packet.now)
            block = rtp.build_extension_block(rtp.remap_elements(elements, feeding.extensions, own))
            if self._sent is None:
                packet.blocks[feeding.rewriting, frame] = block
        else:
            block = cached
        payload = packet.payload
        if layering.picture_bits or layering.tl0_offset:
            payload = self.pictures.patch(payload, packet.payload_offset, layering)
        marker = rtp.MARKER_BIT if self.gate.ends_picture(layering) else packet.marker
        return (
            rtp.FIXED_HEADER.pack(
                packet.first_byte | rtp.EXTENSION_BIT if block else packet.first_byte,
                marker | payload_type,
                sequence & 0xFFFF,
                timestamp,
                self.row.ssrc,
            )
            + packet.contributors
            + block
            + payload
        )

    @property
    def _sent(self) -> SentPackets | None:
        """What gives its packets their transport-wide numbers, None where they have none."""
        return self.destination.sent if self.row.transport_wide_extension else None

    def _own_elements(self, now: float) -> list[rtp.Element]:
        """The header extension elements that are the server's own on each transport."""
        own = list(self.own)
        if self.row.abs_send_time_extension:
            time = int(now * _ABS_SEND_TIME_STEPS) & 0xFFFFFF
            own.append((self.row.abs_send_time_extension, time.to_bytes(3, "big")))
        if (sent := self._sent) is not None:
            own.append((self.row.transport_wide_extension, sent.next_number.to_bytes(2, "big")))
        return own

    def answer(
        self,
        lost: Iterable[int],
        now: float,
        find: Callable[[int, int], bool],
        out: list[tuple[bytes, Address]],
        repairs: dict[Repair, int],
    ) -> None:
        """Send again what a NACK asks for, as far as it is there.

        `find` tells whether the packet that a source got under an extended number is still kept. `repairs`
        counts what is done.
        """
        self.nacks += 1
        repairs[Repair.NACKS_RECEIVED] += 1
        round_trip_time = self.destination.round_trip_time
        for number in lost:
            sent = None
            if self.highest is not None:
                sent = self.memory.find(self.highest + signed16(number - self.highest))
            if sent is not None and (
                sent.resends >= MAX_RESENDS or (sent.resends and now - sent.resent_at < round_trip_time)
            ):
                self.throttled += 1
                repairs[Repair.RETRANSMISSIONS_THROTTLED] += 1
                continue
            size = self._resend(sent, now, find, out) if sent is not None else 0
            if sent is None or not size:
                self.missed += 1
                repairs[Repair.RETRANSMISSIONS_MISSED] += 1
                continue
            sent.resends += 1
            sent.resent_at = now
            self.retransmitted += 1
            self.retransmitted_bytes += size
            repairs[Repair.PACKETS_RETRANSMITTED] += 1
            repairs[Repair.BYTES_RETRANSMITTED] += size

    def _resend(
        self,
        sent: Remembered,
        now: float,
        find: Callable[[int, int], bool],
        out: list[tuple[bytes, Address]],
    ) -> int:
        """Bytes of what was sent again, 0 where nothing could be."""
        address, session = self.destination.address, self.destination.send
        if address is None or session is None:
            return 0
        kept = self.kept.get(sent.number, now)
        if kept is not None:
            out.append((kept, address))
            return len(kept)
        payload_type = self.current.rtx_payload_types.get(sent.payload_type) if self.current else None
        if payload_type is None or self.current is None or not find(sent.source, sent.extended):
            return 0
        elements = rtp.remap_elements(sent.elements, self.current.extensions, self._own_elements(now))
        block = rtp.build_extension_block(elements)
        plain = (
            rtp.FIXED_HEADER.pack(
                sent.first_byte | rtp.EXTENSION_BIT if block else sent.first_byte,
                sent.marker | payload_type,
                self.rtx_sequence_number & 0xFFFF,
                sent.timestamp,
                self.row.rtx_ssrc,
            )
            + sent.contributors
            + block
            + (sent.number & 0xFFFF).to_bytes(rtx.OSN_SIZE, "big")
            + sent.payload
        )
        if len(plain) > MAXIMUM_PACKET:
            return 0
        try:
            protected = session.protect(plain)
        except pylibsrtp.Error:
            return 0
        self.rtx_sequence_number += 1
        out.append((protected, address))
        if (numbers := self._sent) is not None:
            numbers.sent(len(protected), now)
        return len(plain)

    @property
    def takes_padding(self) -> bool:
        """Whether packets of padding can be sent on it, and are counted by the subscriber's feedback."""
        return self._sent is not None and self.padding_type is not None

    def pad(self, now: float, out: list[tuple[bytes, Address]]) -> int:
        """Send a packet of padding on the SSRC of RTX, as libwebrtc's senders do; its bytes, 0 where it
        could not be."""
        address, session, sent = self.destination.address, self.destination.send, self._sent
        if address is None or session is None or sent is None or self.padding_type is None:
            return 0
        block = rtp.build_extension_block(self._own_elements(now))
        plain = (
            rtp.FIXED_HEADER.pack(
                0x80 | rtp.PADDING_BIT | rtp.EXTENSION_BIT,
                self.padding_type,
                self.rtx_sequence_number & 0xFFFF,
                self.last_timestamp,
                self.row.rtx_ssrc,
            )
            + block
            + bytes(PADDING - 1)
            + bytes((PADDING,))
        )
        try:
            protected = session.protect(plain)
        except pylibsrtp.Error:
            return 0
        self.rtx_sequence_number += 1
        out.append((protected, address))
        sent.sent(len(protected), now)
        self.padding += 1
        self.padding_bytes += len(plain)
        return len(plain)

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
            source=self.current.feed.source if self.current is not None else None,
            next_source=self.next.feed.source if self.next is not None else None,
            spatial_layer=self.gate.spatial,
            temporal_layer=self.gate.temporal,
            first_packet=self.first_packet,
            nacks=self.nacks,
            retransmitted=self.retransmitted,
            retransmitted_bytes=self.retransmitted_bytes,
            retransmissions_missed=self.missed,
            retransmissions_throttled=self.throttled,
            padding=self.padding,
            padding_bytes=self.padding_bytes,
        )
