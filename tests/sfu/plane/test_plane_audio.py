"""How loud sources are told to be, and sources that are held back: on both planes."""

import pytest
from plane_world import World, rtp_packet

from sfu.plane.interface import Drop

LEVEL_ID = 1


def spoken(sequence: int, level: int | None = 20, *, voice: bool = True, ssrc: int = 1) -> bytes:
    """A packet of 20 ms of sound at -`level` dBov; None tells no level."""
    element = b"" if level is None else b"\xbe\xde\0\1" + bytes((LEVEL_ID << 4, voice << 7 | level, 0, 0))
    return rtp_packet(sequence, 960 * sequence, b"opus", ssrc=ssrc, extension=element)


def call(world: World, *, audio_level: int = LEVEL_ID) -> None:
    """1 speaks to 2 and 3."""
    for transport in (1, 2, 3):
        world.join(transport)
    world.publish(10, 1, codec="opus", rate=48000, audio_level=audio_level)
    for route, transport in ((20, 2), (30, 3)):
        world.subscribe(route, transport, 10, ssrc=1000 + route, rate=48000)


def test_audible_packets_are_counted_and_their_levels_added(world: World) -> None:
    call(world)
    for sequence, level in enumerate([20, 50, 51, 127, 0, None]):
        world.send(1, spoken(sequence, level))
    assert world.plane.audio_levels([10]) == [(5, 3, 70)]


def test_the_voice_flag_changes_nothing(world: World) -> None:
    call(world)
    world.send(1, spoken(0, 30, voice=True))
    world.send(1, spoken(1, 30, voice=False))
    assert world.plane.audio_levels([10]) == [(2, 2, 60)]


def test_a_level_is_read_of_a_two_byte_header_and_none_of_an_empty_one(world: World) -> None:
    call(world)
    world.send(1, rtp_packet(0, 0, b"opus", extension=b"\x10\0\0\1" + bytes((LEVEL_ID, 1, 35, 0))))
    world.send(1, rtp_packet(1, 960, b"opus", extension=b"\x10\0\0\1" + bytes((LEVEL_ID, 0, 0, 0))))
    assert world.plane.audio_levels([10]) == [(1, 1, 35)]


def test_a_source_that_negotiated_no_level_tells_none(world: World) -> None:
    call(world, audio_level=0)
    world.send(1, spoken(0))
    assert world.plane.audio_levels([10]) == [(0, 0, 0)]


def test_a_repeated_packet_counts_once(world: World) -> None:
    call(world)
    world.send(1, spoken(0))
    world.replay(1, spoken(0))
    assert world.plane.audio_levels([10]) == [(1, 1, 20)]


def test_levels_of_a_source_that_is_not_there_name_it(world: World) -> None:
    with pytest.raises(KeyError, match="there is no source 77"):
        world.plane.audio_levels([77])
    with pytest.raises(KeyError, match="there is no source 77"):
        world.plane.hold_source(77, True)


@pytest.mark.parametrize("first", [100, 65533])
def test_a_held_source_leaves_no_gap(world: World, first: int) -> None:
    """first + 2 and + 3 are dropped for everybody; numbers at the publisher wrap in the second case."""
    call(world)
    for step in range(6):
        world.plane.hold_source(10, step in (2, 3))
        world.send(1, spoken(first + step))
        world.now += 0.02
    for transport, route in ((2, 20), (3, 30)):
        packets = world.peers[transport].packets
        assert [packet.sequence for packet in packets] == [100, 101, 102, 103]
        # The publisher's clock goes on, so that what comes is played at its time.
        first_timestamp = packets[0].timestamp
        assert [(p.timestamp - first_timestamp) & 0xFFFFFFFF for p in packets] == [0, 960, 3840, 4800]
        assert world.plane.route_state(route).drops == {Drop.NOT_LOUDEST: 2}
        world.check_route(route)
    assert world.drops() == {Drop.NOT_LOUDEST: 4}


def test_loudness_is_told_of_a_held_source(world: World) -> None:
    call(world)
    world.plane.hold_source(10, True)
    world.send(1, spoken(0))
    assert world.plane.audio_levels([10]) == [(1, 1, 20)]


def test_a_pause_tells_before_a_hold(world: World) -> None:
    call(world)
    world.plane.hold_source(10, True)
    world.plane.pause_route(20, True)
    world.send(1, spoken(0))
    assert world.plane.route_state(20).drops == {Drop.ROUTE_PAUSED: 1}
    assert world.plane.route_state(30).drops == {Drop.NOT_LOUDEST: 1}


def test_a_hold_is_no_matter_of_another_source(world: World) -> None:
    call(world)
    world.publish(11, 1, ssrc=2, codec="opus", rate=48000)
    world.plane.hold_source(11, True)
    world.send(1, spoken(0))
    assert len(world.peers[2].packets) == 1


def test_routes_that_come_to_a_held_source_get_nothing(world: World) -> None:
    call(world)
    world.plane.hold_source(10, True)
    world.join(4)
    world.subscribe(40, 4, 10, ssrc=1040, rate=48000)
    world.send(1, spoken(0))
    assert not world.peers[4].packets
    world.plane.hold_source(10, False)
    world.send(1, spoken(1))
    assert [packet.sequence for packet in world.peers[4].packets] == [100]
