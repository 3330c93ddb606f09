import pytest

from chatter.monitoring.timeline import LIMIT, Timeline
from sfu.stats import JoinMarks

DONE = {
    "offered": 1.0,
    "checked": 1.2,
    "handshaking": 1.25,
    "connected": 1.3,
    "first_packet": 1.35,
    "first_keyframe": 1.5,
    "awaits_packet": True,
    "awaits_keyframe": True,
}


def marks(**changes):
    return JoinMarks(**DONE | changes)


def timeline(**values):
    return Timeline("room", "ann", requested=0.5, welcomed=0.6, **values)


def test_the_stages_of_a_join():
    join = timeline(token_seconds=0.25, answered=1.1)
    assert join.advance(marks(), True, 1.6)
    assert {span.stage: pytest.approx(span.seconds) for span in join.spans} == {
        "token": 0.25,
        "websocket": 0.1,
        "negotiation": 0.1,
        "ice": 0.1,
        "dtls": 0.1,
        "first_packet": 0.05,
        "first_keyframe": 0.2,
    }
    assert (join.outcome, join.begin, join.end, join.seconds) == ("complete", 0.25, 1.5, 1.25)


NOT_YET = {"connected": None, "first_packet": None, "first_keyframe": None}


@pytest.mark.parametrize(
    ("found", "present", "now", "outcome"),
    [
        (None, True, 1.0, "joining"),
        (marks(**NOT_YET), True, 1.3, "joining"),
        (marks(first_packet=None, first_keyframe=None), True, 1.4, "joining"),
        (marks(first_keyframe=None), True, 1.4, "joining"),
        (marks(first_keyframe=None, awaits_keyframe=False), True, 1.4, "complete"),
        (
            marks(first_packet=None, first_keyframe=None, awaits_packet=False, awaits_keyframe=False),
            True,
            1.4,
            "alone",
        ),
        (None, False, 1.4, "left"),
        (marks(first_keyframe=None), True, 0.5 + LIMIT, "incomplete"),
        (None, True, 0.5 + LIMIT, "incomplete"),
    ],
)
def test_how_a_join_ends(found, present, now, outcome):
    join = timeline()
    assert join.advance(found, present, now) == (outcome != "joining")
    assert join.outcome == outcome


def test_direct_media_needs_no_server():
    join = timeline(direct=True)
    assert not join.advance(None, True, 5)
    assert join.advance(None, True, 0.5 + LIMIT)
    assert join.outcome == "direct"


def test_a_connection_that_failed_ends_a_join():
    join = timeline()
    join.advance(marks(**NOT_YET), True, 2)
    join.fail("dtls-failed")
    assert join.advance(None, True, 3)
    assert (join.outcome, join.reason) == ("failed", "dtls-failed")
    join.fail("again")
    assert join.reason == "dtls-failed"
