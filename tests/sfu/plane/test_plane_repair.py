"""NACK and RTX on each plane: what publishers are asked for, and what subscribers get again."""

import struct

import pylibsrtp
import pytest
from plane_world import VP8_INTERFRAME, VP8_KEYFRAME, Rtp, World, rtp_packet

from sfu.plane.interface import Drop, PuntKind, Repair
from sfu.wire import rtcp

PUBLISHER, SUBSCRIBER = 1, 2
SOURCE, ROUTE = 10, 20
RTX = 900
"""SSRC of the publisher's RTX."""


@pytest.fixture
def call(world: World) -> World:
    """A publisher and a subscriber who both have NACK and RTX."""
    world.join(PUBLISHER)
    world.join(SUBSCRIBER)
    world.publish(SOURCE, PUBLISHER, nack=True, rtx_ssrc=RTX)
    world.subscribe(ROUTE, SUBSCRIBER, SOURCE, nack=True, rtx_ssrc=2000)
    return world


def rtx_packet(number: int, original: int, payload: bytes = VP8_INTERFRAME, **header: int) -> bytes:
    options = {"ssrc": RTX, "payload_type": 98, **header}
    return rtp_packet(number, 0, struct.pack("!H", original & 0xFFFF) + payload, **options)


def asked(world: World) -> list[tuple[int, ...]]:
    """The sequence numbers of each NACK that the publisher got."""
    found = []
    for data in world.peers[PUBLISHER].rtcp:
        report, nack = rtcp.parse(data)
        assert report == rtcp.ReceiverReport(9001)
        assert isinstance(nack, rtcp.GenericNack)
        assert (nack.sender_ssrc, nack.media_ssrc) == (9001, 1)
        found.append(nack.lost)
    world.peers[PUBLISHER].rtcp.clear()
    return found


def nack(*lost: int, ssrc: int = 1000) -> bytes:
    return rtcp.serialize([rtcp.GenericNack(5, ssrc, lost)])


def taken(world: World, transport: int = SUBSCRIBER) -> list[Rtp]:
    peer = world.peers[transport]
    packets = list(peer.packets)
    peer.packets.clear()
    return packets


def publish(world: World, *numbers: int, payload: bytes = VP8_INTERFRAME) -> None:
    for number in numbers:
        world.send(PUBLISHER, rtp_packet(number, number * 10 & 0xFFFFFFFF, payload))


# From publishers


@pytest.mark.parametrize(
    ("sent", "lost"),
    [
        ([10, 12], (11,)),
        ([10, 14, 20], (11, 12, 13, 15, 16, 17, 18, 19)),
        ([65534, 1], (65535, 0)),
        ([65530, 20], (*range(65531, 65536), *range(20))),
        ([10, 12, 11, 14], (13,)),
    ],
)
def test_gaps_are_asked_for(call: World, sent: list[int], lost: tuple[int, ...]) -> None:
    publish(call, *sent)
    call.tick(0.005)
    assert asked(call) == []
    call.tick(0.006)
    assert asked(call) == [lost]
    state = call.plane.source_state(SOURCE)
    assert (state.nacks, state.requested) == (1, len(lost))
    assert call.plane.repairs()[Repair.PACKETS_REQUESTED] == len(lost)


def test_nothing_is_asked_of_a_publisher_without_nack(world: World) -> None:
    world.join(PUBLISHER)
    world.join(SUBSCRIBER)
    world.publish(SOURCE, PUBLISHER)
    world.subscribe(ROUTE, SUBSCRIBER, SOURCE)
    publish(world, 10, 12)
    world.tick(0.1)
    assert asked(world) == []


def test_nothing_is_asked_for_that_nobody_gets(call: World) -> None:
    call.plane.feed_route(ROUTE, None)
    publish(call, 10, 12)
    call.tick(0.02)
    assert asked(call) == []
    assert call.take_punts() == []


def test_requests_are_repeated_by_the_round_trip_and_given_up(call: World) -> None:
    call.plane.set_round_trip_time(PUBLISHER, 0.2)
    publish(call, 10, 12)
    at = []
    start = call.now
    for _ in range(60):
        call.tick(0.02)
        at += [round(call.now - start, 2)] * len(asked(call))
    # 1.25 round trips apart, until the packet is a second old.
    assert at == [0.02, 0.28, 0.54, 0.8]
    state = call.plane.source_state(SOURCE)
    assert (state.nacks, state.given_up, state.recovered) == (4, 1, 0)
    assert call.take_punts() == [PuntKind.REPAIR_FAILED]


def test_what_was_lost_before_a_keyframe_needs_no_other(call: World) -> None:
    publish(call, 10, 12)
    publish(call, 13, payload=VP8_KEYFRAME)
    call.take_punts()
    for _ in range(60):
        call.tick(0.02)
    assert call.plane.source_state(SOURCE).given_up == 1
    assert call.take_punts() == []


def test_audio_is_not_waited_for_as_long(world: World) -> None:
    world.join(PUBLISHER)
    world.join(SUBSCRIBER)
    world.publish(SOURCE, PUBLISHER, codec="opus", rate=48000, nack=True)
    world.subscribe(ROUTE, SUBSCRIBER, SOURCE, rate=48000)
    publish(world, 10, 12)
    for _ in range(16):
        world.tick(0.02)
    assert world.plane.source_state(SOURCE).given_up == 1
    assert len(asked(world)) == 3
    assert world.take_punts() == []


def test_an_outage_is_answered_by_a_keyframe(call: World) -> None:
    publish(call, 10, 11 + 256)
    call.tick(0.02)
    assert asked(call) == []
    assert call.plane.source_state(SOURCE).given_up == 256
    assert call.take_punts() == [PuntKind.REPAIR_FAILED]


def test_what_comes_by_rtx_takes_its_place(call: World) -> None:
    publish(call, 65534, 0)
    call.tick(0.02)
    assert asked(call) == [(65535,)]
    jitter = call.plane.source_state(SOURCE).jitter
    call.now += 0.08
    call.send(PUBLISHER, rtx_packet(7, 65535, b"\x10\x01lost", marker=1))
    packets = taken(call)
    assert [packet.sequence for packet in packets] == [100, 102, 101]
    assert (packets[2].payload_type, packets[2].marker, packets[2].rest) == (97, True, b"\x10\x01lost")
    state = call.plane.source_state(SOURCE)
    assert (state.packets, state.recovered, state.rtx_packets, state.rtx_bytes) == (3, 1, 1, 18)
    assert state.highest_sequence_number - state.first_sequence_number + 1 == state.packets
    assert state.jitter == jitter
    assert state.round_trip_time == pytest.approx(0.08)
    for _ in range(60):
        call.tick(0.02)
    assert asked(call) == []
    call.check_route(ROUTE)


def test_a_plain_repetition_takes_its_place_too(call: World) -> None:
    publish(call, 10, 12)
    call.tick(0.02)
    publish(call, 11)
    assert [packet.sequence for packet in taken(call)] == [100, 102, 101]
    assert call.plane.source_state(SOURCE).recovered == 1
    call.tick(0.5)
    assert len(asked(call)) == 1


# (RTX packet, reason of the drop)
REFUSED = [
    (rtx_packet(1, 0, b"")[:-2], Drop.RTX_EMPTY),
    (rtp_packet(1, 0, b"", ssrc=RTX, payload_type=98, padding=200), Drop.RTX_EMPTY),
    (rtx_packet(1, 11, payload_type=96), Drop.RTX_UNKNOWN),
    (rtx_packet(1, 10), Drop.SRTP_REPLAY),
    (rtx_packet(1, 10 - 1024), Drop.SEQUENCE_JUMP),
    (rtx_packet(1, 10 + 3000), Drop.SEQUENCE_JUMP),
]


@pytest.mark.parametrize(("packet", "reason"), REFUSED, ids=lambda value: str(value)[:20])
def test_rtx_that_repeats_nothing_of_use(call: World, packet: bytes, reason: Drop) -> None:
    publish(call, 10)
    call.send(PUBLISHER, packet)
    # Two in a row far away would restart a stream; what is repeated never does.
    follows = bytearray(packet)
    follows[3] += 1
    call.send(PUBLISHER, bytes(follows))
    assert call.drops() == {reason: 2}
    assert call.plane.source_state(SOURCE).packets == 1
    assert call.take_punts() == []


def test_rtx_before_its_stream_is_refused(call: World) -> None:
    call.send(PUBLISHER, rtx_packet(1, 10))
    assert call.drops() == {Drop.SEQUENCE_JUMP: 1}
    assert call.plane.source_state(SOURCE).packets == 0


def test_the_ssrc_of_rtx_may_be_told_later(world: World) -> None:
    world.join(PUBLISHER)
    world.join(SUBSCRIBER)
    world.publish(SOURCE, PUBLISHER, nack=True)
    world.subscribe(ROUTE, SUBSCRIBER, SOURCE)
    publish(world, 10, 12)
    packet = rtx_packet(1, 11)
    world.send(PUBLISHER, packet)
    assert world.take_punts() == [PuntKind.UNKNOWN_SSRC]
    world.plane.set_rtx(SOURCE, RTX)
    world.replay(PUBLISHER, packet)
    assert [packet.sequence for packet in taken(world)] == [100, 102, 101]
    # Another one takes its place.
    world.plane.set_rtx(SOURCE, RTX + 1)
    world.plane.set_rtx(SOURCE, RTX + 1)
    world.send(PUBLISHER, rtx_packet(2, 11))
    assert world.take_punts() == [PuntKind.UNKNOWN_SSRC]
    world.plane.set_rtx(SOURCE, RTX)
    for taken_ssrc in (1, RTX):
        with pytest.raises(ValueError, match="SSRC"):
            world.publish(11, PUBLISHER, ssrc=5, rtx_ssrc=taken_ssrc)
    with pytest.raises(ValueError, match="SSRC"):
        world.publish(11, PUBLISHER, ssrc=RTX)


# To subscribers


def test_a_nack_is_answered_by_rtx(call: World) -> None:
    call.send(PUBLISHER, rtp_packet(10, 90, VP8_INTERFRAME, csrcs=[7]))
    call.send(PUBLISHER, rtp_packet(11, 95, b"\x10\x01again", marker=True))
    first = taken(call)[1]
    call.send_rtcp(SUBSCRIBER, nack(101))
    (packet,) = taken(call)
    assert (packet.ssrc, packet.sequence, packet.payload_type) == (2000, 500, 99)
    assert (packet.timestamp, packet.marker) == (first.timestamp, True)
    assert packet.rest == struct.pack("!H", 101) + first.rest
    state = call.plane.route_state(ROUTE)
    assert (state.nacks, state.retransmitted, state.retransmitted_bytes) == (1, 1, 12 + 2 + 7)
    assert state.packets == 2
    assert call.take_punts() == []
    call.send_rtcp(SUBSCRIBER, nack(100))
    (packet,) = taken(call)
    assert (packet.sequence, packet.csrcs) == (501, (7,))


def test_over_the_wrap(world: World) -> None:
    world.join(PUBLISHER)
    world.join(SUBSCRIBER)
    world.publish(SOURCE, PUBLISHER, nack=True)
    world.subscribe(ROUTE, SUBSCRIBER, SOURCE, first=32767, nack=True, rtx_ssrc=2000, first_rtx=32767)
    # Over the wrap of what comes in first, then of what goes out.
    steps = [1] * 10 + [2000] * 16 + [1] * 800
    number, sent, rtx = 65530, 32767, 32767
    for step in steps:
        publish(world, number)
        assert taken(world)[-1].sequence == sent & 0xFFFF
        world.send_rtcp(SUBSCRIBER, nack(sent & 0xFFFF))
        (again,) = taken(world)
        assert (again.sequence, again.rest[:2]) == (rtx & 0xFFFF, struct.pack("!H", sent & 0xFFFF))
        number, sent, rtx = number + step & 0xFFFF, sent + step, rtx + 1
    assert sent > 65536
    world.check_route(ROUTE)


def test_at_most_once_per_round_trip_and_eight_times(call: World) -> None:
    publish(call, 10)
    taken(call)
    call.plane.limit_history(10.0, 1 << 20)
    for _ in range(3):
        call.send_rtcp(SUBSCRIBER, nack(100))
    assert len(taken(call)) == 1
    call.now += 0.099
    call.send_rtcp(SUBSCRIBER, nack(100))
    assert taken(call) == []
    call.plane.set_round_trip_time(SUBSCRIBER, 0.05)
    for _ in range(20):
        call.now += 0.06
        call.send_rtcp(SUBSCRIBER, nack(100))
    assert len(taken(call)) == 7
    state = call.plane.route_state(ROUTE)
    assert (state.nacks, state.retransmitted, state.retransmissions_throttled) == (24, 8, 16)


def test_what_is_too_old_is_not_there(call: World) -> None:
    publish(call, 10)
    call.now += 0.999
    publish(call, 11)
    taken(call)
    call.now += 0.01
    call.send_rtcp(SUBSCRIBER, nack(100, 101, 102, 99))
    assert [packet.rest[:2] for packet in taken(call)] == [struct.pack("!H", 101)]
    assert call.plane.route_state(ROUTE).retransmissions_missed == 3


def test_without_rtx_the_same_bytes_go_out_again(world: World) -> None:
    world.join(PUBLISHER)
    peer = world.join(SUBSCRIBER)
    world.publish(SOURCE, PUBLISHER, nack=True)
    world.subscribe(ROUTE, SUBSCRIBER, SOURCE, nack=True)
    lost = {}
    for number in range(10, 14):
        sender = world.peers[PUBLISHER]
        world.plane.receive(sender.sending.protect(rtp_packet(number)), sender.address, world.now)
        ((datagram, _),) = world.plane.take_datagrams()
        if number % 2:
            lost[number + 90] = datagram
        else:
            peer.take(datagram)
    world.plane.receive(peer.sending.protect_rtcp(nack(*lost)), peer.address, world.now)
    again = [data for data, _ in world.plane.take_datagrams()]
    assert again == list(lost.values())
    for datagram in again:
        peer.take(datagram)
    assert sorted(packet.sequence for packet in peer.packets) == [100, 101, 102, 103]
    world.now += 0.2
    world.plane.receive(peer.sending.protect_rtcp(nack(101)), peer.address, world.now)
    with pytest.raises(pylibsrtp.Error):
        peer.receiving.unprotect(world.plane.take_datagrams()[0][0])


def test_the_rest_of_a_compound_packet_is_punted(call: World) -> None:
    publish(call, 10, 11)
    taken(call)
    rest = [
        rtcp.ReceiverReport(5),
        rtcp.SourceDescription(5, "me"),
        rtcp.PictureLossIndication(5, 1000),
        rtcp.GenericNack(5, 4711, (1,)),
    ]
    packets = [*rest[:2], rtcp.GenericNack(5, 1000, (100,)), *rest[2:], rtcp.GenericNack(5, 1000, (101,))]
    call.send_rtcp(SUBSCRIBER, rtcp.serialize(packets))
    assert len(taken(call)) == 2
    (punt,) = call.punts
    assert (punt.kind, rtcp.parse(punt.data)) == (PuntKind.RTCP, rest)


MALFORMED = [
    nack(100) + b"\x80",
    nack(100)[:-4],
    b"\x80\xc9\x00\x01\0\0\0\5" + nack(100) + b"\x80\xce\x00\x05\0\0\0\5",
    nack(100) + b"\xa0\xc9\x00\x01\0\0\0\5",
    nack(100) + b"\x40\xc9\x00\x01\0\0\0\5",
    nack(100) + b"\x80\x42\x00\x01\0\0\0\5",
]


@pytest.mark.parametrize("data", MALFORMED)
def test_a_malformed_packet_is_left_whole(call: World, data: bytes) -> None:
    publish(call, 10)
    taken(call)
    call.send_rtcp(SUBSCRIBER, data)
    assert taken(call) == []
    assert [punt.data for punt in call.punts] == [data]


def test_padding_is_no_item(call: World) -> None:
    publish(call, *range(10, 30))
    taken(call)
    padded = bytearray(nack(100)) + b"\0\0\0\4"
    padded[0] |= 0x20
    padded[3] += 1
    call.send_rtcp(SUBSCRIBER, bytes(padded))
    assert len(taken(call)) == 1


def test_a_nack_is_for_the_control_side_where_it_was_not_negotiated(call: World) -> None:
    call.feed(ROUTE, SOURCE)
    publish(call, 10)
    call.send_rtcp(SUBSCRIBER, nack(100))
    assert len(taken(call)) == 1
    assert call.take_punts() == [PuntKind.RTCP]


def test_header_extensions_are_the_subscribers_own(world: World) -> None:
    world.join(PUBLISHER)
    world.join(SUBSCRIBER)
    world.publish(SOURCE, PUBLISHER)
    world.subscribe(ROUTE, SUBSCRIBER, None, mid="m", mid_extension=3, rtx_ssrc=2000)
    world.feed(ROUTE, SOURCE, extensions={1: 5}, nack=True, rtx=True)
    block = b"\xbe\xde\x00\x01\x10\xaa\x20\xbb"
    world.send(PUBLISHER, rtp_packet(10, extension=block))
    world.send_rtcp(SUBSCRIBER, nack(100))
    first, again = taken(world)
    assert first.extension == again.extension == b"\xbe\xde\x00\x01\x50\xaa\x30m"


def test_after_a_switch_nothing_of_the_new_source_stands_for_the_old_one(call: World) -> None:
    call.publish(11, PUBLISHER, ssrc=2, nack=True)
    publish(call, 10, 11)
    call.feed(ROUTE, 11, nack=True, rtx=True)
    call.send(PUBLISHER, rtp_packet(77, 0, b"\x10\x01new", ssrc=2))
    taken(call)
    call.send_rtcp(SUBSCRIBER, nack(101, 102))
    # The former source's history went with its last route.
    assert [packet.rest[2:] for packet in taken(call)] == [b"\x10\x01new"]


def test_packets_of_another_publisher_are_not(call: World) -> None:
    call.join(3)
    call.publish(11, 3, ssrc=2)
    call.subscribe(21, 3, SOURCE, ssrc=1001, nack=True, rtx_ssrc=2001)  # keeps the history alive
    publish(call, 10, 11)
    call.feed(ROUTE, 11, nack=True, rtx=True)
    taken(call)
    call.send_rtcp(SUBSCRIBER, nack(101))
    assert taken(call) == []
    assert call.plane.route_state(ROUTE).retransmissions_missed == 1


def test_history_is_bounded_and_given_back(call: World) -> None:
    assert call.plane.history_bytes() == 0
    payload = bytes(1000)
    for number in range(600):
        call.now += 0.001
        publish(call, number, payload=payload)
    assert 512 << 10 <= call.plane.history_bytes() <= 1 << 20
    for number in range(600, 3000):
        call.now += 0.001
        publish(call, number, payload=payload)
    assert call.plane.history_bytes() <= 2 << 20
    call.plane.remove_route(ROUTE)
    assert call.plane.history_bytes() == 0


def test_all_histories_together_are_bounded(call: World) -> None:
    call.plane.limit_history(1.0, 100_000)
    for number in range(300):
        call.now += 0.001
        publish(call, number, payload=bytes(1000))
    assert call.plane.history_bytes() <= 100_000
    taken(call)
    call.send_rtcp(SUBSCRIBER, nack(399, 100))
    assert [packet.rest[:2] for packet in taken(call)] == [struct.pack("!H", 399)]


def test_ends_leave_nothing(call: World) -> None:
    call.subscribe(21, SUBSCRIBER, SOURCE, ssrc=1001, nack=True)
    publish(call, 10, 12)
    assert call.plane.history_bytes() == 32 << 10
    call.plane.close_transport(PUBLISHER)
    assert call.plane.history_bytes() == 0
    call.tick(0.1)
    call.plane.close_transport(SUBSCRIBER)
    assert call.plane.history_bytes() == 0


@pytest.mark.parametrize(("seconds", "size"), [(0, 1), (-1.0, 1), (1.0, -1)])
def test_limits_must_make_sense(world: World, seconds: float, size: int) -> None:
    with pytest.raises(ValueError, match="history"):
        world.plane.limit_history(seconds, size)


def test_rows_are_checked(call: World) -> None:
    for ssrc, rtx in ((1000, 3000), (3000, 1000), (3000, 2000), (3000, 3000)):
        with pytest.raises(ValueError, match="SSRC"):
            call.subscribe(21, SUBSCRIBER, None, ssrc=ssrc, rtx_ssrc=rtx)
    with pytest.raises(ValueError, match="first sequence number"):
        call.subscribe(21, SUBSCRIBER, None, ssrc=3000, rtx_ssrc=3001, first_rtx=32768)
    with pytest.raises(KeyError, match="77"):
        call.plane.set_round_trip_time(77, 0.1)
    with pytest.raises(KeyError, match="77"):
        call.plane.set_rtx(77, 1)
