"""The whole estimator over links with a rate and a queue, on a virtual clock."""

import pytest

from tests.sfu.bwe.path import Path
from tests.sfu.link import Link, random_loss

LEVELS = (150e3, 500e3, 2.75e6)


def estimates(path: Path, since: float) -> list[float]:
    return [bitrate for at, bitrate in path.history if at >= since]


@pytest.mark.parametrize("rate", [1e6, 2e6, 5e6])
@pytest.mark.parametrize("levels", [None, LEVELS], ids=["as much as goes", "simulcast"])
def test_settles_on_a_fixed_link(rate: float, levels: tuple[float, ...] | None) -> None:
    path = Path(Link(rate=rate))
    path.levels = levels
    path.run(10)
    settled = path.now
    path.run(50)
    found = [bitrate / rate for bitrate in estimates(path, settled)]
    mean = sum(found) / len(found)
    print(f"{rate / 1e6:g} Mbit/s: {min(found):.2f} to {max(found):.2f}, {mean:.2f} on average")
    assert 0.8 <= mean <= 1.0
    assert max(abs(value - mean) for value in found) <= 0.15
    queues = [queue for at, queue in path.queues if at >= settled]
    assert max(queues) < 0.3


@pytest.mark.parametrize("levels", [None, LEVELS], ids=["as much as goes", "simulcast"])
def test_a_link_that_narrows_and_widens(levels: tuple[float, ...] | None) -> None:
    path = Path(Link(rate=4e6))
    path.levels = levels
    path.run(15)
    assert path.rate() >= 2.7e6
    path.downlink.rate, cut = 500e3, path.now
    path.run(2)
    assert path.rate() < 500e3
    path.run(10)
    late = [queue for at, queue in path.queues if at >= cut + 3]
    print(f"queue {max(q for at, q in path.queues if at >= cut):.2f} s, from 3 s on {max(late):.3f} s")
    assert max(late) < 0.15
    assert all(estimate <= 600e3 for estimate in estimates(path, cut + 3))
    path.downlink.rate = 4e6
    path.run(10)
    assert path.rate() >= 2.7e6


def test_loss_that_is_the_links_own_does_not_end_the_call() -> None:
    path = Path(Link(rate=2e6, loss=random_loss(0.15)))
    path.levels = LEVELS
    path.run(20)
    late = estimates(path, path.now - 5)
    assert min(late) > 100e3
    assert path.estimator.loss == pytest.approx(0.15, abs=0.1)


def test_loss_without_a_queue_is_too_much() -> None:
    """A link that drops what is over its rate."""
    path = Path(Link(rate=1e6, queue=3000))
    path.run(20)
    late = estimates(path, path.now - 5)
    assert sum(late) / len(late) < 1.15e6


def test_nothing_comes_back() -> None:
    path = Path(Link(rate=4e6))
    path.run(10)
    before = path.estimator.bitrate
    path.downlink.loss = random_loss(1.0)
    path.run(6)
    assert path.estimator.bitrate < before / 8


def test_a_long_way() -> None:
    path = Path(Link(rate=2e6), round_trip=0.3)
    path.run(30)
    late = estimates(path, path.now - 15)
    assert 0.7 * 2e6 < sum(late) / len(late) <= 2.1e6
    assert path.estimator.round_trip_time == pytest.approx(0.3, abs=0.1)


def test_remb_is_the_estimate_where_it_is_all_there_is() -> None:
    path = Path(Link())
    path.estimator.remb(700_000)
    assert path.estimator.bitrate == path.estimator.target == 700_000
    path.estimator.remb(10)
    assert path.estimator.bitrate == 30_000
