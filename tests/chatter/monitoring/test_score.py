import pytest

from chatter.monitoring.sampling import RoomSampling
from chatter.monitoring.score import room_quality
from tests.chatter.monitoring.figures import consumer, make_room, producer, stats


def quality(who, producers, consumers, *, muted=(), before=(), **later):
    """What somebody is told of the call after two looks, 5 s apart."""
    room = make_room("ann", "bob", muted=muted)
    sampling = RoomSampling()
    sampling.sample(room, stats(*(before or (producers, consumers))), 2, 10.0)
    return room_quality(sampling.sample(room, stats(producers, consumers, **later), 2, 15.0))[who]


FLOWS = producer(packets_received=500, last_packet=15.0)
SEEN = consumer(packets_sent=100)

CASES = [
    # who is told, what comes, what is sent on → score, grade, code, words
    ("bob", [FLOWS], [SEEN], 100, "good", None, None),
    (
        "bob",
        [FLOWS],
        [consumer(fraction_lost=0.06)],
        38,
        "poor",
        "downlink_loss",
        "your downlink loses 6 % of packets",
    ),
    (
        "bob",
        [FLOWS],
        [consumer(fraction_lost=0.02)],
        75,
        "fair",
        "downlink_loss",
        "your downlink loses 2 % of packets",
    ),
    ("bob", [FLOWS], [consumer(fraction_lost=0.01)], 100, "good", None, None),
    ("bob", [FLOWS], [consumer(fraction_lost=0.06, paused=True)], 100, "good", None, None),
    ("bob", [producer(last_packet=8.0)], [SEEN], 50, "poor", "publisher_silent", "Ann sends no picture"),
    (
        "ann",
        [producer(last_packet=8.0)],
        [SEEN],
        0,
        "bad",
        "nothing_sent",
        "nothing arrives from your camera",
    ),
    (
        "bob",
        [producer("ann", "audio", "microphone", last_packet=8.0)],
        [consumer(track_id="ann:microphone", kind="audio")],
        50,
        "poor",
        "publisher_silent",
        "Ann sends no sound",
    ),
    (
        "ann",
        [producer(packets_received=100, last_packet=15.0, jitter=0.15)],
        [],
        50,
        "poor",
        "uplink_jitter",
        "your uplink delivers packets unevenly",
    ),
]


@pytest.mark.parametrize(("who", "producers", "consumers", "score", "grade", "code", "text"), CASES)
def test_score_and_cause(who, producers, consumers, score, grade, code, text):
    judged = quality(who, producers, consumers)
    cause = judged.cause
    assert (judged.score, judged.grade, cause and cause.code, cause and cause.text) == (
        score,
        grade,
        code,
        text,
    )


def test_loss_on_the_uplink_is_told_to_both_ends_in_their_own_words():
    before = ([producer(packets_received=100, last_packet=10.0)], [SEEN])
    now = [producer(packets_received=190, packets_lost=10, last_packet=15.0)]
    seen = [consumer(packets_sent=190)]
    ann = quality("ann", now, seen, before=before)
    bob = quality("bob", now, seen, before=before)
    assert (ann.score, ann.cause.text) == (0, "your uplink loses 10 % of packets")
    assert (bob.score, bob.cause.text, bob.cause.track_id) == (
        50,
        "the uplink of Ann loses 10 % of packets",
        "ann:camera",
    )


def test_a_frozen_picture_is_the_fault_of_the_server_and_takes_all():
    before = ([producer(packets_received=100, last_packet=10.0)], [consumer(packets_sent=50)])
    now = [producer(packets_received=200, last_packet=15.0)]
    bob = quality("bob", now, [consumer(packets_sent=50, awaiting_keyframe=True)], before=before)
    assert (bob.score, bob.cause.text) == (0, "the picture of Ann waits for a keyframe")


def test_what_is_muted_is_no_trouble():
    assert quality("bob", [producer(last_packet=1.0)], [SEEN], muted=("ann",)).score == 100


def test_nobody_is_judged_before_being_connected():
    room = make_room("ann", "bob")
    look = RoomSampling().sample(room, stats([FLOWS], [SEEN], transports=("ann",)), 2, 15.0)
    assert set(room_quality(look)) == {"ann"}
