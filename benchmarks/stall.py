"""`stall`: whether media waits for Python: latency with the event loop free, blocked, and busy with joins."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from benchmarks.clients.adapter import Member
from benchmarks.clients.crowd import Crowd, Window
from benchmarks.clients.load import build
from benchmarks.clients.stalling_server import VARIABLE
from benchmarks.figures import percentile
from benchmarks.media import PLACES, SETTLE, chatter, http, populate
from benchmarks.plot import Plot
from benchmarks.report import Progress, Report, Table
from benchmarks.scenario import BROADCAST, broadcast

AIM_SECONDS = 0.005
"""What a packet may take at the most, whatever Python does."""

PERCENTS = (50.0, 90.0, 99.0, 99.9, 99.99, 100.0)
PHASES = ("free", "blocked", "joins")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stall`."""
    parser.add_argument("--windows", type=int, default=3, help="windows of each kind (default: 3)")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of each (default: 10)")
    parser.add_argument(
        "--stall",
        type=float,
        default=0.2,
        metavar="SECONDS",
        help="how long the loop is blocked (default: 0.2)",
    )
    parser.add_argument(
        "--every", type=float, default=0.4, metavar="SECONDS", help="how often that begins (default: 0.4)"
    )
    parser.add_argument("--subscribers", type=int, default=10, help="of the broadcast (default: 10)")
    parser.add_argument("--joins", type=int, default=50, help="who join in a window of joins (default: 50)")
    parser.add_argument("--plane", choices=("auto", "fast", "reference"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="of the plane (default: 1)")


async def run(args: argparse.Namespace, progress: Progress) -> Report:
    """Measure. Raises ProcessFailed, ConnectFailed, BuildFailed, SignInFailed."""
    report = Report(
        "stall", parameters={name: value for name, value in vars(args).items() if not callable(value)}
    )
    for name in ("json", "plot"):
        report.parameters.pop(name, None)
    library = build()
    scenario = broadcast(args.subscribers)
    found: dict[str, list[Window]] = {phase: [] for phase in PHASES}
    program = [sys.executable, "-m", "benchmarks.clients.stalling_server"]
    os.environ[VARIABLE] = str(args.stall)
    async with (
        http() as session,
        chatter(session, ("gcm", "cm"), plane=args.plane, threads=args.threads, program=program) as server,
        Crowd(server, library, BROADCAST, PLACES, sampled=1) as crowd,
    ):
        assert server.pid is not None
        await populate(crowd, scenario)
        await asyncio.sleep(SETTLE)
        with progress.step("latency", args.windows * len(PHASES)) as advance:
            for _ in range(args.windows):
                found["free"].append(await crowd.window(args.seconds, scenario.fanout))
                advance()
                async with _stalls(server.pid, args.every):
                    found["blocked"].append(await crowd.window(args.seconds, scenario.fanout))
                advance()
                async with Crowd(server, library, BROADCAST, PLACES) as others:
                    room = await others.open_room()
                    joining = asyncio.create_task(
                        others.join(room, [Member(receives={"video": 1})] * args.joins)
                    )
                    # As long as they join, and no longer: what follows is calm.
                    found["joins"].append(await crowd.window_while(joining, scenario.fanout))
                await asyncio.sleep(SETTLE)
                advance()
    _tell(report, found)
    return report


@asynccontextmanager
async def _stalls(pid: int, every: float) -> AsyncIterator[None]:
    async def repeat() -> None:
        while True:
            os.kill(pid, signal.SIGUSR1)
            await asyncio.sleep(every)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _tell(report: Report, found: dict[str, list[Window]]) -> None:
    rows = []
    lines: dict[str, Sequence[tuple[float | str, float]]] = {}
    for phase, windows in found.items():
        latencies = sorted(latency for window in windows for latency in window.latencies)
        report.data[phase] = [window.to_json() for window in windows]
        if not latencies:
            # A few joins may be over between two bursts.
            rows.append([phase, "0", *["-"] * (len(PERCENTS) + 2)])
            continue
        values = {percent: percentile(latencies, percent) * 1e3 for percent in PERCENTS}
        over = sum(latency > AIM_SECONDS for latency in latencies)
        lost = sum(window.counters.missing for window in windows)
        rows.append(
            [
                phase,
                f"{len(latencies):,}",
                *(f"{value:.2f}" for value in values.values()),
                f"{over:,}",
                f"{lost:,}",
            ]
        )
        lines[phase] = [(f"{percent:g}", value) for percent, value in values.items()]
        report.line[f"{phase}_p50_ms"] = round(values[50.0], 3)
        report.line[f"{phase}_p99_ms"] = round(values[99.0], 3)
        report.line[f"{phase}_max_ms"] = round(values[100.0], 3)
        report.line[f"{phase}_over_5ms_permille"] = round(over / len(latencies) * 1000, 4)
    columns = ["event loop", "packets", *(f"p{percent:g} ms" for percent in PERCENTS[:-1]), "max ms"]
    report.tables.append(Table("one-way latency", [*columns, f"over {AIM_SECONDS * 1e3:g} ms", "lost"], rows))
    report.notes.append(
        "free is the measure: what is late there, too, is the machine's doing. blocked: the loop sleeps "
        "again and again; joins: others join another room of the same server meanwhile."
    )
    report.plots.append(Plot("One-way latency", "percentile", "ms", lines, logarithmic=True))
