"""Numbers closed up over what is dropped on purpose: tables, and a property against a plain model."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.streams.number_map import WINDOW, NumberMap

# (number, "sent as" or None where it is dropped), after an anchor of the first number.
TABLES: dict[str, tuple[tuple[int, int], list[tuple[int, int | None]]]] = {
    "nothing dropped": ((10, 500), [(11, 501), (12, 502)]),
    "one dropped": ((10, 500), [(11, None), (12, 501), (13, 502)]),
    "many dropped": ((10, 500), [(11, None), (12, None), (13, None), (14, 501)]),
    "every other one": ((0, 0), [(1, None), (2, 1), (3, None), (4, 2), (5, None), (6, 3)]),
    "a lost one keeps its place": ((10, 500), [(12, 502), (13, None), (14, 503), (11, 501)]),
    "late, before a drop": ((10, 500), [(13, 503), (14, None), (15, 504), (12, 502), (11, 501)]),
    "late, after a drop": ((10, 500), [(11, None), (14, 503), (13, 502), (12, 501)]),
    "late, between drops": ((10, 500), [(11, None), (13, 502), (14, None), (15, 503), (12, 501)]),
    "over the wrap of 16 bits": (
        (65534, 30000),
        [(65535, None), (65536, 30001), (65538, 30003), (65537, 30002)],
    ),
    "sent over the wrap": ((7, 65534), [(8, None), (9, 65535), (10, None), (11, 65536), (12, 65537)]),
    "a gap beyond the window": ((0, 0), [(1, None), (WINDOW + 5, WINDOW + 4), (WINDOW + 4, WINDOW + 3)]),
}


@pytest.mark.parametrize(("anchor", "steps"), TABLES.values(), ids=TABLES)
def test_table(anchor: tuple[int, int], steps: Sequence[tuple[int, int | None]]) -> None:
    numbers = NumberMap()
    numbers.anchor(*anchor)
    for number, sent in steps:
        if sent is None:
            numbers.drop(number)
            assert numbers.dropped(number)
        else:
            assert numbers.sent(number) == sent
            numbers.advance(number)
            assert not numbers.dropped(number)


@given(
    st.integers(0, 70_000),
    st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.integers(1, 40)), max_size=80),
)
def test_numbers_are_contiguous_but_for_what_is_lost(first: int, steps: list[tuple[int, bool, int]]) -> None:
    numbers = NumberMap()
    numbers.anchor(first, 100)
    fate = {first: True}  # number → it is sent, or lost so far
    newest = first
    for ahead, dropped, behind in steps:
        for lost in range(newest + 1, newest + ahead):
            fate[lost] = True
        newest += ahead
        if dropped:
            numbers.drop(newest)
        else:
            numbers.advance(newest)
        fate[newest] = not dropped
        late = max(first, newest - behind)
        if fate[late]:
            before = sum(fate[number] for number in range(first, late))
            assert numbers.sent(late) == 100 + before
        assert numbers.dropped(late) is not fate[late]
