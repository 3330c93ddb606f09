"""Which numbers are asked for, when, how often, and when no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.streams.nack import MAX_AGE_VIDEO, MAX_MISSING, MAX_TRIES, REORDER_WAIT, NackList

RTT = 0.1

# (name, numbers received, numbers missing then); extended, so 65536 is 0 after the wrap.
GAPS = [
    ("in order", [5, 6, 7], []),
    ("one", [5, 7], [6]),
    ("over the wrap", [65534, 65537], [65535, 65536]),
    ("two gaps", [5, 7, 10], [6, 8, 9]),
    ("reordered", [5, 7, 6], []),
    ("twice", [5, 7, 7, 5], [6]),
    ("before the first", [5, 4, 6], []),
    ("the longest gap", [5, 5 + MAX_MISSING], list(range(6, 5 + MAX_MISSING))),
    ("an outage", [5, 6 + MAX_MISSING], []),
    ("an outage after a gap", [5, 7, 300], []),
    ("a restart", [5, 5 + 3000], []),
    ("too many, the oldest go", [5, 7, 9, 9 + MAX_MISSING], [8, *range(10, 9 + MAX_MISSING)]),
]


@pytest.mark.parametrize(("received", "missing"), [row[1:] for row in GAPS], ids=[row[0] for row in GAPS])
def test_gaps(received: list[int], missing: list[int]) -> None:
    nack = NackList()
    for number in received:
        nack.received(number, 0.0)
    assert list(nack.missing) == missing


# (name, numbers received, packets given up, whether a keyframe is needed)
GIVEN_UP = [
    ("nothing", [5, 7], 0, False),
    ("an outage", [5, 300], 294, True),
    ("an outage after a gap", [5, 7, 400], 393, True),
    ("a restart has lost nothing", [5, 7, 9000], 1, True),
    ("too many", [5, 7, 9, 9 + MAX_MISSING], 1, True),
]


@pytest.mark.parametrize(
    ("received", "count", "needed"), [row[1:] for row in GIVEN_UP], ids=[row[0] for row in GIVEN_UP]
)
def test_what_is_given_up_at_once(received: list[int], count: int, needed: bool) -> None:
    nack = NackList()
    for number in received:
        nack.received(number, 0.0)
    assert (nack.given_up, nack.unrepaired) == (count, needed)


def times(nack: NackList, seconds: float, rtt: float = RTT, step: float = 0.01) -> list[float]:
    """When something is asked for."""
    return [
        round(at * step, 2) for at in range(round(seconds / step) + 1) if nack.due(round(at * step, 6), rtt)
    ]


def gap(max_age: float = MAX_AGE_VIDEO) -> NackList:
    nack = NackList(max_age)
    nack.received(1, 0.0)
    nack.received(3, 0.0)
    return nack


@pytest.mark.parametrize(
    ("rtt", "max_age", "expected"),
    [
        (0.1, 1.0, [0.01, 0.14, 0.27, 0.4, 0.53, 0.66, 0.79, 0.92]),
        (0.3, 1.0, [0.01, 0.39, 0.77]),
        (0.3, 0.3, [0.01]),
        (2.0, 1.0, [0.01]),
        (0.02, 1.0, [0.01, 0.04, 0.07, 0.1, 0.13, 0.16, 0.19, 0.22, 0.25, 0.28]),
    ],
)
def test_retries(rtt: float, max_age: float, expected: list[float]) -> None:
    nack = gap(max_age)
    assert times(nack, 2.0, rtt) == expected
    assert len(expected) <= MAX_TRIES
    assert (nack.given_up, nack.unrepaired, len(nack)) == (1, True, 0)


def test_reordered_packets_are_not_asked_for() -> None:
    nack = gap()
    assert nack.due(REORDER_WAIT / 2, RTT) == []
    assert nack.received(2, REORDER_WAIT / 2) is False
    assert times(nack, 1.0) == []
    assert nack.given_up == 0


def test_what_no_route_can_send_any_more_is_given_up() -> None:
    nack = gap()
    for number in range(4, 514):
        nack.received(number, 0.0)
    assert nack.due(0.02, RTT) == [2]
    nack.received(514, 0.02)
    assert nack.due(0.2, RTT) == []
    assert nack.given_up == 1


def test_the_round_trip_is_measured_by_first_answers() -> None:
    nack = gap()
    assert nack.due(0.01, RTT) == [2]
    assert nack.received(2, 0.05) is True
    assert nack.round_trip_time == pytest.approx(0.04)
    nack.received(5, 0.1)
    assert nack.due(0.12, RTT) == [4]
    assert nack.due(0.16, RTT) == []
    assert nack.due(0.18, RTT) == [4]  # 0.05 is 1.25 times what was measured
    assert nack.received(4, 0.19) is True
    assert nack.round_trip_time == pytest.approx(0.04)
    nack.received(7, 0.2)
    assert nack.due(0.22, RTT) == [6]
    nack.received(6, 0.22 + 0.08)
    assert nack.round_trip_time == pytest.approx(0.05)


@pytest.mark.parametrize(("keyframe", "needed"), [(1, True), (2, True), (3, False)])
def test_a_keyframe_makes_good_what_is_before_it(keyframe: int, needed: bool) -> None:
    nack = gap()
    nack.keyframe(keyframe)
    nack.keyframe(0)
    times(nack, 2.0)
    assert (nack.given_up, nack.unrepaired) == (1, needed)


@given(
    st.lists(st.tuples(st.integers(-600, 600), st.floats(0, 0.2)), min_size=1, max_size=60),
    st.floats(0, 1),
)
def test_laws(steps: list[tuple[int, float]], rtt: float) -> None:
    """Never more than MAX_MISSING, ascending, none that came, each asked for a bounded number of times."""
    nack, number, now = NackList(), 1000, 0.0
    came: set[int] = set()
    asked: dict[int, int] = {}
    for step, wait in steps:
        number += step
        now += wait
        nack.received(number, now)
        came.add(number)
        due = nack.due(now, rtt)
        assert due == sorted(due)
        assert not came.intersection(due)
        assert len(nack) <= MAX_MISSING
        for one in due:
            asked[one] = asked.get(one, 0) + 1
    assert all(tries <= MAX_TRIES for tries in asked.values())
    nack.due(now + 10, rtt)
    assert len(nack) == 0
