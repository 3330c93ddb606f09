"""Benchmarks of media: what is decided and computed, without a server."""

from __future__ import annotations

import pytest

from benchmarks import cpu
from benchmarks.clients.crowd import Window, middle, middle_latency
from benchmarks.clients.description import lines_of
from benchmarks.clients.endpoint import ConnectFailed, Remote
from benchmarks.clients.load import Counters, Traffic
from benchmarks.clients.plane_host import keys
from benchmarks.plane import cases
from benchmarks.plot import Plot, draw
from benchmarks.room import overloaded
from benchmarks.scenario import broadcast, meeting, steps

OFFER = (
    "v=0\r\n"
    "a=fingerprint:sha-256 AA:BB\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n"
    "a=mid:a\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
    "a=ice-ufrag:u\r\n"
    "a=ice-pwd:p\r\n"
    "a=candidate:1 1 tcp 9 192.0.2.1 1 typ host\r\n"
    "a=candidate:2 1 udp 9 192.0.2.1 1234 typ host\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
    "a=mid:v\r\n"
    "a=rtpmap:96 VP8/90000\r\n"
)


def window(**changes):
    values = dict.fromkeys(Counters.__slots__, 0) | {"sent": 100, "received": 1000} | changes
    return Window(2.0, Counters(**values), 1000, 100, 0.004, {}, [0.001, 0.002, 0.003])


def test_a_window_says_what_a_packet_cost():
    found = window()
    assert found.cpu_per_packet == pytest.approx(4e-6)
    assert found.packets_per_second == 500
    assert found.load == pytest.approx(0.002)
    assert found.latency(50) == 0.002
    assert found.to_json()["latency_ms"]["99"] == 3.0


@pytest.mark.parametrize(
    ("received", "missing", "loss"),
    [
        (1000, 0, 0.0),
        (1020, 0, 0.0),
        (900, 0, 0.0),  # On their way.
        (800, 0, 0.1),
        (980, 20, 0.02),
        (0, 0, 0.9),
    ],
)
def test_loss(received, missing, loss):
    assert window(received=received, missing=missing).loss == pytest.approx(loss)


def test_medians_of_windows():
    windows = [window(received=received) for received in (1000, 500, 2000)]
    assert middle(windows, "cpu_per_packet") == pytest.approx(4e-6)
    assert middle_latency(windows, 99) == 0.003
    assert middle([window(received=0)], "cpu_per_packet") is None
    assert middle_latency([], 50) is None


@pytest.mark.parametrize(
    ("scenario", "people", "fanout"), [(broadcast(50), 51, 50), (meeting(8), 8, 7), (meeting(8, 3), 24, 7)]
)
def test_scenarios(scenario, people, fanout):
    assert (scenario.people, scenario.fanout) == (people, fanout)


@pytest.mark.parametrize(
    ("step", "most", "found"), [(50, 150, [50, 100, 150]), (50, 120, [50, 100]), (50, 20, [20])]
)
def test_steps_of_a_ramp(step, most, found):
    assert steps(step, most) == found


@pytest.mark.parametrize(
    ("loss", "p99", "over"),
    [(0.0, 0.02, False), (0.001, 0.02, False), (0.0011, 0.001, True), (0.0, 0.021, True), (0.0, None, True)],
)
def test_where_a_ramp_ends(loss, p99, over):
    assert overloaded(loss, p99) is over


def test_the_period_of_bursts():
    assert Traffic("video", rate=300, burst=10, size=1100).period_ns == 33_333_333


def test_a_slope_is_that_of_the_line():
    assert cpu.slope([(0, 5), (10, 25), (20, 45)]) == pytest.approx(2)
    assert cpu.slope([(3, 5)]) == 0.0
    assert cpu.slope([]) == 0.0


def test_cases_of_the_plane():
    assert [case.fanout for case in cases([1, 50], False, 300)] == [1, 50]
    varied = cases([50], True, 300)
    assert {case.profile for case in varied} == {"gcm", "cm"}
    assert len({case.name for case in varied}) == len(varied)


def test_keys_differ_by_transport_and_direction():
    found = [side for at in range(300) for side in (keys("gcm", at).receive, keys("gcm", at).send)]
    assert len(set(found)) == 600
    assert {len(key) for key in found} == {28}


def test_reading_a_servers_description():
    found = Remote.parse(OFFER)
    assert found == Remote(("192.0.2.1", 1234), "u", "p", ("sha-256", "AA:BB"))
    assert [(line.kind, line.mid, line.payload_type, line.name) for line in lines_of(OFFER)] == [
        ("audio", "a", 111, "opus/48000/2"),
        ("video", "v", 96, "VP8/90000"),
    ]


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("a=candidate:2", "candidate"),
        ("a=ice-ufrag", "ice-ufrag"),
        ("a=ice-pwd", "ice-pwd"),
        ("a=fing", "fing"),
    ],
)
def test_what_a_description_lacks_is_named(missing, named):
    sdp = "".join(line for line in OFFER.splitlines(keepends=True) if not line.startswith(missing))
    with pytest.raises(ConnectFailed, match=named):
        Remote.parse(sdp)


def test_a_plot_is_a_png(tmp_path):
    bars = Plot("bars", "x", "y", {"a": [("1", 2.0), ("2", 3.0)], "b": [("1", 1.0)]})
    lines = Plot("lines", "x", "y", {"a": [(1, 2.0), (2, 3.0)]}, logarithmic=True)
    draw([bars, lines], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
