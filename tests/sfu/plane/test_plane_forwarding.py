"""What a route does to the packets of its source. Every number is written out: in → out."""

import pylibsrtp
import pytest
from plane_world import (
    VP8_CONTINUATION,
    VP8_INTERFRAME,
    VP8_KEYFRAME,
    Rtp,
    World,
    rtp_packet,
)

from sfu.plane.interface import Drop, Feed, Plane, PuntKind, RouteRow, SourceRow, SrtpProfile


@pytest.fixture
def call(world: World) -> World:
    """Transport 1 publishes source 10; transport 2 gets it on route 20."""
    world.join(1)
    world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10)
    return world


def sequences(world: World, transport: int = 2) -> list[int]:
    return [packet.sequence for packet in world.peers[transport].packets]


@pytest.mark.parametrize("profile", SrtpProfile)
def test_packet_as_a_whole(plane: Plane, profile: SrtpProfile) -> None:
    world = World(plane, profile)
    world.join(1)
    peer = world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10, ssrc=0xFEDCBA98, first=7)
    world.send(1, rtp_packet(5, 12345, b"\x10\x00payload", marker=True, csrcs=(8, 9), padding=3))
    assert peer.packets == [Rtp(0xFEDCBA98, 7, 12345, 97, True, (8, 9), b"", b"\x10\x00payload\0\0\x03")]
    state = plane.route_state(20)
    assert (state.packets, state.bytes, state.payload_bytes) == (1, 32, 9)
    assert (state.last_sequence_number, state.last_timestamp, state.timestamp_offset) == (7, 12345, 0)
    assert plane.source_state(10).bytes == 32


# Sequence numbers in, then out; the first one out is 100.
SEQUENCES = [
    ("in order", [10, 11, 12], [100, 101, 102]),
    ("loss leaves a gap", [10, 14], [100, 104]),
    ("wrap", [65534, 65535, 0, 1], [100, 101, 102, 103]),
    ("loss over the wrap", [65535, 3], [100, 104]),
    ("reordered", [10, 12, 11, 13], [100, 102, 101, 103]),
    ("reordered over the wrap", [65534, 0, 65535, 1], [100, 102, 101, 103]),
    ("before the first", [10, 9, 11], [100, 101]),
    ("before the first, over the wrap", [0, 65535, 1], [100, 101]),
    ("511 late is the last in time", [0, 512, 1, 513], [100, 612, 101, 613]),
    ("512 late is too late", [0, 513, 1, 514], [100, 613, 614]),
    ("the longest gap", [0, 2999], [100, 3099]),
    ("two in a row after a jump", [0, 3000, 3001, 3002], [100, 101, 102]),
    ("a jump over the wrap", [65000, 5000, 5001], [100, 101]),
    ("late for the jump", [0, 5000, 5002, 5003, 5001], [100, 101]),
]


@pytest.mark.parametrize(
    ("given", "expected"), [row[1:] for row in SEQUENCES], ids=[row[0] for row in SEQUENCES]
)
def test_sequence_numbers(call: World, given: list[int], expected: list[int]) -> None:
    for sequence in given:
        call.send(1, rtp_packet(sequence))
    assert sequences(call) == expected
    call.check_route(20)
    assert len(given) == len(expected) + sum(call.drops().values())


@pytest.mark.parametrize(
    ("given", "reason"),
    [([10, 9], Drop.BEFORE_START), ([0, 600, 88], Drop.TOO_LATE), ([0, 3000], Drop.SEQUENCE_JUMP)],
)
def test_reasons_of_the_sequence(call: World, given: list[int], reason: Drop) -> None:
    for sequence in given:
        call.send(1, rtp_packet(sequence))
    assert call.drops() == {reason: 1}


def test_a_lone_packet_far_away_is_not_believed(call: World) -> None:
    # Past SRTP, which would follow it.
    for sequence in (0, 5000, 1, 5001, 2):
        call.replay(1, rtp_packet(sequence))
    assert sequences(call) == [100, 101, 102]
    assert call.drops() == {Drop.SEQUENCE_JUMP: 2}


@pytest.mark.parametrize("first", [0, 100, 32767])
def test_roll_over_of_what_is_sent(world: World, first: int) -> None:
    world.join(1)
    peer = world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10, first=first)
    # The peer's session decrypts each, so both sides' roll-over counters agree at every step.
    for sequence in range(40000, 40000 + 3 * 65536, 50):
        world.send(1, rtp_packet(sequence))
    assert len(peer.packets) == 3933
    assert peer.packets[-1].sequence == first + 50 * 3932 & 0xFFFF
    assert world.drops() == {}


def test_roll_over_counter_survives_a_long_silence(call: World) -> None:
    """Packets of 40,000 numbers are lost between plane and subscriber for want of an address."""
    call.send(1, rtp_packet(0))
    call.plane.unbind(2, call.peers[2].address)
    for sequence in range(0, 40000, 1000):
        call.send(1, rtp_packet(sequence + 1))
    call.plane.bind(2, call.peers[2].address)
    for sequence in (39002, 39003, 39001 + 120, 39001 + 118):
        call.send(1, rtp_packet(sequence))
    assert sequences(call) == [100, 101, 102, 220, 218]
    assert call.drops() == {Drop.NO_ADDRESS: 40}


TIMESTAMPS = [
    ("first start keeps the publisher's", [(0, 5000), (0.02, 6800)], [5000, 6800]),
    ("wrap at 2^32", [(0, 2**32 - 1), (0.02, 1799)], [2**32 - 1, 1799]),
]


@pytest.mark.parametrize(
    ("given", "expected"), [row[1:] for row in TIMESTAMPS], ids=[row[0] for row in TIMESTAMPS]
)
def test_timestamps(call: World, given: list[tuple[float, int]], expected: list[int]) -> None:
    for number, (elapsed, timestamp) in enumerate(given):
        call.now = 100 + elapsed
        call.send(1, rtp_packet(number, timestamp))
    assert [packet.timestamp for packet in call.peers[2].packets] == expected


# (timestamp of the old source, seconds between, timestamp of the new one) → what is sent for the new one
SWITCHES = [
    ("advanced by the time passed", 5000, 0.5, 777, 50000),
    ("over the wrap of the output", 2**32 - 1, 0.5, 777, 44999),
    ("at least a hundredth of a second", 5000, 0.0, 777, 5900),
    ("new source near its wrap", 5000, 1.0, 2**32 - 5, 95000),
]


@pytest.mark.parametrize(
    ("before", "elapsed", "after", "expected"),
    [row[1:] for row in SWITCHES],
    ids=[row[0] for row in SWITCHES],
)
def test_switch_of_source(call: World, before: int, elapsed: float, after: int, expected: int) -> None:
    call.publish(11, 1, ssrc=2)
    call.send(1, rtp_packet(65535, before))
    call.feed(20, 11)
    assert call.plane.route_state(20).timestamp_offset is None
    call.now += elapsed
    call.send(1, rtp_packet(65535, after, ssrc=2))
    call.send(1, rtp_packet(0, after + 90 & 0xFFFFFFFF, ssrc=2))
    received = call.peers[2].packets
    assert [packet.sequence for packet in received] == [100, 101, 102]
    assert [packet.timestamp for packet in received] == [before, expected, expected + 90]
    assert call.plane.route_state(20).timestamp_offset == (expected - after) % 2**32


def test_switch_continues_from_the_newest_sent(call: World) -> None:
    call.publish(11, 1, ssrc=2)
    for sequence, timestamp in ((10, 1000), (12, 3000), (11, 2000)):
        call.send(1, rtp_packet(sequence, timestamp))
    state = call.plane.route_state(20)
    assert (state.last_sequence_number, state.last_timestamp) == (102, 3000)
    call.feed(20, 11)
    call.now += 1
    call.send(1, rtp_packet(500, 0, ssrc=2))
    assert sequences(call) == [100, 102, 101, 103]
    assert call.peers[2].packets[-1].timestamp == 3000 + 90000


def test_late_packets_of_the_former_source_are_not_offered(call: World) -> None:
    call.publish(11, 1, ssrc=2)
    call.send(1, rtp_packet(10))
    call.feed(20, 11)
    call.send(1, rtp_packet(11))
    assert call.plane.route_state(20).offered == 1


def test_back_to_the_first_source(call: World) -> None:
    """Numbers sent before the switch are not used again, though the source has sent them before."""
    call.publish(11, 1, ssrc=2)
    for sequence in (10, 11, 13):
        call.send(1, rtp_packet(sequence))
    call.feed(20, 11)
    call.send(1, rtp_packet(900, ssrc=2))
    call.feed(20, 10)
    for sequence in (14, 12, 15):
        call.send(1, rtp_packet(sequence))
    assert sequences(call) == [100, 101, 103, 104, 105, 106]
    assert call.drops() == {Drop.BEFORE_START: 1}


def test_timestamps_of_a_resumed_source_keep_their_offset(call: World) -> None:
    """Its own clock tells what has passed, so that a pause does not put it out of sync with its sound."""
    call.send(1, rtp_packet(10, 5000))
    call.plane.pause_route(20, True)
    call.plane.pause_route(20, False)
    call.now += 1
    call.send(1, rtp_packet(11, 5000 + 89000, VP8_KEYFRAME))
    assert call.peers[2].packets[-1].timestamp == 5000 + 89000


@pytest.mark.parametrize("timestamp", [4000, 5000 + 90000 * 60], ids=["back", "far ahead"])
def test_timestamps_set_anew_by_a_resumed_source(call: World, timestamp: int) -> None:
    call.send(1, rtp_packet(10, 5000))
    call.plane.pause_route(20, True)
    call.plane.pause_route(20, False)
    call.now += 1
    call.send(1, rtp_packet(11, timestamp, VP8_KEYFRAME))
    assert call.peers[2].packets[-1].timestamp == 5000 + 90000


def test_pause_and_resume(call: World) -> None:
    call.send(1, rtp_packet(10))
    call.plane.pause_route(20, True)
    call.send(1, rtp_packet(11))
    call.plane.pause_route(20, False)
    assert call.plane.route_state(20).awaiting_keyframe
    for sequence, payload in (
        (12, VP8_INTERFRAME),
        (14, VP8_KEYFRAME),
        (13, VP8_INTERFRAME),
        (15, VP8_INTERFRAME),
    ):
        call.send(1, rtp_packet(sequence, payload=payload))
    assert not call.plane.route_state(20).awaiting_keyframe
    assert sequences(call) == [100, 101, 102]
    assert call.plane.route_state(20).drops == {
        Drop.ROUTE_PAUSED: 1,
        Drop.AWAITING_KEYFRAME: 1,
        Drop.BEFORE_START: 1,
    }
    call.check_route(20)


def test_resuming_what_was_not_paused_changes_nothing(call: World) -> None:
    call.send(1, rtp_packet(10))
    call.plane.pause_route(20, False)
    call.send(1, rtp_packet(11))
    assert sequences(call) == [100, 101]


def test_sound_resumes_at_once(world: World) -> None:
    world.join(1)
    world.join(2)
    world.publish(10, 1, codec="opus", rate=48000)
    world.subscribe(20, 2, 10, rate=48000, keyframe=True)
    world.send(1, rtp_packet(10, payload=b"x"))
    world.plane.pause_route(20, True)
    world.plane.pause_route(20, False)
    world.send(1, rtp_packet(11, payload=b"x"))
    assert sequences(world) == [100, 101]


AV1_SEQUENCE = b"\x68\x0b\x08"
GATES = [
    ("VP8", VP8_KEYFRAME, [VP8_INTERFRAME, VP8_CONTINUATION]),
    ("VP9", b"\x88\x01\x00", [b"\xc8\x01\x00", b"\x80\x01\x00"]),
    ("H264", b"\x67\x42", [b"\x7c\x85\x00", b"\x41\x9a"]),
    ("AV1", AV1_SEQUENCE, [b"\x10\x30", b"\xd0\x00"]),
    ("av1", AV1_SEQUENCE, [b"\x10\x30", b"\xd0\x00"]),
    ("H265", b"\x01\x02", []),
    ("opus", b"\x01\x02", []),
]


@pytest.mark.parametrize(("codec", "opens", "shut"), GATES, ids=[row[0] for row in GATES])
def test_gate(world: World, codec: str, opens: bytes, shut: list[bytes]) -> None:
    world.join(1)
    world.join(2)
    world.publish(10, 1, codec=codec)
    world.subscribe(20, 2, 10, keyframe=True)
    assert world.plane.route_state(20).awaiting_keyframe
    for number, payload in enumerate([*shut, b"", opens, *shut] if shut else [opens]):
        world.send(1, rtp_packet(number, payload=payload))
    assert [packet.rest for packet in world.peers[2].packets] == [opens, *shut]
    assert sequences(world)[0] == 100
    assert not world.plane.route_state(20).awaiting_keyframe
    world.check_route(20)


def test_gate_looks_at_the_codec_of_each_packet(world: World) -> None:
    world.join(1)
    world.join(2)
    world.plane.add_source(SourceRow(10, 1, 1, 90000, {96: "VP8", 98: "H264"}, True))
    world.subscribe(20, 2, None)
    world.plane.feed_route(20, Feed(10, {96: 97, 98: 99}, {}, True))
    world.send(1, rtp_packet(1, payload=b"\x67\x42", payload_type=96))
    world.send(1, rtp_packet(2, payload=b"\x67\x42", payload_type=98))
    assert [packet.payload_type for packet in world.peers[2].packets] == [99]


def test_keyframe_is_punted_once(call: World) -> None:
    call.send(1, rtp_packet(1, 10, VP8_INTERFRAME))
    assert call.take_punts() == []
    packet = rtp_packet(2, 20, VP8_KEYFRAME)
    call.send(1, packet)
    [punt] = call.punts
    assert (punt.kind, punt.source, punt.data) == (PuntKind.KEYFRAME, 10, packet)
    for sequence, timestamp, payload in (
        (3, 20, VP8_CONTINUATION),
        (4, 20, VP8_KEYFRAME),
        (5, 30, VP8_INTERFRAME),
    ):
        call.send(1, rtp_packet(sequence, timestamp, payload))
    call.send(1, rtp_packet(6, 40, VP8_KEYFRAME))
    assert call.take_punts() == [PuntKind.KEYFRAME] * 2
    assert call.plane.source_state(10).keyframes == 2


def one_byte(*elements: bytes) -> bytes:
    body = b"".join(elements)
    body += bytes(-len(body) % 4)
    return b"\xbe\xde" + (len(body) // 4).to_bytes(2, "big") + body


def two_byte(*elements: bytes) -> bytes:
    body = b"".join(elements)
    body += bytes(-len(body) % 4)
    return b"\x10\x00" + (len(body) // 4).to_bytes(2, "big") + body


LEVEL = b"\x10\x55"  # id 1, one byte
EXTENSIONS = [
    ("none", b"", {1: 2}, "", 0, b""),
    ("stripped", one_byte(LEVEL), {}, "", 0, b""),
    ("remapped", one_byte(LEVEL, b"\x32abc"), {1: 3, 3: 1}, "", 0, one_byte(b"\x30\x55", b"\x12abc")),
    ("mid added", b"", {}, "a1", 4, one_byte(b"\x41a1")),
    ("mid next to others", one_byte(LEVEL), {1: 1}, "0", 4, one_byte(LEVEL, b"\x400")),
    ("mid replaced", one_byte(b"\x50p", LEVEL), {5: 4, 1: 1}, "0", 4, one_byte(LEVEL, b"\x400")),
    ("to two bytes for an id", one_byte(LEVEL), {1: 15}, "0", 4, two_byte(b"\x0f\x01\x55", b"\x04\x010")),
    ("to one byte", two_byte(b"\x10\x02hi"), {16: 2}, "", 0, one_byte(b"\x21hi")),
    ("unknown profile", b"\xab\xcd\x00\x01abcd", {1: 1}, "0", 4, one_byte(b"\x400")),
]


@pytest.mark.parametrize(
    ("given", "ids", "mid", "mid_extension", "expected"),
    [row[1:] for row in EXTENSIONS],
    ids=[r[0] for r in EXTENSIONS],
)
def test_extensions(
    world: World, given: bytes, ids: dict[int, int], mid: str, mid_extension: int, expected: bytes
) -> None:
    world.join(1)
    world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10, mid=mid, mid_extension=mid_extension, extensions=ids)
    world.send(1, rtp_packet(1, extension=given, csrcs=(5,)))
    [packet] = world.peers[2].packets
    assert (packet.extension, packet.csrcs, packet.rest) == (expected, (5,), VP8_INTERFRAME)


def test_routes_of_one_packet_are_rewritten_apart(world: World) -> None:
    world.join(1)
    world.publish(10, 1)
    for transport, mid in ((2, "a"), (3, "b"), (4, "a")):
        world.join(transport)
        world.subscribe(
            transport, transport, 10, mid=mid, mid_extension=transport, extensions={1: 9 + transport}
        )
    world.send(1, rtp_packet(1, extension=one_byte(LEVEL)))
    assert [world.peers[transport].packets[0].extension for transport in (2, 3, 4)] == [
        one_byte(b"\xb0\x55", b"\x20a"),
        one_byte(b"\xc0\x55", b"\x30b"),
        one_byte(b"\xd0\x55", b"\x40a"),
    ]


def test_drops_of_a_route(call: World) -> None:
    call.join(3, bound=False)
    call.subscribe(30, 3, 10)
    call.join(4, keyed=False)
    call.subscribe(40, 4, 10)
    call.join(5)
    call.plane.add_route(RouteRow(50, 5, 1000, 90000, 100, "", 0))
    call.plane.feed_route(50, Feed(10, {98: 98}, {}, False))
    call.send(1, rtp_packet(1))
    for route, reason in ((30, Drop.NO_ADDRESS), (40, Drop.NO_KEYS), (50, Drop.NO_PAYLOAD_TYPE)):
        state = call.plane.route_state(route)
        assert (state.offered, state.packets, state.drops) == (1, 0, {reason: 1})
    assert call.drops() == {Drop.NO_ADDRESS: 1, Drop.NO_KEYS: 1, Drop.NO_PAYLOAD_TYPE: 1}
    assert sequences(call) == [100]


def test_payload_type_that_the_source_does_not_have(call: World) -> None:
    call.plane.feed_route(20, Feed(10, {96: 97, 98: 99}, {}, False))
    call.send(1, rtp_packet(1, payload_type=98))
    assert call.drops() == {Drop.NO_PAYLOAD_TYPE: 1}


def test_gate_stays_shut_for_a_keyframe_that_could_not_be_sent(world: World) -> None:
    world.join(1)
    world.join(2, bound=False)
    world.publish(10, 1)
    world.subscribe(20, 2, 10, keyframe=True, mid="m" * 40, mid_extension=4)
    world.send(1, rtp_packet(1, 1, VP8_KEYFRAME))
    world.plane.bind(2, world.peers[2].address)
    world.send(1, rtp_packet(2, 2, VP8_INTERFRAME))
    world.send(1, rtp_packet(3, 3, VP8_KEYFRAME + bytes(1320)))
    world.send(1, rtp_packet(4, 4, VP8_INTERFRAME))
    assert world.plane.route_state(20).drops == {
        Drop.NO_ADDRESS: 1,
        Drop.AWAITING_KEYFRAME: 2,
        Drop.TOO_LARGE: 1,
    }
    world.send(1, rtp_packet(5, 5, VP8_KEYFRAME))
    assert [(packet.sequence, packet.timestamp) for packet in world.peers[2].packets] == [(100, 5)]


def test_each_route_gets_the_packet(world: World) -> None:
    world.join(1)
    world.publish(10, 1)
    for transport in range(2, 8):
        world.join(transport)
        world.subscribe(transport, transport, 10, first=transport)
    world.subscribe(99, 1, 10, first=1)
    for sequence in range(5):
        world.send(1, rtp_packet(sequence))
    for transport in range(1, 8):
        assert sequences(world, transport) == list(range(transport, transport + 5))
    assert sum(world.plane.route_state(route).offered for route in (*range(2, 8), 99)) == 5 * 7


def test_receiver_rejects_a_forgery(call: World) -> None:
    """That this file's peers do check: one bit changed on the way is noticed."""
    call.plane.receive(call.peers[1].sending.protect(rtp_packet(1)), call.peers[1].address, 0.0)
    [(datagram, _)] = call.plane.take_datagrams()
    with pytest.raises(pylibsrtp.Error):
        call.peers[2].take(datagram[:-1] + bytes((datagram[-1] ^ 1,)))
