"""The plane's tables: what the control side may and may not do, and what is left when it is done."""

import gc
from collections.abc import Callable

import pylibsrtp
import pytest
from plane_world import VP8_KEYFRAME, World, rtp_packet

from sfu.plane import create_plane
from sfu.plane.interface import Drop, Feed, Plane, PuntKind, RouteRow, SourceRow, SrtpKeys, SrtpProfile

EMPTY = {"transports": 0, "addresses": 0, "sources": 0, "routes": 0}
KEYS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, bytes(28), bytes(28))
HOME = ("192.0.2.1", 5000)


@pytest.fixture
def call(world: World) -> World:
    """Transport 1 publishes source 10; transport 2 gets it on route 20."""
    world.join(1)
    world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10)
    return world


def test_the_chosen_plane_starts_empty() -> None:
    plane = create_plane()
    assert plane.sizes() == EMPTY
    assert plane.drops() == {}


def source(identifier: int = 11, transport: int = 1, ssrc: int = 2) -> SourceRow:
    return SourceRow(identifier, transport, ssrc, 90000, {96: "VP8"}, True)


def route(
    identifier: int = 21,
    transport: int = 2,
    ssrc: int = 1001,
    first: int = 0,
    mid: str = "",
    extension: int = 0,
) -> RouteRow:
    return RouteRow(identifier, transport, ssrc, 90000, first, mid, extension)


def feed(identifier: int = 10, types: tuple[int, int] = (96, 97), ids: tuple[int, int] = (1, 2)) -> Feed:
    return Feed(identifier, dict([types]), dict([ids]), False)


MISTAKES: list[tuple[Callable[[Plane], object], type[Exception], str]] = [
    (lambda plane: plane.open_transport(1), ValueError, "transport 1 is open already"),
    (lambda plane: plane.bind(9, HOME), KeyError, "there is no transport 9"),
    (lambda plane: plane.unbind(9, HOME), KeyError, "there is no transport 9"),
    (lambda plane: plane.set_keys(9, KEYS), KeyError, "there is no transport 9"),
    (lambda plane: plane.set_keys(1, KEYS), ValueError, "transport 1 has its keys already"),
    (lambda plane: plane.close_transport(9), KeyError, "there is no transport 9"),
    (lambda plane: plane.add_source(source(transport=9)), KeyError, "there is no transport 9"),
    (lambda plane: plane.add_source(source(10)), ValueError, "source 10 exists already"),
    (lambda plane: plane.add_source(source(ssrc=1)), ValueError, "has a source of SSRC 1 already"),
    (
        lambda plane: plane.add_source(SourceRow(11, 1, 2, 90000, {200: "VP8"}, True)),
        ValueError,
        "payload type is 200, it should be 0 to 127",
    ),
    (
        lambda plane: plane.add_source(SourceRow(11, 1, 2, 90000, {-1: "VP8"}, True)),
        ValueError,
        "payload type is -1",
    ),
    (lambda plane: plane.remove_source(9), KeyError, "there is no source 9"),
    (lambda plane: plane.add_route(route(transport=9)), KeyError, "there is no transport 9"),
    (lambda plane: plane.add_route(route(20)), ValueError, "route 20 exists already"),
    (lambda plane: plane.add_route(route(ssrc=1000)), ValueError, "SSRC 1000 was sent on transport 2 before"),
    (lambda plane: plane.add_route(route(first=32768)), ValueError, "first sequence number is 32768"),
    (lambda plane: plane.add_route(route(first=-1)), ValueError, "first sequence number is -1"),
    (lambda plane: plane.add_route(route(extension=4)), ValueError, "mid '' has extension id 4"),
    (
        lambda plane: plane.add_route(route(mid="a", extension=256)),
        ValueError,
        "mid 'a' has extension id 256",
    ),
    (lambda plane: plane.remove_route(9), KeyError, "there is no route 9"),
    (lambda plane: plane.feed_route(9, None), KeyError, "there is no route 9"),
    (lambda plane: plane.feed_route(20, feed(9)), KeyError, "there is no source 9"),
    (lambda plane: plane.feed_route(20, feed(types=(96, 128))), ValueError, "payload type is 128"),
    (lambda plane: plane.feed_route(20, feed(types=(-1, 96))), ValueError, "payload type is -1"),
    (lambda plane: plane.feed_route(20, feed(ids=(1, 0))), ValueError, "header extension id is 0"),
    (lambda plane: plane.feed_route(20, feed(ids=(256, 1))), ValueError, "header extension id is 256"),
    (lambda plane: plane.pause_route(9, True), KeyError, "there is no route 9"),
    (lambda plane: plane.replay(9, rtp_packet(1), 0.0), KeyError, "there is no transport 9"),
    (lambda plane: plane.send_rtcp(9, bytes(8)), KeyError, "there is no transport 9"),
    (lambda plane: plane.send_rtcp(2, bytes(7)), ValueError, "RTCP packet has 7 bytes"),
    (lambda plane: plane.source_state(9), KeyError, "there is no source 9"),
    (lambda plane: plane.route_state(9), KeyError, "there is no route 9"),
    (lambda plane: plane.sample([9], []), KeyError, "there is no source 9"),
    (lambda plane: plane.sample([], [9]), KeyError, "there is no route 9"),
]


@pytest.mark.parametrize(("mistake", "error", "sentence"), MISTAKES, ids=[row[2] for row in MISTAKES])
def test_mistakes_are_named_and_change_nothing(
    call: World, mistake: Callable[[Plane], object], error: type[Exception], sentence: str
) -> None:
    before = dict(call.plane.sizes())
    with pytest.raises(error, match=sentence):
        mistake(call.plane)
    assert call.plane.sizes() == before
    call.send(1, rtp_packet(1))
    assert [packet.sequence for packet in call.peers[2].packets] == [100]


@pytest.mark.parametrize("profile", SrtpProfile)
def test_keys_of_a_wrong_size(plane: Plane, profile: SrtpProfile) -> None:
    plane.open_transport(1)
    size = profile.key_length + profile.salt_length
    for keys in (
        SrtpKeys(profile, bytes(size - 1), bytes(size)),
        SrtpKeys(profile, bytes(size), bytes(size + 1)),
    ):
        with pytest.raises(ValueError, match=f"takes a key and salt of {size} bytes"):
            plane.set_keys(1, keys)
    plane.set_keys(1, SrtpKeys(profile, bytes(size), bytes(size)))


def test_ssrc_of_a_removed_route_is_used_up(call: World) -> None:
    call.send(1, rtp_packet(1))
    call.plane.remove_route(20)
    with pytest.raises(ValueError, match="a new route needs a new one"):
        call.plane.add_route(route(ssrc=1000))


def test_closing_the_publisher_leaves_the_subscriber(call: World) -> None:
    call.send(1, rtp_packet(1))
    call.plane.close_transport(1)
    assert call.plane.sizes() == {"transports": 1, "addresses": 1, "sources": 0, "routes": 1}
    assert call.plane.route_state(20).timestamp_offset is None
    call.receive(call.peers[1].sending.protect(rtp_packet(2)), call.peers[1].address)
    assert call.drops() == {Drop.UNBOUND_ADDRESS: 1}
    call.join(3)
    call.publish(11, 3, ssrc=7)
    call.feed(20, 11)
    call.send(3, rtp_packet(900, ssrc=7))
    assert [packet.sequence for packet in call.peers[2].packets] == [100, 101]


def test_closing_the_subscriber_leaves_the_publisher(call: World) -> None:
    call.plane.pause_route(20, True)
    call.send(1, rtp_packet(1))
    call.plane.close_transport(2)
    call.send(1, rtp_packet(2))
    assert call.plane.source_state(10).packets == 2
    # The total remembers what the closed route dropped.
    assert call.drops() == {Drop.ROUTE_PAUSED: 1}
    call.plane.close_transport(1)
    assert call.plane.sizes() == EMPTY


def test_a_transport_that_feeds_itself_can_close(call: World) -> None:
    call.subscribe(30, 1, 10)
    call.send(1, rtp_packet(1))
    assert len(call.peers[1].packets) == 1
    call.plane.close_transport(1)
    assert call.plane.sizes() == {"transports": 1, "addresses": 1, "sources": 0, "routes": 1}


def test_transport_id_can_be_used_again(call: World) -> None:
    call.plane.close_transport(2)
    peer = call.join(2)
    call.subscribe(20, 2, 10)
    call.send(1, rtp_packet(1))
    assert [packet.sequence for packet in peer.packets] == [100]


def test_removed_source_and_removed_feed(call: World) -> None:
    call.send(1, rtp_packet(1))
    call.feed(20, 10)
    call.plane.feed_route(20, None)
    call.send(1, rtp_packet(2))
    assert call.plane.route_state(20).offered == 1
    assert call.plane.source_state(10).packets == 2
    call.plane.remove_source(10)
    call.send(1, rtp_packet(3))
    assert call.take_punts() == [PuntKind.UNKNOWN_SSRC]
    call.plane.remove_route(20)
    assert call.plane.sizes()["routes"] == 0


def test_paused_before_it_is_fed(world: World) -> None:
    world.join(1)
    world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, None)
    world.plane.pause_route(20, True)
    world.feed(20, 10)
    world.send(1, rtp_packet(1))
    world.plane.pause_route(20, False)
    for sequence, payload in ((2, b"\x10\x01"), (3, VP8_KEYFRAME)):
        world.send(1, rtp_packet(sequence, payload=payload))
    assert world.plane.route_state(20).drops == {Drop.ROUTE_PAUSED: 1, Drop.AWAITING_KEYFRAME: 1}
    assert len(world.peers[2].packets) == 1


def test_states_are_copies(call: World) -> None:
    state, totals = call.plane.route_state(20), call.plane.drops()
    call.plane.pause_route(20, True)
    call.send(1, rtp_packet(1))
    assert (state.offered, state.drops, totals) == (0, {}, {})


def test_drops_from_outside(plane: Plane) -> None:
    plane.drop(Drop.STUN_INTEGRITY)
    plane.drop(Drop.SEND_FAILED, 3)
    plane.drop(Drop.SEND_FAILED)
    assert plane.drops() == {Drop.STUN_INTEGRITY: 1, Drop.SEND_FAILED: 4}


# Addresses


def destination(world: World, transport: int) -> object:
    """Where the plane sends to a transport now."""
    world.plane.send_rtcp(transport, bytes((0x80, 201, 0, 1, 0, 0, 0, 1)))
    return [address for _, address in world.plane.take_datagrams()] or None


def test_newest_address_is_sent_to_and_all_are_read(call: World) -> None:
    mobile = ("2001:db8::1", 7)
    call.plane.bind(1, mobile)
    assert destination(call, 1) == [mobile]
    for number, address in enumerate((HOME, mobile)):
        call.receive(call.peers[1].sending.protect(rtp_packet(number)), address)
    assert len(call.peers[2].packets) == 2
    call.plane.bind(1, HOME)
    assert destination(call, 1) == [HOME]
    call.plane.unbind(1, HOME)
    assert destination(call, 1) == [mobile]
    call.receive(call.peers[1].sending.protect(rtp_packet(3)), HOME)
    assert call.drops() == {Drop.UNBOUND_ADDRESS: 1}
    call.plane.unbind(1, mobile)
    assert destination(call, 1) is None
    assert call.plane.sizes()["addresses"] == 1


def test_address_moves_to_another_transport(call: World) -> None:
    call.plane.bind(2, HOME)
    assert (destination(call, 1), destination(call, 2)) == (None, [HOME])
    call.receive(b"\x16", HOME)
    assert [punt.transport for punt in call.punts] == [2]
    # The former owner lets go of it later, as of an address that is not its own.
    call.plane.unbind(1, HOME)
    assert destination(call, 2) == [HOME]
    call.plane.close_transport(1)
    assert destination(call, 2) == [HOME]


def test_addresses_of_a_transport_are_bounded(call: World) -> None:
    for port in range(1, 101):
        call.plane.bind(1, ("192.0.2.200", port))
    assert call.plane.sizes()["addresses"] == 16 + 1
    assert destination(call, 1) == [("192.0.2.200", 100)]
    call.plane.close_transport(1)
    call.plane.close_transport(2)
    assert call.plane.sizes() == EMPTY


def live_sessions() -> int:
    gc.collect()
    return sum(isinstance(thing, pylibsrtp.Session) for thing in gc.get_objects())


def test_two_hundred_joins_leave_nothing(world: World) -> None:
    world.join(1)
    world.publish(10, 1)
    sessions = []
    for number in range(200):
        world.join(2)
        world.publish(11, 2)
        world.subscribe(20, 2, 10)
        world.subscribe(30, 1, 11, ssrc=5000 + number)
        world.send(2, rtp_packet(1))
        world.plane.remove_route(30)
        world.plane.close_transport(2)
        if number in (0, 199):
            sessions.append(live_sessions())
    assert world.plane.sizes() == {"transports": 1, "addresses": 1, "sources": 1, "routes": 0}
    assert sessions[0] == sessions[1]
