from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.rate import RateLimit


def test_a_burst_is_admitted_up_to_the_window():
    limit = RateLimit(50, 10, 0.0)
    assert [limit.admit(0.0) for _ in range(501)] == [True] * 500 + [False]


@pytest.mark.parametrize(
    ("wait", "admitted"), [(0.019, 0), (0.021, 1), (1.001, 50), (10.001, 500), (1000, 500)]
)
def test_tokens_come_back(wait, admitted):
    limit = RateLimit(50, 10, 0.0)
    while limit.admit(0.0):
        pass
    assert sum(limit.admit(wait) for _ in range(1000)) == admitted


def test_a_costly_message_takes_as_many_tokens():
    limit = RateLimit(50, 10, 0.0)
    assert [limit.admit(0.0, 200) for _ in range(3)] == [True, True, False]
    assert limit.admit(0.0, 100)
    assert not limit.admit(0.0)


def test_the_pause_is_as_long_as_it_takes():
    limit = RateLimit(50, 0.02, 0.0)
    assert limit.admit(0.0)
    assert not limit.admit(0.0)
    assert limit.pause == pytest.approx(0.02)
    assert limit.admit(0.0201)


def test_a_clock_that_goes_back_gives_nothing():
    limit = RateLimit(1, 1, 100.0)
    assert limit.admit(100.0)
    assert not limit.admit(0.0)
    assert not limit.admit(0.5)


@given(st.lists(st.floats(0, 0.1), max_size=300))
def test_never_more_than_the_rate_over_any_time(gaps):
    limit, now, admitted = RateLimit(50, 1, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        admitted += limit.admit(now)
        assert admitted <= 50 + 50 * now + 1e-6
