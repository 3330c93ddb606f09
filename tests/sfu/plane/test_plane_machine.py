"""Any order of commands and datagrams: the laws hold after each, and closing everything leaves nothing."""

from collections.abc import Callable, Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from plane_world import VP8_CONTINUATION, VP8_INTERFRAME, VP8_KEYFRAME, World, rtp_packet

from sfu.plane.interface import Drop, Plane, PuntKind

PAYLOADS = st.sampled_from([VP8_KEYFRAME, VP8_KEYFRAME, VP8_INTERFRAME, VP8_CONTINUATION, b"", bytes(1330)])
# Steps between packets of a stream: in order, late, lost, and far enough to restart.
STEPS = st.sampled_from([1, 1, 1, 1, 2, -1, -2, -3, 50, -126, -510, -513, 520, 1000, 2999, 3000, 20000])

# Of a row among those that live.
INDEX = st.integers(0, 20)
MOSTLY = st.sampled_from([True, True, True, False])


def pick(rows: Iterable[int], index: int) -> int:
    ordered = sorted(rows)
    return ordered[index % len(ordered)]


class PlaneMachine(RuleBasedStateMachine):
    """Ids are never used twice, as the control side's counters do it."""

    create: Callable[[], Plane]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(type(self).create())
        self.plane = self.world.plane
        self.last_id = 0
        self.open: set[int] = set()
        self.keyed: set[int] = set()
        self.owner: dict[int, int] = {}  # source or route → transport
        self.live_sources: set[int] = set()
        self.live_routes: set[int] = set()
        self.fed: dict[int, int] = {}  # route → source
        self.next_sequence: dict[int, int] = {}
        self.closed_drops = 0
        self.datagrams = 0

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    @initialize()
    def call(self) -> None:
        """Two publishers, each with two subscribers."""
        for _ in range(2):
            source = self.new_source(self.new_transport(True, True))
            for first in (0, 32767):
                self.feed_to(self.new_route(self.new_transport(True, True), first), source, False)

    def new_transport(self, bound: bool, keyed: bool) -> int:
        transport = self.new_id()
        self.world.join(transport, bound=bound, keyed=keyed)
        self.open.add(transport)
        if keyed:
            self.keyed.add(transport)
        return transport

    def new_source(self, transport: int) -> int:
        source = self.new_id()
        self.world.publish(source, transport, ssrc=source)
        self.owner[source] = transport
        self.live_sources.add(source)
        self.next_sequence[source] = 65530
        return source

    def new_route(self, transport: int, first: int) -> int:
        route = self.new_id()
        self.world.subscribe(route, transport, None, ssrc=route, first=first, mid="x", mid_extension=3)
        self.owner[route] = transport
        self.live_routes.add(route)
        return route

    def feed_to(self, route: int, source: int, keyframe: bool) -> None:
        self.world.feed(route, source, keyframe=keyframe)
        self.fed[route] = source

    @rule(bound=MOSTLY, keyed=MOSTLY)
    def open_transport(self, bound: bool, keyed: bool) -> None:
        self.new_transport(bound, keyed)

    @precondition(lambda self: self.open - self.keyed)
    @rule(index=INDEX)
    def set_keys(self, index: int) -> None:
        transport = pick(self.open - self.keyed, index)
        self.plane.set_keys(transport, self.world.peers[transport].keys)
        self.keyed.add(transport)

    @precondition(lambda self: self.open)
    @rule(index=INDEX, bound=MOSTLY)
    def bind(self, index: int, bound: bool) -> None:
        transport = pick(self.open, index)
        (self.plane.bind if bound else self.plane.unbind)(transport, self.world.peers[transport].address)

    @precondition(lambda self: self.open)
    @rule(index=INDEX)
    def add_source(self, index: int) -> None:
        self.new_source(pick(self.open, index))

    @precondition(lambda self: self.open and self.live_sources)
    @rule(index=INDEX, source=INDEX, first=st.sampled_from([0, 100, 32767]))
    def add_route(self, index: int, source: int, first: int) -> None:
        self.feed_to(self.new_route(pick(self.open, index), first), pick(self.live_sources, source), False)

    @precondition(lambda self: self.live_routes and self.live_sources)
    @rule(index=INDEX, source=INDEX, keyframe=st.booleans())
    def feed(self, index: int, source: int, keyframe: bool) -> None:
        self.feed_to(pick(self.live_routes, index), pick(self.live_sources, source), keyframe)

    @precondition(lambda self: self.fed)
    @rule(index=INDEX)
    def unfeed(self, index: int) -> None:
        route = pick(self.fed, index)
        self.plane.feed_route(route, None)
        del self.fed[route]

    @precondition(lambda self: self.live_routes)
    @rule(index=INDEX, paused=st.booleans())
    def pause(self, index: int, paused: bool) -> None:
        self.plane.pause_route(pick(self.live_routes, index), paused)

    @precondition(lambda self: self.live_sources)
    @rule(
        index=INDEX,
        steps=st.lists(st.tuples(STEPS, PAYLOADS), min_size=1, max_size=12),
        again=st.booleans(),
    )
    def packets(self, index: int, steps: list[tuple[int, bytes]], again: bool) -> None:
        source = pick(self.live_sources, index)
        for step, payload in steps:
            self.world.now += 0.01
            self.next_sequence[source] += step
            number = self.next_sequence[source]
            packet = rtp_packet(number, number * 10 & 0xFFFFFFFF, payload, ssrc=source)
            # As the peer's session may refuse a late one: past SRTP, twice where `again`.
            for _ in range(1 + again):
                self.deliver(source, packet)

    def deliver(self, source: int, packet: bytes) -> None:
        """Each packet that the source counts is offered once to each of its routes."""
        routes = [route for route, feeding in self.fed.items() if feeding == source]
        packets = self.plane.source_state(source).packets
        offered = {route: self.plane.route_state(route).offered for route in routes}
        total = sum(self.plane.drops().values())
        sent = sum(self.plane.route_state(route).packets for route in routes)
        self.world.replay(self.owner[source], packet)
        counted = self.plane.source_state(source).packets - packets
        assert counted in (0, 1)
        for route in routes:
            assert self.plane.route_state(route).offered == offered[route] + counted
        dropped = sum(self.plane.drops().values()) - total
        delivered = sum(self.plane.route_state(route).packets for route in routes) - sent
        assert dropped + delivered == (len(routes) if counted else 1)

    @precondition(lambda self: self.live_sources)
    @rule(index=INDEX, payload=PAYLOADS, position=st.integers(0, 60) | st.none())
    def datagram(self, index: int, payload: bytes, position: int | None) -> None:
        """A protected packet, perhaps with a bit changed on the way."""
        source = pick(self.live_sources, index)
        peer = self.world.peers[self.owner[source]]
        # On an SSRC of its own: what went past SRTP has left no trace in the sessions.
        self.datagrams += 1
        packet = rtp_packet(self.datagrams, 0, payload, ssrc=source + 1_000_000)
        datagram = bytearray(peer.sending.protect(packet))
        if position is not None:
            datagram[position % len(datagram)] ^= 1
        before = sum(self.plane.drops().values())
        self.world.take_punts()
        self.world.receive(bytes(datagram), peer.address)
        punts = self.world.take_punts()
        assert len(punts) + sum(self.plane.drops().values()) - before == 1
        if PuntKind.UNKNOWN_SSRC in punts:
            assert position is None

    @precondition(lambda self: self.open)
    @rule(data=st.binary(max_size=40), index=INDEX)
    def noise(self, data: bytes, index: int) -> None:
        self.world.receive(data, self.world.peers[pick(self.open, index)].address)

    @precondition(lambda self: len(self.live_sources) > 1)
    @rule(index=INDEX)
    def remove_source(self, index: int) -> None:
        source = pick(self.live_sources, index)
        self.forget_source(source)
        self.plane.remove_source(source)

    @precondition(lambda self: len(self.live_routes) > 2)
    @rule(index=INDEX)
    def remove_route(self, index: int) -> None:
        route = pick(self.live_routes, index)
        self.forget_route(route)
        self.plane.remove_route(route)

    def forget_source(self, source: int) -> None:
        self.live_sources.discard(source)
        self.fed = {route: feeding for route, feeding in self.fed.items() if feeding != source}

    def forget_route(self, route: int) -> None:
        self.closed_drops += sum(self.plane.route_state(route).drops.values())
        self.live_routes.discard(route)
        self.fed.pop(route, None)

    @precondition(lambda self: len(self.open) > 4)
    @rule(index=INDEX)
    def close_transport(self, index: int) -> None:
        transport = pick(self.open, index)
        for route in [route for route in self.live_routes if self.owner[route] == transport]:
            self.forget_route(route)
        for source in [source for source in self.live_sources if self.owner[source] == transport]:
            self.forget_source(source)
        self.plane.close_transport(transport)
        self.open.discard(transport)
        self.keyed.discard(transport)

    @invariant()
    def tables(self) -> None:
        sizes = self.plane.sizes()
        assert sizes["transports"] == len(self.open)
        assert sizes["addresses"] <= len(self.open)
        assert sizes["sources"] == len(self.live_sources)
        assert sizes["routes"] == len(self.live_routes)

    @invariant()
    def counters(self) -> None:
        dropped = self.closed_drops
        for route in self.live_routes:
            self.world.check_route(route)
            dropped += sum(self.plane.route_state(route).drops.values())
        elsewhere = (
            Drop.EMPTY,
            Drop.UNKNOWN_PROTOCOL,
            Drop.UNBOUND_ADDRESS,
            Drop.BEFORE_DTLS,
            Drop.MALFORMED_RTP,
            Drop.MALFORMED_RTCP,
            Drop.SRTP_AUTH,
            Drop.SRTP_REPLAY,
            Drop.SRTCP_AUTH,
            Drop.SEQUENCE_JUMP,
        )
        drops = self.plane.drops()
        assert sum(drops.values()) == dropped + sum(drops.get(reason, 0) for reason in elsewhere)
        # What SRTP itself refused would be a fault of the mapping.
        assert Drop.SRTP_PROTECT not in drops

    def teardown(self) -> None:
        for transport in list(self.open):
            self.plane.close_transport(transport)
        assert set(self.plane.sizes().values()) == {0}
        assert not self.plane.take_datagrams()


def test_plane_machine(create: Callable[[], Plane]) -> None:
    machine = type("Machine", (PlaneMachine,), {"create": staticmethod(create)})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None)
    )
