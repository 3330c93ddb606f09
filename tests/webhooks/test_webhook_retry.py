"""When a message is sent again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.retry import LONGEST, parse_retry_after, retry_delay


@pytest.mark.parametrize(
    ("attempts", "chance", "asked", "seconds"),
    [
        (1, 1.0, None, 1.0),
        (1, 0.0, None, 0.5),
        (2, 1.0, None, 2.0),
        (4, 0.5, None, 6.0),
        (10, 1.0, None, 512.0),
        (11, 1.0, None, 900.0),
        (1_000_000, 1.0, None, 900.0),
        (1, 1.0, 30.0, 30.0),
        (6, 1.0, 3.0, 32.0),
        (1, 1.0, 1e9, 900.0),
    ],
)
def test_delay(attempts: int, chance: float, asked: float | None, seconds: float) -> None:
    assert retry_delay(attempts, chance, asked) == seconds


@given(st.integers(1, 10_000), st.floats(0, 1), st.none() | st.floats(0, 1e9))
def test_a_delay_is_bounded_and_grows(attempts: int, chance: float, asked: float | None) -> None:
    delay = retry_delay(attempts, chance, asked)
    assert 0.5 <= delay <= LONGEST
    assert retry_delay(attempts + 1, chance, asked) >= delay


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("9" * 10, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header) == seconds


@given(st.text())
def test_any_header_is_read(header: str) -> None:
    seconds = parse_retry_after(header)
    assert seconds is None or seconds >= 0
