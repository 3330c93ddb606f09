"""The links of the virtual world do to datagrams what they say."""

import pytest

from tests.sfu.link import HEADERS, Link, burst_loss, pattern_loss, random_loss


def arrivals(link: Link, count: int, size: int = 100, gap: float = 0.0) -> list[tuple[float, int]]:
    """(when, which) of `count` datagrams sent one after the other."""
    for number in range(count):
        link.send(number.to_bytes(4, "big") + bytes(size - 4), number * gap)
    came = []
    while (due := link.next_due()) is not None:
        came += [(due, int.from_bytes(data[:4], "big")) for data in link.take(due)]
    return came


def test_a_perfect_link_delivers_at_once() -> None:
    link = Link()
    assert link.perfect
    assert arrivals(link, 3) == [(0.0, 0), (0.0, 1), (0.0, 2)]


def test_delay() -> None:
    assert arrivals(Link(delay=0.05), 2, gap=1.0) == [(0.05, 0), (1.05, 1)]


def test_a_pattern_repeats() -> None:
    link = Link(loss=pattern_loss("..x"))
    assert [number for _, number in arrivals(link, 7)] == [0, 1, 3, 4, 6]
    assert (link.sent, link.lost) == (7, 2)


@pytest.mark.parametrize("loss", [random_loss(0.05, 3), burst_loss(0.05, 4, 3)], ids=["random", "bursts"])
def test_probability(loss) -> None:
    link = Link(loss=loss)
    arrivals(link, 20_000)
    assert 0.04 < link.lost / link.sent < 0.06


def test_bursts_are_as_long_as_asked() -> None:
    lost = burst_loss(0.1, 5, 1)
    marks = "".join("x" if lost(n, 0.0) else "." for n in range(50_000))
    bursts = [burst for burst in marks.split(".") if burst]
    assert 4.5 < sum(map(len, bursts)) / len(bursts) < 5.5


def test_the_same_seed_loses_the_same() -> None:
    came = [[number for _, number in arrivals(Link(loss=random_loss(0.3, 7)), 100)] for _ in range(2)]
    assert came[0] == came[1]


def test_jitter_keeps_the_order_unless_told_otherwise() -> None:
    ordered = arrivals(Link(delay=0.01, jitter=0.1), 50, gap=0.01)
    assert [number for _, number in ordered] == list(range(50))
    assert all(when - 0.01 * number >= 0.01 for when, number in ordered)
    loose = arrivals(Link(delay=0.01, jitter=0.1, reorder=True), 50, gap=0.01)
    assert [number for _, number in loose] != list(range(50))
    assert all(0.01 <= when - 0.01 * number <= 0.11 + 1e-9 for when, number in loose)


def test_a_rate_spaces_datagrams_and_a_full_queue_drops() -> None:
    link = Link(rate=8_000, queue=3 * 1000)  # 1000 bytes per second
    came = arrivals(link, 5, size=1000 - HEADERS)
    assert came == [(1.0, 0), (2.0, 1), (3.0, 2)]
    assert link.overflowed == 2
    link.send(bytes(100), 10.0)
    assert link.queued(10.0) == pytest.approx(128)
