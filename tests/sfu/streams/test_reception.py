"""RFC 3550 appendix A: what counts, what is expected, and jitter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.streams.reception import Reception, Refusal

DUPLICATE, JUMP = Refusal.DUPLICATE, Refusal.JUMP

# Sequence numbers in → extended numbers or refusals out; then (first, highest, packets, expected).
STREAMS: list[tuple[str, list[int], list[int | Refusal], tuple[int, int, int, int]]] = [
    ("in order", [5, 6, 7], [5, 6, 7], (5, 7, 3, 3)),
    ("loss", [5, 8], [5, 8], (5, 8, 2, 4)),
    ("wrap", [65534, 65535, 0, 1], [65534, 65535, 65536, 65537], (65534, 65537, 4, 4)),
    ("late", [5, 7, 6], [5, 7, 6], (5, 7, 3, 3)),
    ("late over the wrap", [65534, 0, 65535], [65534, 65536, 65535], (65534, 65536, 3, 3)),
    ("late before the first", [5, 4], [5, 4], (4, 5, 2, 2)),
    ("late before a first of zero", [0, 65535], [0, -1], (-1, 0, 2, 2)),
    ("duplicate", [5, 5, 6, 5, 6], [5, DUPLICATE, 6, DUPLICATE, DUPLICATE], (5, 6, 2, 2)),
    ("duplicate over the wrap", [65535, 0, 65535], [65535, 65536, DUPLICATE], (65535, 65536, 2, 2)),
    ("the last that can be late", [0, 1023, 0], [0, 1023, DUPLICATE], (0, 1023, 2, 1024)),
    ("the last new that can be late", [0, 1024, 1], [0, 1024, 1], (0, 1024, 3, 1025)),
    ("too late to tell", [0, 1024, 0], [0, 1024, JUMP], (0, 1024, 2, 1025)),
    ("the longest gap", [0, 2999], [0, 2999], (0, 2999, 2, 3000)),
    ("a lone jump", [0, 3000, 1], [0, JUMP, 1], (0, 1, 2, 2)),
    ("two jumps apart", [0, 3000, 40000, 1], [0, JUMP, JUMP, 1], (0, 1, 2, 2)),
    ("a jump forgotten", [0, 3000, 1, 3001], [0, JUMP, 1, JUMP], (0, 1, 2, 2)),
    # The jump is not lost packets: two expected before, two after.
    ("restart ahead", [0, 1, 3001, 3002, 3003], [0, 1, JUMP, 3002, 3003], (3000, 3003, 4, 4)),
    ("restart behind", [40000, 100, 101], [40000, JUMP, 65637], (65636, 65637, 2, 2)),
    ("late after a restart", [0, 1, 2, 5000, 5001, 5000], [0, 1, 2, JUMP, 5001, 5000], (4998, 5001, 5, 4)),
]


@pytest.mark.parametrize(
    ("given_", "expected", "totals"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS]
)
def test_numbers(given_: list[int], expected: list[int | Refusal], totals: tuple[int, int, int, int]) -> None:
    reception = Reception(90000)
    assert [reception.receive(number, 0, 10, 1.0) for number in given_] == expected
    assert (reception.first, reception.highest, reception.packets, reception.expected) == totals
    assert reception.bytes == 10 * totals[2]


def test_before_the_first_packet() -> None:
    reception = Reception(90000)
    assert (reception.packets, reception.expected, reception.last_packet) == (0, 0, 0.0)
    reception.receive(5, 0, 1, 12.5)
    assert reception.last_packet == 12.5


JITTER = [
    # (milliseconds, timestamp) at 90 kHz; D and J by hand after appendix A.8.
    ("steady", [(0, 0), (10, 900), (20, 1800)], 0.0),
    ("one 10 ms late", [(0, 0), (20, 900)], 900 / 16),
    ("late and early weigh alike", [(0, 0), (20, 900), (20, 1800)], 900 / 16 + (900 - 900 / 16) / 16),
    ("over the wrap of timestamps", [(0, 2**32 - 450), (10, 450)], 0.0),
    ("over the wrap, late", [(0, 2**32 - 450), (20, 450)], 900 / 16),
    ("several packets of one frame", [(0, 0), (1, 0)], 90 / 16),
]


@pytest.mark.parametrize(
    ("arrivals", "expected"), [row[1:] for row in JITTER], ids=[row[0] for row in JITTER]
)
def test_jitter(arrivals: list[tuple[int, int]], expected: float) -> None:
    reception = Reception(90000)
    for number, (milliseconds, timestamp) in enumerate(arrivals):
        reception.receive(number, timestamp, 1, 5 + milliseconds / 1000)
    assert reception.jitter == pytest.approx(expected, abs=1e-6)


def test_a_restart_is_no_jitter() -> None:
    reception = Reception(90000)
    for number, timestamp in ((0, 0), (30000, 10**9), (30001, 10**9 + 900)):
        reception.receive(number, timestamp, 1, 1.0)
    assert reception.jitter == 0.0


@given(st.integers(0, 65535), st.permutations(range(200)), st.lists(st.integers(0, 199), max_size=50))
def test_any_order_with_duplicates_counts_each_once(start: int, order: list[int], again: list[int]) -> None:
    reception = Reception(90000)
    numbers = [reception.receive(start + number & 0xFFFF, 0, 1, 1.0) for number in [*order, *again]]
    counted = [number for number in numbers if not isinstance(number, Refusal)]
    assert len(set(counted)) == len(counted) == reception.packets == 200
    assert reception.expected == 200
    assert numbers[200:] == [DUPLICATE] * len(again)


@given(st.lists(st.integers(0, 65535), max_size=60))
def test_no_extended_number_stands_for_two_packets(sequence: list[int]) -> None:
    reception = Reception(90000)
    seen: set[int] = set()
    for number in sequence:
        # Twice, so that restarts are common.
        for value in (number, number + 1 & 0xFFFF):
            extended = reception.receive(value, 0, 1, 1.0)
            if not isinstance(extended, Refusal):
                assert extended & 0xFFFF == value
                assert extended not in seen
                seen.add(extended)
    assert reception.packets == len(seen)
