import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.streams.keyframe_request import MAX_RETRY, MIN_INTERVAL, KeyframeRequest


def sent(events, until=20.0):
    """Feed (time, "want" | "came") events and poll every 10 ms; the times at which a request went out."""
    request = KeyframeRequest()
    times = []
    for tick in range(round(until * 100)):
        now = tick / 100
        while events and events[0][0] <= now:
            _, what = events.pop(0)
            if what == "want":
                request.want(now)
            else:
                request.satisfied()
        if request.due(now):
            times.append(now)
    return times


@pytest.mark.parametrize(
    ("events", "times"),
    [
        ([], []),
        ([(1.0, "want"), (1.1, "came")], [1.0]),
        # Many wishes are one request.
        ([(1.0, "want"), (1.01, "want"), (1.02, "want"), (1.1, "came")], [1.0]),
        # A wish right after a keyframe waits for the interval.
        ([(1.0, "want"), (1.05, "came"), (1.1, "want"), (1.35, "came")], [1.0, 1.3]),
        ([(1.0, "want"), (1.05, "came"), (2.0, "want"), (2.05, "came")], [1.0, 2.0]),
        # Asked again until it comes, with growing pauses.
        ([(1.0, "want"), (14.0, "came")], [1.0, 1.5, 2.5, 4.5, 8.5, 12.5]),
    ],
)
def test_when_requests_go_out(events, times):
    assert sent(events) == pytest.approx(times, abs=0.011)


@given(st.lists(st.tuples(st.floats(0, 19), st.sampled_from(["want", "came"])), max_size=60))
def test_never_closer_than_the_interval_and_never_forgotten(events):
    events = sorted(events, key=lambda event: event[0])
    last = events[-1] if events else None
    times = sent(list(events), until=19.0 + MAX_RETRY + 1)
    assert all(later - earlier >= MIN_INTERVAL - 0.011 for earlier, later in itertools.pairwise(times))
    if last is not None and last[1] == "want":
        assert any(time >= last[0] - MIN_INTERVAL - MAX_RETRY for time in times)
        assert times[-1] >= 19.0 - 0.011
