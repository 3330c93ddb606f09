"""Differences of numbers that wrap."""

import pytest

from sfu.streams.sequence import signed16, signed32


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (0, 0),
        (1, 1),
        (-1, -1),
        (32767, 32767),
        (32768, -32768),
        (65535, -1),
        (-65535, 1),
        (65536, 0),
        (-32769, 32767),
    ],
)
def test_signed16(difference: int, expected: int) -> None:
    assert signed16(difference) == expected


@pytest.mark.parametrize(
    ("difference", "expected"),
    [(0, 0), (2**31 - 1, 2**31 - 1), (2**31, -(2**31)), (2**32 - 1, -1), (1 - 2**32, 1), (2**32, 0)],
)
def test_signed32(difference: int, expected: int) -> None:
    assert signed32(difference) == expected
