"""`peers`: the same clients and the same load against other servers beside Chatter, in one run."""

from __future__ import annotations

import argparse
from contextlib import AsyncExitStack

from benchmarks.clients.adapter import Adapter
from benchmarks.clients.crowd import Crowd, Window, middle
from benchmarks.clients.janus import janus
from benchmarks.clients.load import build
from benchmarks.media import (
    COLUMNS,
    PLACES,
    add_measuring,
    chatter,
    http,
    populate,
    profiles,
    row,
    windows,
)
from benchmarks.plot import Plot
from benchmarks.report import Progress, Report, Table
from benchmarks.scenario import Scenario, broadcast, meeting

LOADS = ("broadcast", "meeting", "meetings")

AIMS = {"broadcast": 0.20, "meeting": 0.25}
"""CPU per forwarded packet against Janus."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `peers`."""
    add_measuring(parser)
    parser.add_argument(
        "--load",
        action="append",
        choices=LOADS,
        help="what to measure, may be repeated (default: broadcast and meeting)",
    )
    parser.add_argument("--subscribers", type=int, default=50, help="of the broadcast (default: 50)")
    parser.add_argument("--people", type=int, default=8, help="of a meeting (default: 8)")
    parser.add_argument("--rooms", type=int, default=6, help="of `meetings` (default: 6)")
    parser.add_argument(
        "--event-loops",
        type=int,
        default=1,
        help="threads of Janus for media; 0: one per client (default: 1)",
    )
    parser.add_argument("--threads", type=int, default=1, help="of Chatter's plane (default: 1)")
    parser.add_argument(
        "--whole-runs",
        action="store_true",
        help="clients take what was sent by UDP_SEGMENT uncut (UDP_GRO), as a network card does",
    )


async def run(args: argparse.Namespace, progress: Progress) -> Report:
    """Measure. Raises ProcessFailed, ConnectFailed, BuildFailed."""
    report = Report(
        "peers",
        parameters={
            "windows": args.windows,
            "seconds": args.seconds,
            "profile": args.profile,
            "janus_event_loops": args.event_loops,
            "chatter_threads": args.threads,
            "whole_runs": args.whole_runs,
        },
    )
    scenarios = {
        "broadcast": broadcast(args.subscribers),
        "meeting": meeting(args.people),
        "meetings": meeting(args.people, args.rooms),
    }
    bars: dict[str, list[tuple[float | str, float]]] = {}
    for load in args.load or LOADS[:2]:
        await _compare(args, progress, report, load, scenarios[load], bars)
    report.plots.append(Plot("Server CPU per forwarded packet", "load", "µs", bars))
    return report


async def _compare(
    args: argparse.Namespace,
    progress: Progress,
    report: Report,
    load: str,
    scenario: Scenario,
    bars: dict[str, list[tuple[float | str, float]]],
) -> None:
    library = build()
    offered = profiles(args)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(http())
        adapters: list[Adapter] = [
            await stack.enter_async_context(chatter(session, offered, threads=args.threads)),
            await stack.enter_async_context(janus(session, args.event_loops, offered)),
        ]
        crowds: list[tuple[Crowd, Scenario]] = []
        with progress.step(f"joining {scenario.name}", len(adapters)) as advance:
            for adapter in adapters:
                crowd = await stack.enter_async_context(
                    Crowd(adapter, library, scenario.traffic, PLACES, whole_runs=args.whole_runs)
                )
                await populate(crowd, scenario)
                crowd.load.pause(True)
                crowds.append((crowd, scenario))
                advance()
        with progress.step(scenario.name, len(adapters) * args.windows) as advance:
            found = await windows(crowds, args.windows, args.seconds, advance)
        _tell(report, load, scenario, crowds, found, bars)


def _tell(
    report: Report,
    load: str,
    scenario: Scenario,
    crowds: list[tuple[Crowd, Scenario]],
    found: list[list[Window]],
    bars: dict[str, list[tuple[float | str, float]]],
) -> None:
    names = [crowd.adapter.name for crowd, _ in crowds]
    rows = [row(name, scenario.people, of) for name, of in zip(names, found, strict=True)]
    report.tables.append(Table(scenario.name, ["server", *COLUMNS[1:]], rows))
    report.data[load] = {
        name: {
            "srtp": sorted(crowd.profiles),
            "windows": [window.to_json() for window in of],
        }
        for name, (crowd, _), of in zip(names, crowds, found, strict=True)
    }
    own = middle(found[0], "cpu_per_packet")
    for name, (crowd, _), of in zip(names, crowds, found, strict=True):
        cpu = middle(of, "cpu_per_packet")
        if cpu is None or own is None:
            continue
        bars.setdefault(name, []).append((load, cpu * 1e6))
        report.line[f"{load}_{name}_us"] = round(cpu * 1e6, 3)
        if of is not found[0]:
            report.line[f"{load}_ratio_{name}"] = round(own / cpu, 3)
            pairs = [
                a.cpu_per_packet / b.cpu_per_packet
                for a, b in zip(found[0], of, strict=True)
                if a.cpu_per_packet and b.cpu_per_packet
            ]
            aim = AIMS.get(load)
            verdict = "" if aim is None else f"; the aim is {aim:g}"
            report.notes.append(
                f"{scenario.name}: Chatter uses {own / cpu:.3f} of the CPU of {name} per packet "
                f"({min(pairs):.3f} to {max(pairs):.3f} by pairs of windows{verdict})"
            )
        report.notes.append(f"{scenario.name}: {name} chose {', '.join(sorted(crowd.profiles))}")
