from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Figure, by_stage, doubled, percentile, rates


@pytest.mark.parametrize(
    ("samples", "percent", "value"),
    [
        ([7], 50, 7),
        ([7], 95, 7),
        ([3, 1, 2], 50, 2),
        ([4, 3, 2, 1], 50, 2),
        (range(1, 21), 95, 19),
        (range(1, 101), 95, 95),
        (range(1, 101), 100, 100),
        (range(1, 101), 0, 1),
    ],
)
def test_percentiles(samples, percent, value):
    assert percentile(list(samples), percent) == value


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_sample_that_enough_others_do_not_exceed(samples, percent):
    value = percentile(samples, percent)
    assert value in samples
    assert sum(sample <= value for sample in samples) >= percent / 100 * len(samples) - 1e-6


def test_nothing_measured():
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)
    assert Figure.of([]) is None
    assert by_stage([]) == {}


def test_stages_keep_their_order_and_may_be_missing():
    figures = by_stage([{"welcome": 1.0, "frame": 3.0}, {"welcome": 2.0, "packet": 2.5, "frame": 5.0}])
    assert list(figures) == ["welcome", "frame", "packet"]
    assert figures["frame"] == Figure(2, 3.0, 5.0, 3.0, 5.0)
    assert figures["packet"].count == 1


@pytest.mark.parametrize(
    ("base", "p95", "failed", "over"),
    [
        (0.1, 0.1, 0, False),
        (0.1, 0.2, 0, False),
        (0.1, 0.201, 0, True),
        (0.1, 0.1, 1, True),
        (0.1, float("inf"), 0, True),
    ],
)
def test_when_a_rate_is_too_high(base, p95, failed, over):
    assert doubled(base, p95, failed) is over


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(2, 2, [2]), (2, 1, [2]), (2, 3, [2, 3]), (2, 4, [2, 3, 4]), (4, 20, [4, 6, 9, 13.5, 20])],
)
def test_growing_rates(first, last, expected):
    assert rates(first, last) == expected
