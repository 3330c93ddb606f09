import pytest

from chatter.monitoring.quality import GOOD, Quality, subscription_quality, track_quality, worst

TRACK = {"muted": False, "silence": 0.0, "loss": 0.0, "jitter": 0.0}
SUBSCRIPTION = {
    "paused": False,
    "frozen": False,
    "awaiting_keyframe": False,
    "loss": 0.0,
    "round_trip_time": None,
    "track": GOOD,
}


@pytest.mark.parametrize(
    ("seen", "grade", "cause"),
    [
        ({}, "good", ""),
        ({"loss": 0.019}, "good", ""),
        ({"loss": 0.03}, "fair", "packets are lost on the way from the publisher"),
        ({"loss": 0.06}, "poor", "packets are lost on the way from the publisher"),
        ({"loss": 0.2}, "bad", "packets are lost on the way from the publisher"),
        ({"jitter": 9.0}, "poor", "packets come unevenly from the publisher"),
        ({"silence": 2.1}, "fair", "the publisher sends nothing"),
        ({"silence": 60.0}, "bad", "the publisher sends nothing"),
        ({"silence": 60.0, "muted": True}, "good", ""),
        ({"loss": 0.03, "silence": 60.0}, "bad", "the publisher sends nothing"),
    ],
)
def test_what_comes_from_a_publisher(seen, grade, cause):
    quality = track_quality(**TRACK | seen)
    assert (quality.grade, quality.cause) == (grade, cause)


@pytest.mark.parametrize(
    ("seen", "grade", "cause"),
    [
        ({}, "good", ""),
        ({"loss": 0.2}, "bad", "packets are lost on the way to the subscriber"),
        ({"round_trip_time": 0.29}, "good", ""),
        ({"round_trip_time": 0.4}, "fair", "the way is long"),
        ({"round_trip_time": 5.0}, "poor", "the way is long"),
        ({"frozen": True}, "bad", "nothing is sent to the subscriber"),
        ({"frozen": True, "awaiting_keyframe": True}, "bad", "it waits for a keyframe"),
        ({"frozen": True, "paused": True}, "good", ""),
        ({"track": Quality(1.0, "the publisher sends nothing")}, "bad", "the publisher sends nothing"),
        (
            {"track": Quality(1.0, "the publisher sends nothing"), "frozen": True},
            "bad",
            "the publisher sends nothing",
        ),
    ],
)
def test_what_goes_to_a_subscriber(seen, grade, cause):
    quality = subscription_quality(**SUBSCRIPTION | seen)
    assert (quality.grade, quality.cause) == (grade, cause)


def test_the_worst_of_none_is_good():
    assert worst(()) == GOOD
