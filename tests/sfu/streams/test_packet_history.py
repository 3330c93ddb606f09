"""What is kept of what was sent, how long, and in how many bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.streams.history import INITIAL_BYTES, MAX_STREAM_BYTES, PLACES, History, HistoryLimits


def fill(
    history: History, numbers: range, *, size: int = 1000, rate: float = 0.0, start: float = 0.0
) -> float:
    """Put packets of `size` bytes, `rate` seconds apart; the time after them."""
    now = start
    for number in numbers:
        history.put(number, number.to_bytes(8, "big") + bytes(size - 8), now)
        now += rate
    return now


def found(history: History, numbers: range, now: float) -> list[int]:
    held = []
    for number in numbers:
        data = history.get(number, now)
        if data is not None:
            assert int.from_bytes(data[:8], "big") == number
            held.append(number)
    return held


@pytest.mark.parametrize("first", [0, 65_530, 1_000_000])
def test_packets_are_found_by_number(first: int) -> None:
    history = History(HistoryLimits())
    fill(history, range(first, first + 10))
    assert found(history, range(first - 5, first + 20), 0.5) == list(range(first, first + 10))


def test_packets_are_kept_for_so_long() -> None:
    history = History(HistoryLimits(seconds=0.5))
    history.put(1, b"one", 10.0)
    assert history.get(1, 10.5) == b"one"
    assert history.get(1, 10.51) is None


def test_a_place_is_of_the_newest() -> None:
    history = History(HistoryLimits())
    history.put(1, b"one", 0.0)
    history.put(1 + PLACES, b"other", 0.0)
    assert history.get(1, 0.0) is None
    assert history.get(1 + PLACES, 0.0) == b"other"


# (name, seconds between packets of 1000 bytes, bytes of the ring after 10 s)
RATES = [
    ("a trickle", 0.1, INITIAL_BYTES),
    ("100 kB/s", 0.01, 128 << 10),
    ("1 MB/s", 0.001, 1 << 20),
    ("10 MB/s", 0.0001, MAX_STREAM_BYTES),
]


@pytest.mark.parametrize(("rate", "size"), [row[1:] for row in RATES], ids=[row[0] for row in RATES])
def test_the_ring_grows_to_what_the_time_takes(rate: float, size: int) -> None:
    limits = HistoryLimits()
    history = History(limits)
    count = round(10 / rate) if rate > 0.001 else 12_000
    now = fill(history, range(count), rate=rate)
    assert limits.used_bytes == size
    kept = (
        min(PLACES, size // 1000, round(1 / rate)) if size == INITIAL_BYTES else min(PLACES, round(1 / rate))
    )
    assert len(found(history, range(count), now)) in range(int(kept * 0.9), kept + 1)


def test_the_ring_shrinks_when_less_is_sent() -> None:
    limits = HistoryLimits()
    history = History(limits)
    now = fill(history, range(3000), rate=0.001)
    large = limits.used_bytes
    fill(history, range(3000, 30_000), rate=0.1, start=now)
    assert limits.used_bytes < large // 8


def test_all_rings_share_a_bound() -> None:
    limits = HistoryLimits(max_bytes=3 * INITIAL_BYTES)
    histories = [History(limits) for _ in range(4)]
    for history in histories:
        fill(history, range(100), rate=0.001)
        assert limits.used_bytes <= limits.max_bytes
    assert limits.used_bytes == 3 * INITIAL_BYTES
    assert found(histories[0], range(100), 0.1) == list(range(100 - 32, 100))
    assert found(histories[3], range(100), 0.1) == []
    histories[0].release()
    histories[0].release()
    assert limits.used_bytes == INITIAL_BYTES
    assert found(histories[0], range(100), 0.1) == []
    fill(histories[3], range(5))
    assert found(histories[3], range(5), 0.1) == [0, 1, 2, 3, 4]


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(8, 1500), st.floats(0, 2)), max_size=120))
def test_laws(steps: list[tuple[int, int, float]]) -> None:
    """Whatever is found is what was put last under that number; bytes are never more than may be."""
    limits = HistoryLimits(max_bytes=64 << 10)
    history = History(limits)
    put: dict[int, tuple[bytes, float]] = {}
    now = 0.0
    for number, size, wait in steps:
        now += wait
        data = number.to_bytes(4, "big") + len(put).to_bytes(4, "big") + bytes(size - 8)
        history.put(number, data, now)
        put[number] = data, now
        assert history.get(number, now) == data
        assert limits.used_bytes <= limits.max_bytes
    for number, (data, at) in put.items():
        kept = history.get(number, now)
        assert kept is None or (kept == data and now - at <= 1.0)
