"""Bandwidth in the virtual world: what publishers are told, and what subscribers' feedback comes to."""

import pytest

from sfu.wire.rtcp import ReceiverEstimatedMaximumBitrate
from sfu.wire.twcc import TransportFeedback
from tests.sfu.world import VP8_KEYFRAME, WIDE_ID, Line, World

CC = ("transport-cc", "goog-remb")


@pytest.fixture(params=["reference", "fast"])
def world(request):
    return World(plane=request.param)


def publisher(world, feedback=CC):
    client = world.client("anna")
    client.offer(Line("0", "video", "sendonly", ssrc=1, feedback=feedback))
    client.connect()
    return client


def test_a_publisher_is_told_what_arrives(world):
    anna = publisher(world)
    for number in range(30):
        anna.send(1, VP8_KEYFRAME, number=number)
        world.run(0.01, step=0.01)
    world.run(0.2)
    messages = anna.taken_rtcp(TransportFeedback)
    told = [
        m.base_sequence + at for m in messages for at, arrival in enumerate(m.arrivals) if arrival is not None
    ]
    assert told == list(range(30))
    # Each 50 to 100 ms over 0.3 s.
    assert 4 <= len(messages) <= 8


def test_the_operators_limit_is_told_beside_it(world):
    anna = publisher(world)
    anna.send(1, VP8_KEYFRAME, number=1)
    world.run(1.1)
    (remb,) = [packet for packet in anna.rtcp if isinstance(packet, ReceiverEstimatedMaximumBitrate)][:1]
    assert remb.bitrate == pytest.approx(2_500_000, rel=1e-4)


def test_one_who_speaks_remb_alone_is_told_no_arrivals(world):
    anna = publisher(world, ("goog-remb",))
    anna.send(1, VP8_KEYFRAME, number=1)
    world.run(1.1)
    kinds = {type(packet) for packet in anna.rtcp}
    assert TransportFeedback not in kinds
    assert ReceiverEstimatedMaximumBitrate in kinds


def test_a_subscriber_gets_numbers_of_the_servers_own(world):
    anna = publisher(world)
    bert = world.client("bert")
    bert.offer(Line("0", "video", "recvonly", feedback=CC))
    bert.connect()
    bert.downlink.delay = bert.uplink.delay = 0.05
    for number in range(20):
        anna.send(1, VP8_KEYFRAME, number=5000 + number)
        world.run(0.02, step=0.01)
    world.run(0.3)
    transport = next(t for t in world.dtls.open.values() if t.participant_id == "bert")
    state = world.plane.bandwidth(transport.row)
    assert (state.packets_sent, state.packets_acknowledged, state.packets_lost) == (20, 20, 0)
    assert 0.1 <= state.round_trip_time < 0.2
    assert state.queue_delay == pytest.approx(0.0, abs=0.001)


def test_one_who_speaks_remb_alone_gets_send_times(world):
    anna = publisher(world)
    bert = world.client("bert")
    bert.offer(Line("0", "video", "recvonly", feedback=("goog-remb",)))
    bert.connect()
    anna.send(1, VP8_KEYFRAME, number=1)
    world.pump()
    assert len(bert.rtp) == 1
    assert not bert.arrivals.pending
    transport = next(t for t in world.dtls.open.values() if t.participant_id == "bert")
    assert world.plane.bandwidth(transport.row) is None
    assert WIDE_ID not in {extension.id for extension in transport.remote.media[0].extensions}


def room_of_two(world, feedback):
    anna, bert = publisher(world), world.client("bert")
    bert.offer(Line("0", "video", "recvonly", feedback=feedback))
    bert.connect()
    return anna, bert


def sent_to(world, name):
    return next(t for t in world.worker.stats("room").transports if t.participant_id == name)


def test_the_estimate_is_seen_in_the_statistics(world):
    anna, bert = room_of_two(world, CC)
    assert sent_to(world, "bert").available_outgoing_bitrate is None
    bert.downlink.delay = bert.uplink.delay = 0.02
    for number in range(250):
        anna.send(1, VP8_KEYFRAME + bytes(1000), number=number)
        world.run(0.02, step=0.01)
    stats = sent_to(world, "bert")
    sent = 8 * (1000 + 100) / 0.02
    assert stats.acknowledged_bitrate == pytest.approx(sent, rel=0.1)
    assert 0.8 * sent < stats.available_outgoing_bitrate < 1.3 * sent
    assert (stats.fraction_lost, stats.queue_delay) == (0.0, pytest.approx(0.0, abs=0.005))
    assert sent_to(world, "anna").available_outgoing_bitrate is None


def test_a_thin_link_is_seen(world):
    anna, bert = room_of_two(world, CC)
    bert.downlink.delay = bert.uplink.delay = 0.02
    bert.downlink.rate = 300_000
    for number in range(400):
        anna.send(1, VP8_KEYFRAME + bytes(1000), number=number)
        world.run(0.02, step=0.01)
    stats = sent_to(world, "bert")
    assert stats.available_outgoing_bitrate < 300_000
    assert stats.queue_delay > 0.5
    assert stats.fraction_lost > 0.1


def test_remb_is_the_estimate_where_it_is_all_that_is_spoken(world):
    _, bert = room_of_two(world, ("goog-remb",))
    bert.send_rtcp(ReceiverEstimatedMaximumBitrate(1, 700_000, (bert.ssrc_on("0"),)))
    stats = sent_to(world, "bert")
    assert stats.available_outgoing_bitrate == pytest.approx(700_000, rel=1e-4)
    assert (stats.acknowledged_bitrate, stats.queue_delay, stats.fraction_lost) == (None, None, None)


def test_remb_beside_transport_wide_feedback_is_passed_over(world):
    _, bert = room_of_two(world, CC)
    bert.send_rtcp(ReceiverEstimatedMaximumBitrate(1, 700_000, (bert.ssrc_on("0"),)))
    assert sent_to(world, "bert").available_outgoing_bitrate is None


def stream_to(world, *, repair, rate=None):
    """420 kbit/s for ten seconds, to one whose link has a rate."""
    anna, bert = world.client("anna"), world.client("bert")
    anna.offer(Line("0", "video", "sendonly", ssrc=1, feedback=CC, repair=True))
    anna.connect()
    bert.offer(Line("0", "video", "recvonly", feedback=CC, repair=repair))
    bert.connect()
    bert.downlink.delay = bert.uplink.delay = 0.02
    bert.downlink.rate = rate
    for number in range(500):
        anna.send(1, VP8_KEYFRAME + bytes(1000), number=number, timestamp=1800 * number)
        world.run(0.02, step=0.005)
    world.run(0.2)
    media = [packet for packet in bert.rtp if packet.ssrc == bert.ssrc_on("0")]
    assert len(media) == 500
    return bert, sent_to(world, "bert").available_outgoing_bitrate


SENT = 8 * 1060 / 0.02


def test_probes_show_that_more_would_go_through(world):
    bert, estimate = stream_to(world, repair=True)
    padding = [packet for packet in bert.rtp if packet.ssrc != bert.ssrc_on("0")]
    assert {packet.payload_type for packet in padding} == {97}
    numbers = [packet.sequence_number for packet in padding]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    # About twice what is sent and wanted; and then it has been enough.
    assert 1.6 * SENT < estimate < 2.5 * SENT
    assert len(padding) < 60
    world.run(5)
    assert len([packet for packet in bert.rtp if packet.ssrc != bert.ssrc_on("0")]) == len(padding)


def test_without_rtx_nothing_is_probed(world):
    bert, estimate = stream_to(world, repair=False)
    assert len(bert.rtp) == 500
    assert estimate < 1.6 * SENT


def test_probes_do_not_flood_a_thin_link(world):
    bert, estimate = stream_to(world, repair=True, rate=480e3)
    assert estimate < 550e3
    assert bert.downlink.overflowed == 0
    assert sent_to(world, "bert").queue_delay < 0.1
