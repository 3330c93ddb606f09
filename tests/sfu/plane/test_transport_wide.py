"""Transport-wide sequence numbers and feedback, towards publishers and from subscribers, on both planes."""

import struct

import pytest
from plane_world import VP8_KEYFRAME, World, rtp_packet

from sfu.bwe.delay import Usage
from sfu.plane.interface import Bandwidth, Drop, PuntKind, RouteRow, SourceRow
from sfu.wire import rtp
from sfu.wire.rtcp import ReceiverReport, parse
from sfu.wire.twcc import TransportFeedback

WIDE, TIME = 5, 6
N = None


def published(number: int, sequence: int = 0) -> bytes:
    """A packet with a transport-wide number, as a publisher sends it."""
    block = rtp.build_extension_block([(WIDE, struct.pack("!H", number & 0xFFFF))])
    return rtp_packet(sequence or number, payload=VP8_KEYFRAME, extension=block)


def told(world: World, transport: int = 1) -> list[TransportFeedback]:
    """The feedback that a publisher has got."""
    packets = [packet for data in world.peers[transport].rtcp for packet in parse(data)]
    world.peers[transport].rtcp.clear()
    assert all(isinstance(packet, TransportFeedback) for packet in packets)
    return packets  # type: ignore[return-value]


@pytest.fixture
def publisher(world: World) -> World:
    world.join(1)
    world.publish(1, 1, transport_wide=WIDE)
    return world


class TestToPublishers:
    def test_the_first_packet_is_told_of_at_once_and_the_next_ones_together(self, publisher: World) -> None:
        world = publisher
        world.now = 64.0  # a thousand reference times
        world.send(1, published(10))
        assert told(world) == [TransportFeedback(9001, 1, 10, 1000, 0, (0,))]
        for number in (11, 13, 14):
            world.now += 0.01
            world.send(1, published(number))
        assert told(world) == []
        world.now += 0.03
        world.send(1, published(15))
        assert told(world) == [TransportFeedback(9001, 1, 11, 1000, 1, (40, N, 80, 120, 240))]

    def test_a_tick_tells_what_no_packet_follows(self, publisher: World) -> None:
        world = publisher
        world.send(1, published(10))
        world.now += 0.01
        world.send(1, published(11))
        told(world)
        world.now += 0.03
        world.plane.tick(world.now)
        world.drain()
        assert told(world) == []
        world.now += 0.02
        world.plane.tick(world.now)
        world.drain()
        (message,) = told(world)
        assert (message.base_sequence, len(message.arrivals)) == (11, 1)
        world.now += 1
        world.plane.tick(world.now)
        world.drain()
        assert told(world) == []

    def test_what_came_too_late_is_told_of_again(self, publisher: World) -> None:
        world = publisher
        world.send(1, published(10))
        for number in (12, 11):
            world.now += 0.06
            world.send(1, published(number))
        assert [(m.base_sequence, [a is not N for a in m.arrivals]) for m in told(world)] == [
            (10, [True]),
            (11, [False, True]),
            (11, [True, True]),
        ]

    def test_numbers_go_around(self, publisher: World) -> None:
        world = publisher
        world.send(1, published(65535))
        world.now += 0.06
        world.send(1, published(65536, 1))
        assert [m.base_sequence for m in told(world)] == [65535, 0]

    def test_a_long_gap_is_told_of_as_far_as_it_is_remembered(self, publisher: World) -> None:
        world = publisher
        world.send(1, published(0))
        world.now += 0.06
        world.send(1, published(3000, 1))
        first, *rest = told(world)
        assert len(first.arrivals) == 1
        assert [len(m.arrivals) for m in rest] == [400, 400, 224]
        assert rest[0].base_sequence == 3000 - 1023
        assert [m.feedback_count for m in rest] == [1, 2, 3]
        assert [arrival for m in rest for arrival in m.arrivals if arrival is not N] == [
            rest[-1].arrivals[-1]
        ]

    def test_arrivals_too_far_apart_for_one_message(self, publisher: World) -> None:
        world = publisher
        world.send(1, published(0))
        told(world)
        world.now += 0.01
        world.send(1, published(1))
        world.now += 9
        world.send(1, published(2))
        first, second = told(world)
        assert (first.base_sequence, second.base_sequence) == (1, 2)
        assert second.reference_time - first.reference_time == pytest.approx(9 / 0.064, abs=1)

    def test_repeated_rtp_counts_as_arrived(self, publisher: World) -> None:
        """What SRTP let through has used the link, whatever becomes of it."""
        world = publisher
        world.send(1, published(1, 7))
        world.now += 0.06
        world.replay(1, published(2, 7))
        world.plane.tick(world.now)
        world.drain()
        assert world.drops() == {Drop.SRTP_REPLAY: 1}
        assert [m.base_sequence for m in told(world)] == [1, 2]

    def test_nothing_is_told_without_the_extension(self, world: World) -> None:
        world.join(1)
        world.publish(1, 1)
        world.send(1, published(1))
        world.plane.tick(world.now + 1)
        world.drain()
        assert told(world) == []

    def test_a_number_that_is_none_is_passed_over(self, publisher: World) -> None:
        block = rtp.build_extension_block([(WIDE, b"x")])
        publisher.send(1, rtp_packet(1, extension=block))
        assert told(publisher) == []

    def test_an_unbound_publisher_is_told_later(self, publisher: World) -> None:
        world = publisher
        address = world.peers[1].address
        datagram = world.peers[1].sending.protect(published(1))
        world.receive(datagram, address)
        told(world)
        world.replay(1, published(2))
        world.plane.unbind(1, address)
        world.now += 0.06
        world.plane.tick(world.now)
        world.drain()
        assert told(world) == []
        world.plane.bind(1, address)
        world.plane.tick(world.now)
        world.drain()
        assert [m.base_sequence for m in told(world)] == [2]


@pytest.fixture
def call(world: World) -> World:
    """One who sends, one who gets it on two routes of one transport."""
    world.join(1)
    world.join(2)
    world.publish(1, 1)
    world.subscribe(1, 2, 1, ssrc=1000, transport_wide=WIDE, abs_send_time=TIME)
    world.subscribe(2, 2, 1, ssrc=2000, transport_wide=WIDE)
    return world


def numbers(world: World, transport: int = 2) -> list[int]:
    taken = [dict(elements(packet.extension)) for packet in world.peers[transport].packets]
    world.peers[transport].packets.clear()
    return [int.from_bytes(found[WIDE], "big") for found in taken]


def elements(block: bytes) -> list[rtp.Element]:
    return rtp.read_elements(block, 0, len(block))


def answer(world: World, *packets: object) -> None:
    """The subscriber sends RTCP."""
    peer = world.peers[2]
    data = b"".join(bytes(packet) for packet in packets)  # type: ignore[call-overload]
    world.receive(peer.sending.protect_rtcp(data), peer.address)


def bandwidth(world: World) -> Bandwidth:
    state = world.plane.bandwidth(2)
    assert state is not None
    return state


class TestToSubscribers:
    def test_numbers_run_over_all_routes(self, call: World) -> None:
        for sequence in range(1, 4):
            call.send(1, rtp_packet(sequence, payload=VP8_KEYFRAME))
        assert numbers(call) == [1, 2, 3, 4, 5, 6]
        state = bandwidth(call)
        # 12 bytes of header, 12 or 8 of extensions, 10 of payload; 16 of tag, 28 of IPv4 and UDP.
        assert (state.packets_sent, state.bytes_sent) == (6, 3 * (12 + 12 + 10 + 44) + 3 * (12 + 8 + 10 + 44))

    def test_the_send_time_is_the_servers(self, call: World) -> None:
        call.now = 64 * 7 + 1.5
        block = rtp.build_extension_block([(9, b"abc")])
        call.feed(1, 1, extensions={9: TIME})
        call.send(1, rtp_packet(1, payload=VP8_KEYFRAME, extension=block))
        packet = next(packet for packet in call.peers[2].packets if packet.ssrc == 1000)
        number = struct.pack("!H", call.peers[2].packets.index(packet) + 1)
        assert elements(packet.extension) == [(TIME, (3 << 17).to_bytes(3, "big")), (WIDE, number)]

    def test_a_dropped_packet_takes_no_number(self, call: World) -> None:
        call.plane.pause_route(1, True)
        call.send(1, rtp_packet(1, payload=VP8_KEYFRAME))
        call.plane.pause_route(1, False)
        call.send(1, rtp_packet(2, payload=VP8_KEYFRAME))
        assert numbers(call) == [1, 2, 3]

    def test_numbers_go_around(self, call: World) -> None:
        call.plane.remove_route(2)
        for sequence in range(1, 65538):
            call.plane.replay(1, rtp_packet(sequence, payload=VP8_KEYFRAME), call.now)
            if sequence % 1000 == 0:
                call.drain()
                call.peers[2].packets.clear()
        call.drain()
        assert numbers(call)[-3:] == [65535, 0, 1]
        answer(call, TransportFeedback(9, 1000, 65534, 0, 0, (0, 0, 0, 0)))
        assert bandwidth(call).packets_acknowledged == 4

    def test_feedback_is_taken_and_the_rest_is_punted(self, call: World) -> None:
        call.now = 100.0
        for sequence in range(1, 5):
            call.send(1, rtp_packet(sequence, payload=VP8_KEYFRAME))
        call.now = 100.08
        call.punts.clear()
        answer(
            call, ReceiverReport(7), TransportFeedback(9, 1000, 1, 1562, 0, (168, 170, N)), ReceiverReport(8)
        )
        state = bandwidth(call)
        assert (state.packets_acknowledged, state.packets_lost, state.feedbacks) == (2, 1, 1)
        assert state.bytes_acknowledged == (12 + 12 + 10 + 44) + (12 + 8 + 10 + 44)
        assert state.round_trip_time == pytest.approx(0.08)
        assert state.last_arrival == pytest.approx(1562 * 0.064 + 170 * 0.00025)
        assert state.last_feedback == 100.08
        (punt,) = call.punts
        assert punt.kind is PuntKind.RTCP
        assert parse(punt.data) == [ReceiverReport(7), ReceiverReport(8)]

    def test_feedback_alone_is_not_punted(self, call: World) -> None:
        answer(call, TransportFeedback(9, 1000, 1, 0, 0, (0,)))
        assert call.take_punts() == []

    def test_each_packet_counts_once_and_a_late_one_is_no_loss(self, call: World) -> None:
        call.send(1, rtp_packet(1, payload=VP8_KEYFRAME))
        answer(call, TransportFeedback(9, 1000, 1, 0, 0, (N, 5)))
        answer(call, TransportFeedback(9, 1000, 1, 0, 1, (N, 5)))
        assert (bandwidth(call).packets_acknowledged, bandwidth(call).packets_lost) == (1, 1)
        answer(call, TransportFeedback(9, 1000, 1, 0, 2, (7, 5)))
        assert (bandwidth(call).packets_acknowledged, bandwidth(call).packets_lost) == (2, 0)

    def test_what_was_never_sent_counts_nothing(self, call: World) -> None:
        call.send(1, rtp_packet(1, payload=VP8_KEYFRAME))
        for base in (0, 3, 30000, 65535):
            answer(call, TransportFeedback(9, 1000, base, 0, 0, (N,)))
        state = bandwidth(call)
        assert (state.packets_acknowledged, state.packets_lost, state.feedbacks) == (0, 0, 4)

    @pytest.mark.parametrize(
        "bad",
        [
            bytes(TransportFeedback(9, 1000, 1, 0, 0, (N,) * 2049)),
            bytes.fromhex("8fcd0004 00000001 00000002 0007000a 00000000"),
            bytes.fromhex("8fcd0003 00000001 00000002 00000000"),
            bytes.fromhex("afcd0005 00000001 00000002 ffff0001 00000304 20010500"),
        ],
        ids=["too many packets", "cut off", "too short", "no padding"],
    )
    def test_malformed_feedback_is_dropped_alone(self, call: World, bad: bytes) -> None:
        answer(call, ReceiverReport(7), bad)
        assert call.drops() == {Drop.MALFORMED_RTCP: 1}
        assert [parse(punt.data) for punt in call.punts] == [[ReceiverReport(7)]]
        assert bandwidth(call).feedbacks == 0

    def test_what_is_no_compound_packet_is_punted_as_it_is(self, call: World) -> None:
        data = bytes(TransportFeedback(9, 1000, 1, 0, 0, (0,))) + b"\x80\xc9\0\5"
        answer(call, data)
        assert [punt.data for punt in call.punts] == [data]
        assert bandwidth(call).feedbacks == 0

    def test_without_numbers_feedback_is_nobodys(self, world: World) -> None:
        world.join(2)
        message = TransportFeedback(9, 1000, 1, 0, 0, (0,))
        answer(world, message)
        assert [parse(punt.data) for punt in world.punts] == [[message]]
        assert world.plane.bandwidth(2) is None

    def test_a_growing_queue_is_seen(self, call: World) -> None:
        """Each 20 ms a packet that arrives 22 ms after the one before."""
        call.plane.remove_route(2)
        arrival = 0
        for number in range(1, 100):
            call.now += 0.02
            call.send(1, rtp_packet(number, payload=VP8_KEYFRAME))
            arrival += 88
            answer(call, TransportFeedback(9, 1000, number, 100, number & 0xFF, (arrival,)))
        state = bandwidth(call)
        assert state.usage == Usage.OVERUSING
        assert state.overuses > 0
        assert state.queue_delay == pytest.approx(98 * 0.002, abs=0.001)
        # And it empties.
        for number in range(100, 160):
            call.now += 0.02
            call.send(1, rtp_packet(number, payload=VP8_KEYFRAME))
            arrival += 77
            answer(call, TransportFeedback(9, 1000, number, 100, number & 0xFF, (arrival,)))
        assert bandwidth(call).usage == Usage.UNDERUSING


@pytest.mark.parametrize("identifier", [-1, 256])
def test_ids_that_are_none(world: World, identifier: int) -> None:
    world.join(1)
    message = f"header extension id is {identifier}, it should be 0 to 255"
    with pytest.raises(ValueError, match=message):
        world.plane.add_source(SourceRow(1, 1, 1, 90000, {}, True, identifier))
    for ids in ((identifier, 0), (0, identifier)):
        with pytest.raises(ValueError, match=message):
            world.plane.add_route(RouteRow(1, 1, 1, 90000, 0, "", 0, *ids))
    assert set(world.plane.sizes().values()) == {1, 0}
