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
