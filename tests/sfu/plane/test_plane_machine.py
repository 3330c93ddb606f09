"""Any order of commands and datagrams: the laws hold after each, and closing everything leaves nothing."""

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from plane_world import VP8_CONTINUATION, VP8_INTERFRAME, VP8_KEYFRAME, World, rtp_packet

from sfu.plane.interface import Drop, Plane, PuntKind

PAYLOADS = st.sampled_from([VP8_KEYFRAME, VP8_INTERFRAME, VP8_CONTINUATION, b"", bytes(1330)])
# Steps between packets of a stream: in order, late, lost, and far enough to restart.
STEPS = st.sampled_from([1, 1, 1, 1, 2, -1, -2, 50, -126, 130, 1000, 2999, 3000, 20000])


class PlaneMachine(RuleBasedStateMachine):
    """Ids are never used twice, as the control side's counters do it."""

    create: Callable[[], Plane]

    transports = Bundle("transports")
    sources = Bundle("sources")
    routes = Bundle("routes")

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

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    @rule(target=transports, bound=st.booleans(), keyed=st.booleans())
    def open_transport(self, bound: bool, keyed: bool) -> int:
        identifier = self.new_id() % 200 + 1
        if identifier in self.open:
            return identifier
        self.world.join(identifier, bound=bound, keyed=keyed)
        self.open.add(identifier)
        if keyed:
            self.keyed.add(identifier)
        return identifier

    @rule(transport=transports)
    def set_keys(self, transport: int) -> None:
        if transport in self.open and transport not in self.keyed:
            self.plane.set_keys(transport, self.world.peers[transport].keys)
            self.keyed.add(transport)

    @rule(transport=transports, bound=st.booleans())
    def bind(self, transport: int, bound: bool) -> None:
        if transport in self.open:
            address = self.world.peers[transport].address
            (self.plane.bind if bound else self.plane.unbind)(transport, address)

    @rule(target=sources, transport=transports)
    def add_source(self, transport: int) -> int:
        source = self.new_id()
        if transport in self.open:
            self.world.publish(source, transport, ssrc=source)
            self.owner[source] = transport
            self.live_sources.add(source)
            self.next_sequence[source] = 65530
        return source

    @rule(target=routes, transport=transports, first=st.sampled_from([0, 100, 32767]))
    def add_route(self, transport: int, first: int) -> int:
        route = self.new_id()
        if transport in self.open:
            self.world.subscribe(route, transport, None, ssrc=route, first=first, mid="x", mid_extension=3)
            self.owner[route] = transport
            self.live_routes.add(route)
        return route

    @rule(route=routes, source=sources, keyframe=st.booleans())
    def feed(self, route: int, source: int, keyframe: bool) -> None:
        if route in self.live_routes and source in self.live_sources:
            self.world.feed(route, source, keyframe=keyframe)
            self.fed[route] = source

    @rule(route=routes)
    def unfeed(self, route: int) -> None:
        if route in self.live_routes:
            self.plane.feed_route(route, None)
            self.fed.pop(route, None)

    @rule(route=routes, paused=st.booleans())
    def pause(self, route: int, paused: bool) -> None:
        if route in self.live_routes:
            self.plane.pause_route(route, paused)

    @rule(
        source=sources,
        steps=st.lists(st.tuples(STEPS, PAYLOADS), min_size=1, max_size=8),
        again=st.booleans(),
    )
    def packets(self, source: int, steps: list[tuple[int, bytes]], again: bool) -> None:
        if source not in self.live_sources:
            return
        for step, payload in steps:
            self.world.now += 0.01
            self.next_sequence[source] += step
            number = self.next_sequence[source]
            packet = rtp_packet(number, number * 10 & 0xFFFFFFFF, payload, ssrc=source)
            # As the peer's session may refuse a late one: past SRTP, twice where `again`.
            for _ in range(1 + again):
                self.deliver(source, lambda packet=packet: self.world.replay(self.owner[source], packet))

    def deliver(self, source: int, send: Callable[[], None]) -> None:
        """Each packet that the source counts is offered once to each of its routes."""
        routes = [route for route, feeding in self.fed.items() if feeding == source]
        packets = self.plane.source_state(source).packets
        offered = {route: self.plane.route_state(route).offered for route in routes}
        total = sum(self.plane.drops().values())
        sent = sum(self.plane.route_state(route).packets for route in routes)
        send()
        counted = self.plane.source_state(source).packets - packets
        assert counted in (0, 1)
        for route in routes:
            assert self.plane.route_state(route).offered == offered[route] + counted
        dropped = sum(self.plane.drops().values()) - total
        delivered = sum(self.plane.route_state(route).packets for route in routes) - sent
        assert dropped + delivered == (len(routes) if counted else 1)

    @rule(source=sources, payload=PAYLOADS, position=st.integers(0, 60) | st.none())
    def datagram(self, source: int, payload: bytes, position: int | None) -> None:
        """A protected packet, perhaps with a bit changed on the way."""
        if source not in self.live_sources or len(payload) > 1000:
            return
        peer = self.world.peers[self.owner[source]]
        self.next_sequence[source] += 1
        # On an SSRC of its own, which SRTP sees in order: replayed ones have left no trace in the session.
        packet = rtp_packet(self.next_sequence[source], 0, payload, ssrc=source + 1_000_000)
        datagram = bytearray(peer.sending.protect(packet))
        if position is not None:
            datagram[position % len(datagram)] ^= 1
        before = sum(self.plane.drops().values())
        self.world.take_punts()
        self.world.receive(bytes(datagram), peer.address)
        punts = self.world.take_punts()
        assert len(punts) + sum(self.plane.drops().values()) - before == 1
        if punts == [PuntKind.UNKNOWN_SSRC]:
            assert position is None

    @rule(data=st.binary(max_size=40), transport=transports)
    def noise(self, data: bytes, transport: int) -> None:
        if transport in self.world.peers:
            self.world.receive(data, self.world.peers[transport].address)

    @rule(source=consumes(sources))
    def remove_source(self, source: int) -> None:
        if source in self.live_sources:
            self.plane.remove_source(source)
            self.live_sources.discard(source)
            self.fed = {route: feeding for route, feeding in self.fed.items() if feeding != source}

    @rule(route=consumes(routes))
    def remove_route(self, route: int) -> None:
        if route in self.live_routes:
            self.forget_route(route)
            self.plane.remove_route(route)

    def forget_route(self, route: int) -> None:
        self.closed_drops += sum(self.plane.route_state(route).drops.values())
        self.live_routes.discard(route)
        self.fed.pop(route, None)

    @rule(transport=consumes(transports))
    def close_transport(self, transport: int) -> None:
        if transport not in self.open:
            return
        for route in [route for route in self.live_routes if self.owner[route] == transport]:
            self.forget_route(route)
        for source in [source for source in self.live_sources if self.owner[source] == transport]:
            self.live_sources.discard(source)
            self.fed = {route: feeding for route, feeding in self.fed.items() if feeding != source}
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
        machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
