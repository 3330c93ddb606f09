from chatter.admin.history import KEPT, History, resident_bytes
from tests.chatter.monitoring.figures import snapshot


def test_points_are_rates_since_the_last_one():
    packets, cpu = iter([100, 300]), iter([5.0, 5.5])
    history = History(
        packets_sent=lambda: next(packets),
        loop_lag=lambda: 0.25,
        wall_clock=lambda: 1000.0,
        cpu_clock=lambda: next(cpu),
    )
    first, second = history.add(snapshot(at=10.0)), history.add(snapshot(at=12.0))
    assert (first.packets_sent, first.cpu) == (0, 0)
    assert (second.packets_sent, second.cpu, second.loop_lag) == (100, 0.25, 0.25)
    assert (second.participants, second.subscriptions, second.at) == (2, 1, 1000)


def test_old_points_go():
    history = History(lambda: 0, lambda: 0.0)
    for second in range(KEPT + 5):
        history.add(snapshot(at=float(second)))
    assert len(history.points) == KEPT
    assert resident_bytes() > 0
