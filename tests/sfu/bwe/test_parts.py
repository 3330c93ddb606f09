"""The parts of the estimator, by tables of in → out."""

from dataclasses import replace

import pytest

from sfu.bwe.delay import Usage
from sfu.bwe.loss import LossControl
from sfu.bwe.probing import DURATION, ProbeController, probe_bitrate
from sfu.bwe.rate_control import RateControl
from sfu.bwe.sent import Bandwidth, Probe
from sfu.bwe.throughput import Throughput

PROBE = Probe(1, 11, 11_000, 1.0, 1.1, 1000, 11, 11_000, 5.0, 5.1, 1000, True)


@pytest.mark.parametrize(
    ("changes", "bitrate"),
    [
        ({}, 800_000),
        # Came more slowly than it was sent: the link is full.
        ({"last_received": 5.2}, 380_000),
        # A little more slowly: as sent and received, the lower one.
        ({"last_received": 5.105}, 761_905),
        ({"last_received": 5.095}, 800_000),
        ({"done": False}, None),
        ({"packets_received": 8}, None),
        ({"bytes_received": 8000}, None),
        ({"packets_sent": 4, "packets_received": 4}, None),
        ({"last_received": 5.0}, None),
        ({"last_received": 5.01}, None),
        ({"last_received": 6.5}, None),
        ({"last_sent": 1.0}, None),
    ],
)
def test_what_a_probe_shows(changes: dict[str, float], bitrate: float | None) -> None:
    found = probe_bitrate(replace(PROBE, **changes))  # type: ignore[arg-type]
    assert found == (pytest.approx(bitrate, rel=1e-5) if bitrate is not None else None)


def answered(identifier: int, bitrate: float, *, part: float = 1.0) -> Probe:
    """A probe of this rate, of which the link carries a part."""
    size = int(bitrate * DURATION / 8 / 10)
    return Probe(
        identifier,
        11,
        11 * size,
        1.0,
        1.0 + DURATION,
        size,
        11,
        11 * size,
        5.0,
        5.0 + DURATION / part,
        size,
        True,
    )


def test_probes_go_on_while_the_link_carries_them() -> None:
    probes, now, estimate, tried = ProbeController(), 0.0, 300e3, []
    for _ in range(6):
        request = probes.next(estimate, 3e6, now)
        if request is None:
            break
        assert probes.next(estimate, 3e6, now) is None  # one at a time
        tried.append(request.bitrate)
        now += 0.1
        found = probes.result(answered(request.id, request.bitrate), now)
        assert found == pytest.approx(request.bitrate, rel=0.01)
        estimate = found
    # Three times the start, six times what that showed, and no more than twice what is wanted.
    assert tried == pytest.approx([900e3, 5.4e6, 6e6], rel=0.02)


def test_a_probe_that_fails_is_tried_again_later() -> None:
    probes = ProbeController()
    request = probes.next(1e6, 3e6, 10.0)
    assert request is not None
    found = probes.result(answered(request.id, request.bitrate, part=0.4), 10.2)
    assert found == pytest.approx(0.95 * 0.4 * request.bitrate, rel=0.01)
    assert probes.next(1e6, 3e6, 12.0) is None
    assert probes.next(1e6, 3e6, 14.3) is not None


def test_no_probe_without_a_use_or_after_overuse() -> None:
    probes = ProbeController()
    assert probes.next(1e6, 0.9e6, 10.0) is None
    probes.overused(10.0)
    assert probes.next(1e6, 3e6, 11.9) is None
    request = probes.next(1e6, 3e6, 12.1)
    assert request is not None
    assert request.bitrate == 2e6


def test_a_probe_without_an_answer_ends() -> None:
    probes = ProbeController()
    request = probes.next(1e6, 3e6, 10.0)
    assert request is not None
    assert probes.result(Probe(id=request.id), 10.5) is None
    probes.result(Probe(id=request.id), 11.1)
    assert probes.next(1e6, 3e6, 15.2) is not None


STEPS = [
    # (usage, overused, throughput, queue delay) → rate after a second at 1 Mbit/s
    (Usage.NORMAL, False, 1e6, 0.0, 1.08e6),
    (Usage.NORMAL, False, 0.8e6, 0.0, 1e6),
    (Usage.NORMAL, False, None, 0.0, 1e6),
    (Usage.NORMAL, False, 0.86e6, 0.0, 0.86e6 / 0.85),
    (Usage.UNDERUSING, False, 1e6, 0.0, 1e6),
    (Usage.OVERUSING, False, 1e6, 0.0, 1e6),
    (Usage.OVERUSING, True, 0.9e6, 0.2, 0.85 * 0.9e6),
    (Usage.NORMAL, True, 0.9e6, 0.03, 0.93 * 0.9e6),
    (Usage.OVERUSING, True, 0.9e6, 0.01, 1e6),
    (Usage.NORMAL, False, 1e6, 0.06, 1e6),
    (Usage.OVERUSING, True, 10e3, 0.5, 30e3),
]


@pytest.mark.parametrize(("usage", "overused", "throughput", "queue", "expected"), STEPS)
def test_a_step_of_the_rate(
    usage: Usage, overused: bool, throughput: float | None, queue: float, expected: float
) -> None:
    control = RateControl(1e6, 30e3)
    control.update(Usage.NORMAL, False, None, 10.0, round_trip_time=0.1, queue_delay=0.0)
    found = control.update(usage, overused, throughput, 11.0, round_trip_time=0.1, queue_delay=queue)
    assert found == pytest.approx(expected, rel=1e-6)


def test_one_decrease_per_round_trip() -> None:
    control = RateControl(1e6, 30e3)
    rates = [
        control.update(
            Usage.OVERUSING, True, 0.9e6 - at * 1e4, 10 + at * 0.06, round_trip_time=0.1, queue_delay=0.2
        )
        for at in range(3)
    ]
    assert rates == pytest.approx([0.765e6, 0.765e6, 0.748e6])


def test_near_the_capacity_it_rises_slowly() -> None:
    control = RateControl(1e6, 30e3)
    control.update(Usage.OVERUSING, True, 1e6, 10.0, round_trip_time=0.1, queue_delay=0.2)
    before = control.bitrate
    after = control.update(Usage.NORMAL, False, 0.95e6, 11.0, round_trip_time=0.1, queue_delay=0.0)
    # A packet of 28 kbit frames, that is three of them, in 0.4 s.
    assert 10e3 < after - before < 30e3


def test_a_queue_that_stands_is_run_off() -> None:
    control = RateControl(1e6, 30e3)
    for tenth in range(12):
        control.update(Usage.NORMAL, False, 1e6, 10 + tenth / 10, round_trip_time=0.1, queue_delay=0.1)
    assert control.bitrate == pytest.approx(0.93e6)


@pytest.mark.parametrize(
    ("fractions", "expected"),
    [([0.0], 1.08), ([0.01], 1.08), ([0.05], 1.0), ([0.2], 0.9), ([0.5], 0.75)],
)
def test_what_loss_allows(fractions: list[float], expected: float) -> None:
    control = LossControl()
    control.bitrate = 1e6
    acknowledged = lost = 0
    control.update(20, 0, 1e6, 10.0, round_trip_time=0.1, queue_delay=0.0)
    control.bitrate = 1e6
    acknowledged, lost = 20, 0
    for at, fraction in enumerate(fractions):
        lost += int(100 * fraction)
        acknowledged += 100 - int(100 * fraction)
        control.update(acknowledged, lost, 1e6, 11.0 + at, round_trip_time=0.1, queue_delay=0.0)
    assert control.bitrate == pytest.approx(expected * 1e6)
    assert control.fraction == pytest.approx(fractions[-1])


def test_few_packets_say_nothing() -> None:
    control = LossControl()
    control.update(5, 14, 1e6, 10.0, round_trip_time=0.1, queue_delay=0.0)
    assert control.fraction == 0.0


def test_loss_at_any_rate_is_no_sign() -> None:
    control, acknowledged, lost = LossControl(), 0, 0
    for at, rate in enumerate([1e6, 1e6, 0.7e6, 0.7e6]):
        acknowledged, lost = acknowledged + 80, lost + 20
        control.update(acknowledged, lost, rate, 10.0 + at, round_trip_time=0.1, queue_delay=0.0)
    assert control.inherent == pytest.approx(0.2)
    before = control.bitrate
    control.update(acknowledged + 80, lost + 20, 0.7e6, 15.0, round_trip_time=0.1, queue_delay=0.0)
    assert control.bitrate >= before


def test_what_a_queue_loses_is_not_the_links_own() -> None:
    control, acknowledged, lost = LossControl(), 0, 0
    for at, rate in enumerate([1e6, 1e6, 0.7e6, 0.7e6]):
        acknowledged, lost = acknowledged + 80, lost + 20
        control.update(acknowledged, lost, rate, 10.0 + at, round_trip_time=0.1, queue_delay=0.5)
    assert control.inherent == 0.0
    assert control.bitrate < 0.8e6


def test_throughput_is_taken_over_half_a_second_of_the_receiver() -> None:
    throughput = Throughput()
    for tenth in range(8):
        throughput.update(Bandwidth(last_arrival=7 + tenth / 10, bytes_acknowledged=tenth * 1000))
    assert throughput.bitrate == pytest.approx(80_000)
    # A pause is no rate.
    throughput.update(Bandwidth(last_arrival=20.0, bytes_acknowledged=9000))
    assert throughput.bitrate == pytest.approx(80_000)
    throughput.update(Bandwidth(last_arrival=20.25, bytes_acknowledged=19_000))
    assert throughput.bitrate == pytest.approx(320_000)
