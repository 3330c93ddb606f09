"""What the benchmarks of media share: filling a server with a scenario, windows, and rows of tables."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.clients.chatter import ChatterServer
from benchmarks.clients.crowd import Crowd, Window, middle, middle_latency
from benchmarks.scenario import Scenario
from benchmarks.server import serve

SETTLE = 1.0
"""Seconds after the last join until a window begins."""

PLACES = 4_000
"""Connections of one crowd, at the most."""

COLUMNS = [
    "load",
    "people",
    "packets/s",
    "µs CPU/packet",
    "min–max",
    "cores",
    "loss %",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "late %",
]
"""Of `row`. Late: bursts that the clients began a millisecond late, or more."""


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """Options of every benchmark of media."""
    parser.add_argument("--windows", type=int, default=3, help="windows to measure (default: 3)")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of each (default: 20)")
    parser.add_argument(
        "--profile",
        choices=("any", "gcm", "cm"),
        default="any",
        help="SRTP profiles that clients offer: AES-GCM, AES-CM, or both (default)",
    )


def profiles(args: argparse.Namespace) -> tuple[str, ...]:
    """What clients offer, the preferred first."""
    return ("gcm", "cm") if args.profile == "any" else (args.profile,)


@asynccontextmanager
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """For any number of WebSockets."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@asynccontextmanager
async def chatter(
    session: aiohttp.ClientSession,
    offered: tuple[str, ...],
    *,
    plane: str = "auto",
    threads: int = 1,
    program: Sequence[str] | None = None,
) -> AsyncIterator[ChatterServer]:
    """Run `chatter serve`. Raises ProcessFailed."""
    settings = {
        "MEDIA_PLANE": plane,
        "MEDIA_THREADS": str(threads),
        "ROOMS_MAX_PARTICIPANTS": str(PLACES),
    }
    async with serve(settings, program) as server:
        yield ChatterServer(server.url, server.pid, session, offered)


async def populate(crowd: Crowd, scenario: Scenario) -> None:
    """Open its rooms and let everybody join. Raises ConnectFailed."""
    for _ in range(scenario.rooms):
        room = await crowd.open_room()
        for wave in scenario.waves:
            await crowd.join(room, wave)


async def windows(
    crowds: Sequence[tuple[Crowd, Scenario]], count: int, seconds: float, advance: Callable[[], None]
) -> list[list[Window]]:
    """Measure them in turn, `count` times each, while the others rest: what else the machine does meets
    all."""
    found: list[list[Window]] = [[] for _ in crowds]
    for crowd, _ in crowds:
        crowd.load.pause(len(crowds) > 1)
    for _ in range(count):
        for at, (crowd, scenario) in enumerate(crowds):
            crowd.load.pause(False)
            await asyncio.sleep(SETTLE)
            found[at].append(await crowd.window(seconds, scenario.fanout))
            crowd.load.pause(len(crowds) > 1)
            advance()
    return found


def row(name: str, people: int, found: Sequence[Window]) -> list[str]:
    """Medians of some windows, as COLUMNS has them."""
    cpu = [window.cpu_per_packet * 1e6 for window in found if window.cpu_per_packet is not None]
    late = sum(window.counters.late for window in found)
    bursts = max(1, sum(window.counters.bursts for window in found))
    latencies = [middle_latency(found, percent) for percent in (50, 99, 99.9)]
    return [
        name,
        str(people),
        f"{middle(found, 'packets_per_second') or 0:,.0f}",
        f"{(middle(found, 'cpu_per_packet') or 0) * 1e6:.2f}" if cpu else "-",
        f"{min(cpu):.2f}–{max(cpu):.2f}" if cpu else "-",
        f"{middle(found, 'load') or 0:.2f}" if cpu else "-",
        f"{(middle(found, 'loss') or 0) * 100:.3f}",
        *("-" if latency is None else f"{latency * 1e3:.2f}" for latency in latencies),
        f"{late * 100 / bursts:.1f}",
    ]
