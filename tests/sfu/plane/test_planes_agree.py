"""Both planes get the same commands and datagrams, and give the same bytes, punts, counters and errors."""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pylibsrtp
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from packets import (
    CODECS,
    DESCRIPTOR_ID,
    MARKING_ID,
    corrupt,
    random_feedback,
    random_packet,
    random_rtcp,
)
from plane_world import RTCP_TYPES, VP8_KEYFRAME, Peer, rtp_packet

from sfu.plane._fast import FastPlane
from sfu.plane.interface import (
    Address,
    Drop,
    Feed,
    Plane,
    PuntKind,
    Repair,
    RouteRow,
    SourceRow,
    SrtpProfile,
)
from sfu.plane.reference import ReferencePlane
from sfu.wire import rtcp

EXAMPLES = int(os.environ.get("PLANES_AGREE_EXAMPLES", "70"))
STEPS = int(os.environ.get("PLANES_AGREE_STEPS", "50"))

ADDRESSES: list[Address] = [
    *((f"192.0.2.{host}", 5000) for host in range(1, 12)),
    *((f"2001:db8::{host}", 5000) for host in range(1, 10)),
    *(("192.0.2.1", port) for port in range(6000, 6010)),
]
# Payload types of every source, by what they carry; 100 is nothing's.
TYPES = {96: "VP8", 97: "VP9", 98: "H264", 99: "AV1", 111: "opus", 127: "red"}
# Payload types of RTX, at publishers and at subscribers.
REPEATS = {100: 96, 101: 96, 102: 97, 103: 111}
# Steps between numbers of a stream: mostly in order; late, lost, over the windows, and far enough to restart.
STRIDES = [1] * 40 + [0, 2, 3, -1, -1, -2, -3, 50, 120, -126, -257, -511, -512, -513, 300, 999, -1023, -1024]
STRIDES += [2000, 2998, 2999, 3000, 3001, 20000, 32768, 40000, 65535]
TICKS = [0.0, 0.0, 0.001, 0.01, 0.02, 0.33, 0.99, 1.01, 5.0]

# Ids of transport-wide sequence numbers.
WIDE_IDS = [0, 1, 1, 2, 3, 255]

# Around the borders of RFC 7983's ranges.
FIRST_BYTES = [0, 3, 4, 19, 20, 63, 64, 127, 128, 144, 191, 192, 255]

LARGEST = 1356

SEED = st.integers(0, 2**32 - 1)
MOSTLY = st.sampled_from([True, True, True, False])


class Stream:
    """What a publisher sends under one SSRC."""

    def __init__(self, transport: int, ssrc: int, dice: random.Random) -> None:
        self.transport = transport
        self.ssrc = ssrc
        self.number = dice.choice([0, 1, 30000, 65000, 65530, 65535])
        self.timestamp = dice.choice([0, 5000, 2**31, 2**32 - 3000, 2**32 - 1])
        self.sent: list[bytes] = []
        self.rtx_ssrc: int | None = None
        self.rtx_number = dice.choice([0, 1000, 65530])


class PlanesAgree(RuleBasedStateMachine):
    """Ids come again once they are free, SSRCs too: the planes have to keep them apart."""

    profile: SrtpProfile
    packets_seen = 0
    sent_seen = 0
    drops_seen: Counter[Drop]
    repairs_seen: Counter[Repair]

    def __init__(self) -> None:
        super().__init__()
        self.fast, self.reference = FastPlane(), ReferencePlane()
        self.now = 1000.0
        self.peers: dict[int, Peer] = {}
        self.bound: dict[Address, int] = {}
        self.owner: dict[str, dict[int, int]] = {"source": {}, "route": {}}
        self.streams: list[Stream] = []
        self.keyed: set[int] = set()
        self.punted: list[tuple[int, bytes]] = []
        self.route_ssrcs: dict[int, int] = {}
        self.seen: set[tuple[int, bytes]] = set()
        self.opened = 0

    # Both at once

    def both(self, call: Callable[[Plane], Any]) -> Exception | None:
        """Call both planes; the error that both raise."""
        errors: list[Exception | None] = []
        results = []
        for plane in (self.fast, self.reference):
            try:
                results.append(call(plane))
            except (KeyError, ValueError) as error:
                errors.append(error)
            else:
                errors.append(None)
        assert repr(errors[0]) == repr(errors[1])
        assert not results or results[0] == results[1]
        self.compare_output()
        return errors[0]

    def compare_output(self) -> None:
        sent = self.fast.take_datagrams()
        assert sent == self.reference.take_datagrams()
        punts = self.fast.take_punts()
        assert punts == self.reference.take_punts()
        for punt in punts:
            if punt.kind is PuntKind.UNKNOWN_SSRC:
                assert punt.transport is not None
                self.punted = [*self.punted[-20:], (punt.transport, punt.data)]
        for datagram, address in sent:
            if datagram[0] >> 6 == 2:
                peer = self.peers[self.bound[address]]
                if (peer.generation, datagram) in self.seen:
                    continue  # sent again as it was
                peer.take(datagram)
                if datagram[1] not in RTCP_TYPES:
                    self.seen.add((peer.generation, datagram))
                    type(self).sent_seen += 1

    @invariant()
    def compare_state(self) -> None:
        assert self.fast.drops() == self.reference.drops()
        assert self.fast.sizes() == self.reference.sizes()
        assert self.fast.repairs() == self.reference.repairs()
        assert self.fast.history_bytes() == self.reference.history_bytes()
        for source in self.owner["source"]:
            assert self.fast.source_state(source) == self.reference.source_state(source)
            assert self.fast.sample([source], []) == self.reference.sample([source], [])
            assert self.fast.audio_levels([source]) == self.reference.audio_levels([source])
        for transport in self.peers:
            assert self.fast.bandwidth(transport) == self.reference.bandwidth(transport)
        for route in self.owner["route"]:
            state = self.fast.route_state(route)
            assert state == self.reference.route_state(route)
            assert ([], [state]) == self.fast.sample([], [route])
            assert state.offered == state.packets + sum(state.drops.values())
        # A mapping that asked for one number twice would have been refused by SRTP.
        assert Drop.SRTP_PROTECT not in self.fast.drops()

    # Rows

    def pick(self, rows: Iterable[Any], dice: random.Random, missing: Any = None) -> Any:
        """A row of these, and now and then one that is not there."""
        ordered = list(rows)
        if missing is not None and (not ordered or dice.random() < 0.03):
            return missing
        return dice.choice(ordered)

    def new_id(self, table: Iterable[int], dice: random.Random) -> int:
        taken = set(table)
        return self.pick([number for number in range(30) if number not in taken], dice, next(iter(taken), 0))

    @initialize(seed=SEED)
    def call(self, seed: int) -> None:
        """Three participants who send and get everything."""
        dice = random.Random(seed)
        for _ in range(3):
            self.open(dice, True, True)
        for transport in list(self.peers):
            self.new_source(transport, dice)
        for source in list(self.owner["source"]):
            for transport in list(self.peers):
                route = self.new_route(transport, dice)
                self.new_feed(route, source, dice, dice.random() < 0.3)
        self.loss(seed)

    def open(self, dice: random.Random, bound: bool, keyed: bool) -> None:
        transport = self.new_id(self.peers, dice)
        if self.both(lambda plane: plane.open_transport(transport)):
            return
        self.opened += 1
        peer = Peer(transport, ("", 0), type(self).profile, self.opened)
        self.peers[transport] = peer
        free = [address for address in ADDRESSES if address not in self.bound]
        if bound and free:
            self.bind_to(transport, dice.choice(free))
        if keyed:
            self.key(transport)

    def bind_to(self, transport: int, address: Address) -> None:
        if not self.both(lambda plane: plane.bind(transport, address)):
            self.bound[address] = transport

    def key(self, transport: int) -> None:
        keys = self.peers[transport].keys
        error = self.both(lambda plane: plane.set_keys(transport, keys))
        assert (error is not None) == (transport in self.keyed)
        self.keyed.add(transport)

    def new_source(self, transport: int, dice: random.Random, ssrc: int | None = None) -> int:
        source = self.new_id(self.owner["source"], dice)
        ssrc = dice.choice([1, 2, 3, 4, 2**32 - 1]) if ssrc is None else ssrc
        types = {number: TYPES[number] for number in TYPES if dice.random() < 0.8}
        rate = dice.choice([90000, 90000, 48000, 8000, 50])
        rtx = dice.choice([None, 11, 12, 13, 14])
        row = SourceRow(
            source,
            transport,
            ssrc,
            rate,
            types,
            dice.random() < 0.8,
            dice.choice(WIDE_IDS),
            dependency_descriptor=dice.choice([0, DESCRIPTOR_ID, DESCRIPTOR_ID]),
            frame_marking=dice.choice([0, MARKING_ID]),
            audio_level=dice.choice([0, 1, 2, 3]),
            nack=dice.random() < 0.8,
            rtx_payload_types=REPEATS,
            rtx_ssrc=rtx,
        )
        if not self.both(lambda plane: plane.add_source(row)):
            self.owner["source"][source] = transport
            stream = Stream(transport, ssrc, dice)
            stream.rtx_ssrc = rtx
            self.streams = [*self.streams[-15:], stream]
        return source

    def new_route(self, transport: int, dice: random.Random) -> int:
        route = self.new_id(self.owner["route"], dice)
        mid = dice.choice(["", "0", "x", "video-1", "a-mid-of-17-bytes", "m" * 255, "ä"])
        row = RouteRow(
            route,
            transport,
            dice.randrange(1000, 1200),
            dice.choice([90000, 90000, 48000, 50]),
            dice.choice([0, 1, 100, 32000, 32767, 32768]),
            mid,
            dice.choice([0, 1, 3, 14, 15, 200]) if mid else 0,
            dice.choice(WIDE_IDS),
            dice.choice([0, 0, 0, 2, 9, 15, 200]),
            dice.choice([None, dice.randrange(1200, 1400), dice.randrange(1000, 1400)]),
            dice.choice([0, 100, 32767, 32768] if dice.random() < 0.1 else [0, 100, 32767]),
        )
        if not self.both(lambda plane: plane.add_route(row)):
            self.owner["route"][route] = transport
            self.route_ssrcs[route] = row.ssrc
        return route

    def a_feed(self, source: int, dice: random.Random, keyframe: bool) -> Feed:
        # Not 64 to 95, which with the marker look like RTCP (RFC 5761 section 4).
        types = {number: dice.choice([0, 63, 96, 97, 127]) for number in [*TYPES, 100] if dice.random() < 0.9}
        ids = {
            dice.randrange(1, 17): dice.choice([1, 2, 3, 4, 14, 15, 255]) for _ in range(dice.randrange(6))
        }
        delta = dice.choice([None, 0, 90_000, -3_000, 2**31, -(2**32)])
        rtx = {number: dice.choice([100, 101, 120]) for number in types.values() if dice.random() < 0.7}
        return Feed(source, types, ids, keyframe, delta, dice.random() < 0.8, rtx)

    def new_feed(self, route: int, source: int, dice: random.Random, keyframe: bool) -> None:
        feed = self.a_feed(source, dice, keyframe)
        self.both(lambda plane: plane.feed_route(route, feed))
        if dice.random() < 0.5:
            spatial, temporal = dice.choice([0, 1, 255]), dice.choice([0, 0, 1, 255])
            self.both(lambda plane: plane.limit_route(route, spatial, temporal))

    @rule(seed=SEED, bound=MOSTLY, keyed=MOSTLY)
    def open_transport(self, seed: int, bound: bool, keyed: bool) -> None:
        if len(self.peers) < 8:
            self.open(random.Random(seed), bound, keyed)

    @rule(seed=SEED)
    def set_keys(self, seed: int) -> None:
        if self.peers:
            self.key(self.pick(self.peers, random.Random(seed)))

    @rule(seed=SEED, count=st.sampled_from([1, 1, 1, 20]))
    def bind(self, seed: int, count: int) -> None:
        dice = random.Random(seed)
        transport = self.pick(self.peers, dice, 77)
        for _ in range(count):
            self.bind_to(transport, dice.choice(ADDRESSES))

    @rule(seed=SEED)
    def unbind(self, seed: int) -> None:
        dice = random.Random(seed)
        transport = self.pick(self.peers, dice, 77)
        address = (
            dice.choice(list(self.bound)) if self.bound and dice.random() < 0.8 else dice.choice(ADDRESSES)
        )
        self.both(lambda plane: plane.unbind(transport, address))

    @rule(seed=SEED)
    def add_source(self, seed: int) -> None:
        dice = random.Random(seed)
        source = self.new_source(self.pick(self.peers, dice, 77), dice)
        for transport in list(self.peers)[:2]:
            self.new_feed(self.new_route(transport, dice), source, dice, dice.random() < 0.3)

    @rule(seed=SEED, held=st.booleans())
    def hold_source(self, seed: int, held: bool) -> None:
        source = self.pick(self.owner["source"], random.Random(seed), 77)
        self.both(lambda plane: plane.hold_source(source, held))

    @rule(seed=SEED)
    def add_route(self, seed: int) -> None:
        dice = random.Random(seed)
        self.new_route(self.pick(self.peers, dice, 77), dice)

    @rule(seed=SEED, keyframe=st.booleans())
    def feed(self, seed: int, keyframe: bool) -> None:
        dice = random.Random(seed)
        route = self.pick(self.owner["route"], dice, 77)
        self.new_feed(route, self.pick(self.owner["source"], dice, 77), dice, keyframe)

    @rule(seed=SEED, keyframe=MOSTLY)
    def switch(self, seed: int, keyframe: bool) -> None:
        dice = random.Random(seed)
        for _ in range(4):
            route = self.pick(self.owner["route"], dice, 77)
            source = self.fast.route_state(route).source if route in self.owner["route"] else None
            mine = self.owner["source"].get(source)
            others = [other for other, owner in self.owner["source"].items() if owner == mine]
            target = dice.choice(others) if others and dice.random() < 0.9 else 0
            feed = self.a_feed(
                self.pick(self.owner["source"], dice, 77) if target == 0 else target, dice, keyframe
            )
            self.both(lambda plane, at=route, fed=feed: plane.switch_route(at, fed))

    @rule(seed=SEED)
    def limit(self, seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(3):
            route = self.pick(self.owner["route"], dice, 77)
            spatial, temporal = dice.choice([0, 0, 1, 2, 255, 256]), dice.choice([0, 0, 1, 2, 255, -1])
            self.both(lambda plane, at=route, s=spatial, t=temporal: plane.limit_route(at, s, t))

    @rule(seed=SEED)
    def unfeed(self, seed: int) -> None:
        route = self.pick(self.owner["route"], random.Random(seed), 77)
        self.both(lambda plane: plane.feed_route(route, None))

    @rule(seed=SEED, paused=st.sampled_from([True, False, False]))
    def pause(self, seed: int, paused: bool) -> None:
        route = self.pick(self.owner["route"], random.Random(seed), 77)
        self.both(lambda plane: plane.pause_route(route, paused))

    @rule(seed=SEED)
    def remove_source(self, seed: int) -> None:
        source = self.pick(self.owner["source"], random.Random(seed), 77)
        self.both(lambda plane: plane.remove_source(source))
        self.owner["source"].pop(source, None)

    @rule(seed=SEED)
    def remove_route(self, seed: int) -> None:
        route = self.pick(self.owner["route"], random.Random(seed), 77)
        self.both(lambda plane: plane.remove_route(route))
        self.owner["route"].pop(route, None)

    @precondition(lambda self: len(self.peers) > 3)
    @rule(seed=SEED)
    def close_transport(self, seed: int) -> None:
        transport = self.pick(self.peers, random.Random(seed))
        self.both(lambda plane: plane.close_transport(transport))
        del self.peers[transport]
        self.keyed.discard(transport)
        for table in self.owner.values():
            for row in [row for row, owner in table.items() if owner == transport]:
                del table[row]
        self.bound = {address: owner for address, owner in self.bound.items() if owner != transport}

    # Repair

    @rule(seed=SEED, count=st.integers(1, 12))
    def ticks(self, seed: int, count: int) -> None:
        dice = random.Random(seed)
        for _ in range(count):
            self.now += dice.choice([0.0, 0.005, 0.01, 0.02, 0.1, 0.3])
            self.both(lambda plane: plane.tick(self.now))

    @rule(seed=SEED, count=st.integers(1, 8))
    def probes(self, seed: int, count: int) -> None:
        """Begun, replaced, and ticked on while media goes on, and rows come and go."""
        dice = random.Random(seed)
        transport = self.pick(self.peers, dice, 77)
        number, bitrate = dice.randrange(0, 9), dice.choice([10e3, 300e3, 2e6, 2e6, 30e6, -1.0])
        duration = dice.choice([0.001, 0.03, 0.03, 0.2])
        self.both(lambda plane: plane.probe(transport, number, bitrate, duration, self.now))
        for _ in range(count):
            self.now += dice.choice([0.0, 0.002, 0.005, 0.02, 0.1])
            if dice.random() < 0.3 and self.streams:
                self.packets(dice.randrange(1 << 32), 1, True)
            self.both(lambda plane: plane.tick(self.now))

    @precondition(lambda self: self.owner["route"])
    @rule(seed=SEED, count=st.integers(1, 6))
    def nacks(self, seed: int, count: int) -> None:
        """Of what was sent lately, of what was not, and again."""
        dice = random.Random(seed)
        for _ in range(count):
            route = self.pick(self.owner["route"], dice)
            transport = self.owner["route"][route]
            newest = self.fast.route_state(route).last_sequence_number or 0
            lost = tuple(
                newest - dice.choice([0, 0, 1, 2, 3, 20, 100, 511, 512, 600, -1]) & 0xFFFF
                for _ in range(dice.randrange(1, 5))
            )
            packets: list[rtcp.Packet] = [rtcp.GenericNack(1, self.route_ssrcs[route], lost)]
            if dice.random() < 0.3:
                packets.insert(dice.randrange(2), rtcp.PictureLossIndication(1, 2))
            data = rtcp.serialize(packets)
            if dice.random() < 0.1:
                data = data[:8] + corrupt(data[8:], dice)
            datagram = self.peers[transport].sending.protect_rtcp(data)
            where = self.address_of(transport, dice)
            self.now += dice.choice([0.0, 0.01, 0.1, 0.2])
            self.both(lambda plane, raw=datagram, at=where: plane.receive(raw, at, self.now))

    @precondition(lambda self: self.streams)
    @rule(seed=SEED)
    def loss(self, seed: int) -> None:
        """A stream with gaps: they are asked for and repaired, and subscribers ask for what they lost."""
        dice = random.Random(seed)
        stream = self.stream(dice)
        if stream.transport not in self.keyed:
            return
        lost: list[tuple[int, int]] = []
        for _ in range(20):
            stream.number += 1
            stream.timestamp += 3000
            self.now += 0.01
            if dice.random() < 0.15:
                lost.append((stream.number & 0xFFFF, stream.timestamp & 0xFFFFFFFF))
                continue
            packet = rtp_packet(
                stream.number,
                stream.timestamp & 0xFFFFFFFF,
                VP8_KEYFRAME + bytes(dice.randrange(900)),
                ssrc=stream.ssrc,
            )
            self.deliver(stream, packet, dice)
        self.both(lambda plane: plane.tick(self.now + 0.02))
        for number, timestamp in lost:
            if stream.rtx_ssrc is not None:
                stream.rtx_number += 1
                payload = number.to_bytes(2, "big") + VP8_KEYFRAME
                packet = rtp_packet(
                    stream.rtx_number, timestamp, payload, ssrc=stream.rtx_ssrc, payload_type=101
                )
                self.deliver(stream, packet, dice)
        for route, transport in self.owner["route"].items():
            newest = self.fast.route_state(route).last_sequence_number
            if newest is None or transport not in self.keyed:
                continue
            numbers = tuple(newest - back & 0xFFFF for back in range(dice.randrange(1, 20)))
            data = rtcp.serialize([rtcp.GenericNack(1, self.route_ssrcs[route], numbers)])
            where = self.address_of(transport, dice)
            for _ in range(dice.choice([1, 2])):
                datagram = self.peers[transport].sending.protect_rtcp(data)
                self.both(lambda plane, raw=datagram, at=where: plane.receive(raw, at, self.now))
        for transport in list(self.peers):
            self.both(lambda plane, to=transport: plane.probe(to, 1, 2e6, 0.01, self.now))
        for _ in range(dice.randrange(6)):
            self.now += 0.004
            self.both(lambda plane: plane.tick(self.now))

    @precondition(lambda self: any(stream.rtx_ssrc for stream in self.streams))
    @rule(seed=SEED, count=st.integers(1, 20))
    def retransmissions(self, seed: int, count: int) -> None:
        """RTX of a stream: of what was lost, of what was not, of nothing."""
        dice = random.Random(seed)
        stream = dice.choice([stream for stream in self.streams if stream.rtx_ssrc])
        for _ in range(count):
            stream.rtx_number += 1
            original = stream.number - dice.choice([0, 1, 1, 2, 3, 5, 50, 511, 1023, 1024, -1, -50, -3000])
            payload_type = dice.choice([*REPEATS, 100, 100, 96])
            codec = TYPES.get(REPEATS.get(payload_type, 0))
            packet = random_packet(
                dice,
                stream.rtx_ssrc or 0,
                stream.rtx_number & 0xFFFF,
                stream.timestamp & 0xFFFFFFFF,
                payload_type,
                codec,
            )
            if dice.random() < 0.9 and len(packet) < 1300 and not packet[0] & 0x3F:
                packet = packet[:12] + (original & 0xFFFF).to_bytes(2, "big") + packet[12:]
            if stream.transport in self.keyed:
                self.deliver(stream, packet, dice)
            else:
                self.both(lambda plane, data=packet: plane.replay(stream.transport, data, self.now))

    @precondition(lambda self: self.streams)
    @rule(seed=SEED)
    def set_rtx(self, seed: int) -> None:
        dice = random.Random(seed)
        source = self.pick(self.owner["source"], dice, 77)
        ssrc = dice.choice([1, 11, 12, 13, 14, 15])
        if not self.both(lambda plane: plane.set_rtx(source, ssrc)):
            for stream in self.streams:
                if stream.transport == self.owner["source"][source]:
                    stream.rtx_ssrc = ssrc

    @rule(seed=SEED)
    def timing(self, seed: int) -> None:
        dice = random.Random(seed)
        transport, seconds = self.pick(self.peers, dice, 77), dice.choice([0.0, 0.02, 0.1, 0.5, 9.0])
        self.both(lambda plane: plane.set_round_trip_time(transport, seconds))
        kept, size = dice.choice([0.1, 1.0, 1.0, 5.0]), dice.choice([0, 40_000, 1 << 20, 1 << 28])
        self.both(lambda plane: plane.limit_history(kept, size))

    # Datagrams

    def address_of(self, transport: int, dice: random.Random) -> Address:
        mine = [address for address, owner in self.bound.items() if owner == transport]
        return dice.choice(mine or ADDRESSES) if dice.random() < 0.97 else dice.choice(ADDRESSES)

    def next_packet(self, stream: Stream, dice: random.Random) -> bytes:
        stream.number += dice.choice(STRIDES)
        if dice.random() < 0.5:
            stream.timestamp += dice.choice([0, 1, 900, 3000, 3000, 3000, 450_000, -3000, 2**31])
        # A lone packet from elsewhere, at times with a second one that follows it too late.
        number = stream.number + (5000 if dice.random() < 0.04 else 0)
        payload_type = dice.choice([*TYPES, 96, 96, 96, 96, 100])
        return random_packet(
            dice,
            stream.ssrc,
            number & 0xFFFF,
            stream.timestamp & 0xFFFFFFFF,
            payload_type,
            TYPES.get(payload_type),
        )

    @precondition(lambda self: self.streams)
    @rule(seed=SEED, count=st.integers(1, 40))
    def datagrams(self, seed: int, count: int) -> None:
        self.packets(seed, count, True)

    @precondition(lambda self: self.streams)
    @rule(seed=SEED, count=st.integers(1, 40))
    def replays(self, seed: int, count: int) -> None:
        self.packets(seed, count, False)

    @precondition(lambda self: self.streams)
    @rule(seed=SEED, seeds=st.lists(SEED, min_size=2, max_size=6))
    def interleaved(self, seed: int, seeds: list[int]) -> None:
        """Several streams at once, while a row changes between their packets."""
        for other in seeds:
            self.packets(other, 5, True)
        (self.feed, self.pause, self.bind, self.switch)[seed % 4](
            seed, *((False,), (seed % 8 < 4,), (1,), (True,))[seed % 4]
        )
        for other in seeds:
            self.packets(other, 5, True)

    def stream(self, dice: random.Random) -> Stream:
        """One that reaches a transport, mostly."""
        live = [stream for stream in self.streams if stream.transport in self.peers]
        return dice.choice(live if live and dice.random() < 0.95 else self.streams)

    def packets(self, seed: int, count: int, protected: bool) -> None:
        """Datagrams of one stream: in order, late, twice, broken on the way; or past SRTP."""
        dice = random.Random(seed)
        stream = self.stream(dice)
        for _ in range(count):
            type(self).packets_seen += 1
            self.now += dice.choice(TICKS)
            packet = self.next_packet(stream, dice)
            if protected and stream.transport in self.keyed:
                self.deliver(stream, packet, dice)
            else:
                if dice.random() < 0.2:
                    packet = corrupt(packet, dice)
                self.both(lambda plane, data=packet: plane.replay(stream.transport, data, self.now))

    def deliver(self, stream: Stream, packet: bytes, dice: random.Random) -> None:
        if len(packet) > LARGEST:
            return
        try:
            datagram = self.peers[stream.transport].sending.protect(packet)
        except pylibsrtp.Error:
            return  # too late for the peer itself
        stream.sent = [*stream.sent[-70:], datagram]
        choice = dice.random()
        if choice < 0.1:
            datagram = corrupt(datagram, dice)
        elif choice < 0.2:
            datagram = dice.choice(stream.sent)
        address = self.address_of(stream.transport, dice)
        self.both(lambda plane: plane.receive(datagram, address, self.now))

    @precondition(lambda self: self.streams)
    @rule(seed=SEED)
    def march(self, seed: int) -> None:
        """Far enough that roll-over counters go on at both ends, with a frame lost here and there."""
        dice = random.Random(seed)
        stream = self.stream(dice)
        for _ in range(40):
            stream.number += dice.choice([1000, 2000, 2999])
            self.now += 0.02
            stream.timestamp += 1800
            packet = random_packet(
                dice, stream.ssrc, stream.number & 0xFFFF, stream.timestamp & 0xFFFFFFFF, 96, "VP8"
            )
            if stream.transport in self.keyed:
                self.deliver(stream, packet, dice)

    @precondition(lambda self: self.punted)
    @rule(seed=SEED)
    def attribute(self, seed: int) -> None:
        """The control side makes a source of what was punted, and gives it back."""
        dice = random.Random(seed)
        transport, packet = dice.choice(self.punted)
        if transport in self.peers:
            self.new_source(transport, dice, int.from_bytes(packet[8:12], "big"))
            self.both(lambda plane: plane.replay(transport, packet, self.now))

    @precondition(lambda self: self.keyed)
    @rule(seed=SEED, count=st.sampled_from([1, 5, 62, 63, 64, 65, 66]))
    def strangers(self, seed: int, count: int) -> None:
        """SSRCs that nobody knows; of the first ones the plane may have forgotten what it got."""
        dice = random.Random(seed)
        transport = self.pick(sorted(self.keyed), dice)
        stream = Stream(transport, dice.choice([100, 120, 10_000]), dice)
        for _ in range(count):
            stream.ssrc += 1
            self.deliver(stream, random_packet(dice, stream.ssrc, 7, 0, 96, "VP8"), dice)
        for datagram in stream.sent[:4]:
            where = self.address_of(transport, dice)
            self.both(lambda plane, data=datagram, at=where: plane.receive(data, at, self.now))

    @precondition(lambda self: self.peers)
    @rule(seed=SEED, count=st.integers(1, 6))
    def rtcp(self, seed: int, count: int) -> None:
        dice = random.Random(seed)
        for _ in range(count):
            transport = self.pick(self.peers, dice)
            packet = random_rtcp(dice)
            if dice.random() < 0.5:
                packet = b"".join(random_feedback(dice) for _ in range(dice.choice([1, 1, 2]))) + packet
            if dice.random() < 0.5:
                self.both(lambda plane, to=transport, data=packet: plane.send_rtcp(to, data))
                continue
            datagram = self.peers[transport].sending.protect_rtcp(packet) if len(packet) <= 1300 else packet
            if dice.random() < 0.3:
                datagram = corrupt(datagram, dice)
            where = self.address_of(transport, dice)
            for _ in range(dice.choice([1, 1, 2])):
                self.both(lambda plane, data=datagram, at=where: plane.receive(data, at, self.now))

    @rule(seconds=st.sampled_from([0.0, 0.02, 0.05, 0.1, 3.0]))
    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.both(lambda plane: plane.tick(self.now))

    @rule(seed=SEED, count=st.integers(1, 8))
    def noise(self, seed: int, count: int) -> None:
        dice = random.Random(seed)
        for _ in range(count):
            data = dice.randbytes(dice.choice([0, 1, 2, 11, 12, 13, 21, 22, 40, 1500, 1501]))
            if data and dice.random() < 0.7:
                data = bytes([dice.choice(FIRST_BYTES)]) + data[1:]
            address = dice.choice([*self.bound, *ADDRESSES[:5]])
            if dice.random() < 0.2 and data and data[0] >> 6 != 2:
                self.both(lambda plane, raw=data[:1500], at=address: plane.send(raw, at))
            else:
                self.both(lambda plane, raw=data, at=address: plane.receive(raw, at, self.now))

    def teardown(self) -> None:
        for transport in list(self.peers):
            self.both(lambda plane, closing=transport: plane.close_transport(closing))
        assert set(self.fast.sizes().values()) == {0}
        assert self.fast.history_bytes() == 0
        self.drops_seen.update(self.fast.drops())
        self.repairs_seen.update(self.fast.repairs())
        assert self.fast.drops() == self.reference.drops()


@pytest.mark.parametrize("profile", [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_SHA1_80])
def test_planes_agree(profile: SrtpProfile) -> None:
    machine = type(
        "Machine", (PlanesAgree,), {"profile": profile, "drops_seen": Counter(), "repairs_seen": Counter()}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    print(f"{machine.packets_seen} packets in, {machine.sent_seen} out; drops: {dict(machine.drops_seen)}")
    assert set(CODECS) <= set(TYPES.values())
    # A machine that sends nothing compares nothing, nor does one that drops no layers.
    assert machine.drops_seen[Drop.LAYER_NOT_WANTED] > EXAMPLES
    assert machine.sent_seen > EXAMPLES * 10
    print(f"repairs: {dict(machine.repairs_seen)}")
    assert machine.repairs_seen[Repair.PACKETS_REQUESTED] > EXAMPLES / 10
    assert machine.repairs_seen[Repair.PACKETS_RETRANSMITTED] > EXAMPLES
    assert machine.repairs_seen[Repair.PADDING_PACKETS] > EXAMPLES
