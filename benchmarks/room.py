"""`room`: clients with real ICE, DTLS and SRTP against a running server, and what one core carries."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from benchmarks.clients.adapter import Member
from benchmarks.clients.chatter import ChatterServer
from benchmarks.clients.crowd import Crowd, Window, middle, middle_latency
from benchmarks.clients.load import build
from benchmarks.cpu import slope
from benchmarks.media import COLUMNS, PLACES, add_measuring, chatter, http, populate, profiles, row, windows
from benchmarks.plot import Plot
from benchmarks.report import Progress, Report, Table
from benchmarks.scenario import BROADCAST, Scenario, broadcast, meeting, steps

MAX_LOSS = 0.001
MAX_P99 = 0.020
"""Where a ramp ends: a part of the packets, and seconds."""

SCENARIOS = ("broadcast", "growth", "meeting", "meetings", "ramp-broadcast", "ramp-meetings")
MEMORY_STEP = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `room`."""
    add_measuring(parser)
    parser.add_argument("--url", help="a running server, http(s)://host[:port]; without it one is started")
    parser.add_argument(
        "--pid", type=int, help="its process on this machine, to measure CPU and memory (with --url)"
    )
    parser.add_argument(
        "--scenario",
        action="append",
        choices=SCENARIOS,
        help="what to measure, may be repeated (default: all)",
    )
    parser.add_argument("--subscribers", type=int, default=50, help="of the broadcast (default: 50)")
    parser.add_argument(
        "--many", type=int, default=200, help="subscribers that `growth` compares with (default: 200)"
    )
    parser.add_argument("--people", type=int, default=8, help="of a meeting (default: 8)")
    parser.add_argument("--rooms", type=int, default=6, help="of `meetings` (default: 6)")
    parser.add_argument("--step", type=int, default=50, help="subscribers per step of a ramp (default: 50)")
    parser.add_argument(
        "--most", type=int, default=600, help="subscribers at the end of a ramp (default: 600)"
    )
    parser.add_argument(
        "--most-rooms", type=int, default=40, help="meetings at the end of a ramp (default: 40)"
    )
    parser.add_argument("--step-seconds", type=float, default=5.0, help="of a ramp's steps (default: 5)")
    parser.add_argument("--threads", type=int, default=1, help="of the plane of a server of its own")
    parser.add_argument(
        "--plane", choices=("auto", "fast", "reference"), default="auto", help="of a server of its own"
    )


async def run(args: argparse.Namespace, progress: Progress) -> Report:
    """Measure. Raises ProcessFailed, ConnectFailed, BuildFailed, SignInFailed."""
    parameters = {name: value for name, value in vars(args).items() if isinstance(value, int | float | str)}
    report = Report("room", parameters=parameters)
    chosen: Sequence[str] = args.scenario or SCENARIOS
    plain = {
        "broadcast": broadcast(args.subscribers),
        "meeting": meeting(args.people),
        "meetings": meeting(args.people, args.rooms),
    }
    rows = [await _steady(args, progress, report, name, plain[name]) for name in chosen if name in plain]
    if rows:
        report.tables.append(Table(f"{args.windows} windows of {args.seconds:g} s", COLUMNS, rows))
    if "growth" in chosen:
        await _growth(args, progress, report)
    if "ramp-broadcast" in chosen:
        await _ramp_broadcast(args, progress, report)
    if "ramp-meetings" in chosen:
        await _ramp_meetings(args, progress, report)
    return report


@asynccontextmanager
async def _server(args: argparse.Namespace) -> AsyncIterator[ChatterServer]:
    async with http() as session:
        if args.url:
            yield ChatterServer(args.url.rstrip("/"), args.pid, session, profiles(args))
            return
        async with chatter(session, profiles(args), plane=args.plane, threads=args.threads) as server:
            yield server


async def _steady(
    args: argparse.Namespace, progress: Progress, report: Report, name: str, scenario: Scenario
) -> list[str]:
    library = build()
    async with _server(args) as server, Crowd(server, library, scenario.traffic, PLACES) as crowd:
        await populate(crowd, scenario)
        with progress.step(scenario.name, args.windows) as advance:
            found = (await windows([(crowd, scenario)], args.windows, args.seconds, advance))[0]
        _record(report, name, found)
        report.data[name]["srtp"] = sorted(crowd.profiles)
    return row(scenario.name, scenario.people, found)


def _record(report: Report, name: str, found: Sequence[Window]) -> None:
    report.data[name] = {"windows": [window.to_json() for window in found]}
    cpu = middle(found, "cpu_per_packet")
    if cpu is not None:
        report.line[f"{name}_us"] = round(cpu * 1e6, 3)
    for percent in (50, 99, 99.9):
        latency = middle_latency(found, percent)
        if latency is not None:
            report.line[f"{name}_p{percent:g}_ms"] = round(latency * 1e3, 3)
    report.line[f"{name}_loss"] = round(middle(found, "loss") or 0.0, 6)


async def _growth(args: argparse.Namespace, progress: Progress, report: Report) -> None:
    """The same server with few and many subscribers, in turn; and its memory by their number."""
    library = build()
    few, many = broadcast(args.subscribers), broadcast(args.many)
    viewer = Member(receives={"video": 1})
    memory: list[tuple[float, float]] = []
    async with (
        _server(args) as server,
        Crowd(server, library, BROADCAST, PLACES) as small,
        Crowd(server, library, BROADCAST, PLACES) as large,
    ):
        await populate(small, few)
        room = await large.open_room()
        await large.join(room, [Member(["video"])])
        with progress.step("memory", args.many) as advance:
            for joined in range(0, args.many, MEMORY_STEP):
                count = min(MEMORY_STEP, args.many - joined)
                await large.join(room, [viewer] * count)
                for _ in range(count):
                    advance()
                resident = large.memory()
                # The first ones fill what the allocator keeps for all.
                if resident is not None and joined >= MEMORY_STEP:
                    memory.append((joined + count, resident))
        with progress.step("growth", args.windows * 2) as advance:
            found = await windows([(small, few), (large, many)], args.windows, args.seconds, advance)
    rows = [row(scenario.name, scenario.people, of) for scenario, of in zip((few, many), found, strict=True)]
    report.tables.append(Table("growth, in turn", COLUMNS, rows))
    report.data["growth"] = {
        scenario.name: [window.to_json() for window in of]
        for scenario, of in zip((few, many), found, strict=True)
    }
    cheap, dear = middle(found[0], "cpu_per_packet"), middle(found[1], "cpu_per_packet")
    if cheap and dear:
        report.line["growth_ratio"] = round(dear / cheap, 3)
        report.notes.append(
            f"CPU per packet at {args.many} subscribers is {dear / cheap:.2f} of that at {args.subscribers}"
        )
    if memory:
        each = slope(memory)
        report.data["memory"] = memory
        report.line["memory_per_subscriber_kb"] = round(each / 1024, 1)
        report.notes.append(f"each subscriber adds {each / 1024:.1f} KB to the server's memory")


async def _ramp_broadcast(args: argparse.Namespace, progress: Progress, report: Report) -> None:
    library = build()
    found: list[tuple[Scenario, Window]] = []
    async with _server(args) as server, Crowd(server, library, BROADCAST, PLACES) as crowd:
        room = await crowd.open_room()
        await crowd.join(room, [Member(["video"])])
        counts = steps(args.step, args.most)
        with progress.step("ramp-broadcast", len(counts)) as advance:
            joined = 0
            for count in counts:
                await crowd.join(room, [Member(receives={"video": 1})] * (count - joined))
                joined = count
                if not await _step(args, crowd, broadcast(count), found, advance):
                    break
    _capacity(report, "ramp-broadcast", found)


async def _ramp_meetings(args: argparse.Namespace, progress: Progress, report: Report) -> None:
    library = build()
    found: list[tuple[Scenario, Window]] = []
    one = meeting(args.people)
    async with _server(args) as server, Crowd(server, library, one.traffic, PLACES) as crowd:
        counts = steps(2, args.most_rooms)
        with progress.step("ramp-meetings", len(counts)) as advance:
            opened = 0
            for count in counts:
                await populate(crowd, meeting(args.people, count - opened))
                opened = count
                if not await _step(args, crowd, meeting(args.people, count), found, advance):
                    break
    _capacity(report, "ramp-meetings", found)


async def _step(
    args: argparse.Namespace,
    crowd: Crowd,
    scenario: Scenario,
    found: list[tuple[Scenario, Window]],
    advance: Callable[[], None],
) -> bool:
    """Measure a step; False when it is too much, twice in a row: the machine may have been busy otherwise."""
    for _ in range(2):
        window = (await windows([(crowd, scenario)], 1, args.step_seconds, lambda: None))[0][0]
        if not overloaded(window.loss, window.latency(99)):
            break
    found.append((scenario, window))
    advance()
    return not overloaded(window.loss, window.latency(99))


def overloaded(loss: float, p99: float | None) -> bool:
    """Whether a ramp has gone too far."""
    return loss > MAX_LOSS or p99 is None or p99 > MAX_P99


def _capacity(report: Report, name: str, found: list[tuple[Scenario, Window]]) -> None:
    rows = [row(scenario.name, scenario.people, [window]) for scenario, window in found]
    report.tables.append(Table(name, COLUMNS, rows))
    report.data[name] = [
        {"people": scenario.people, "rooms": scenario.rooms, **window.to_json()} for scenario, window in found
    ]
    held = [
        (scenario, window) for scenario, window in found if not overloaded(window.loss, window.latency(99))
    ]
    if not held:
        report.notes.append(f"{name}: not even {found[0][0].name} was held")
        return
    scenario, window = held[-1]
    report.line[f"{name}_people"] = scenario.people
    report.line[f"{name}_packets_per_second"] = round(window.packets_per_second)
    text = f"{name}: {scenario.name} held, {window.packets_per_second:,.0f} packets/s"
    if window.load:
        per_core = window.packets_per_second / window.load
        report.line[f"{name}_packets_per_core_second"] = round(per_core)
        text += f" with {window.load:.2f} cores, which is {per_core:,.0f} packets/s per core"
    if len(held) == len(found):
        text += "; the ramp ended there"
    elif found[-1][1].counters.late > found[-1][1].counters.bursts * 0.2:
        text += "; beyond it the clients were late themselves: the machine is the limit, not the server alone"
    report.notes.append(text)
    report.plots.append(
        Plot(
            name,
            "people",
            "ms",
            {
                f"p{percent:g}": [(s.people, (w.latency(percent) or 0.0) * 1e3) for s, w in found]
                for percent in (50, 99)
            },
        )
    )
