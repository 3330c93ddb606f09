"""`watched`: what it costs to be watched: a broadcast with all metrics, traces and logs on, and with all
off."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from statistics import median

import aiohttp
from aiohttp import web

from benchmarks.clients.chatter import ChatterServer
from benchmarks.clients.crowd import Crowd, Window
from benchmarks.clients.load import build
from benchmarks.media import COLUMNS, PLACES, add_measuring, http, populate, profiles, row, windows
from benchmarks.report import Progress, Report, Table
from benchmarks.scenario import broadcast
from benchmarks.server import Server, serve
from bots.account import Account

OPERATOR = "operator"
PASSWORD = "a password of an operator"

LIMIT = 1.05
"""What being watched may make of the CPU per packet."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `watched`."""
    add_measuring(parser)
    parser.add_argument("--subscribers", type=int, default=50, help="of the broadcast (default: 50)")
    parser.add_argument(
        "--scrape", type=float, default=15.0, help="seconds between two scrapes of /metrics (default: 15)"
    )
    parser.add_argument(
        "--pages", type=int, default=0, help="pages of operators that are open meanwhile (default: 0)"
    )


async def run(args: argparse.Namespace, progress: Progress) -> Report:
    """Measure both in turn. Raises ProcessFailed, ConnectFailed, BuildFailed, SignInFailed."""
    parameters = {name: value for name, value in vars(args).items() if isinstance(value, int | float | str)}
    report = Report("watched", parameters=parameters)
    library, scenario = build(), broadcast(args.subscribers)
    common = {"MEDIA_THREADS": "1", "ROOMS_MAX_PARTICIPANTS": str(PLACES)}
    off = {**common, "METRICS_ENABLED": "false", "LOG_LEVEL": "error"}
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(http())
        crowds = []
        for settings in (off, common):
            if settings is off:
                server = await stack.enter_async_context(serve(settings))
            else:
                server = await stack.enter_async_context(_watched(settings, args, session))
            adapter = ChatterServer(server.url, server.pid, session, profiles(args))
            crowd = await stack.enter_async_context(Crowd(adapter, library, scenario.traffic, PLACES))
            await populate(crowd, scenario)
            crowds.append((crowd, scenario))
        with progress.step("watched", args.windows * 2) as advance:
            found = await windows(crowds, args.windows, args.seconds, advance)
    names = ("nothing on", "everything on")
    rows = [row(name, scenario.people, of) for name, of in zip(names, found, strict=True)]
    report.tables.append(Table(f"{scenario.name}, in turn", COLUMNS, rows))
    report.data["windows"] = {
        name: [window.to_json() for window in of] for name, of in zip(names, found, strict=True)
    }
    _compare(report, found[0], found[1])
    return report


def _compare(report: Report, off: Sequence[Window], on: Sequence[Window]) -> None:
    ratios = [
        dear.cpu_per_packet / cheap.cpu_per_packet
        for cheap, dear in zip(off, on, strict=True)
        if cheap.cpu_per_packet and dear.cpu_per_packet
    ]
    if not ratios:
        return
    # Window by window: what else the machine does meanwhile meets neighbours alike.
    ratio = median(ratios)
    report.line["watched_ratio"] = round(ratio, 3)
    report.notes.append(
        f"with everything on, the CPU per packet is {ratio:.3f} of that with everything off "
        f"({min(ratios):.3f} to {max(ratios):.3f}), {'within' if ratio <= LIMIT else 'above'} {LIMIT}"
    )
    without, with_all = median(map(_beside, off)), median(map(_beside, on))
    report.line["watched_beside_ms"] = round((with_all - without) * 1e3, 2)
    report.notes.append(
        f"beside the packets the server works {with_all * 1e3:.2f} ms per second with everything on, "
        f"and {without * 1e3:.2f} ms with everything off"
    )


def _beside(window: Window) -> float:
    """Seconds per second of all threads but the busiest one, which moves the packets."""
    return (sum(window.threads.values()) - max(window.threads.values(), default=0.0)) / window.seconds


@asynccontextmanager
async def _watched(
    settings: Mapping[str, str], args: argparse.Namespace, session: aiohttp.ClientSession
) -> AsyncIterator[Server]:
    """A server with a collector of traces, logs of all requests, a scraper, and operators who look at it."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="chatter-watched-"))
        own = {**settings, "DATA_DIR": str(Path(folder) / "data")}
        async with serve(own) as before:
            # An account that is named as an operator has to be there before.
            await Account.register(before.url, OPERATOR, PASSWORD)
        collector = await stack.enter_async_context(_collector())
        watched = {
            **own,
            "ADMIN_OPERATORS": OPERATOR,
            "LOG_LEVEL": "info",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        }
        server = await stack.enter_async_context(serve(watched))
        operator = await Account.login(server.url, OPERATOR, PASSWORD)
        watching = [_scrape(session, server.url, args.scrape)]
        watching += [_look(session, server.url, operator.token) for _ in range(args.pages)]
        tasks = [asyncio.create_task(watcher) for watcher in watching]
        try:
            yield server
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


@asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    """Takes spans and forgets them; its address."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _scrape(session: aiohttp.ClientSession, url: str, interval: float) -> None:
    while True:
        async with session.get(f"{url}/metrics") as response:
            await response.read()
        await asyncio.sleep(interval)


async def _look(session: aiohttp.ClientSession, url: str, token: str) -> None:
    """What the page of operators does, in the room with the most trouble."""
    headers = {"Authorization": f"Bearer {token}"}
    room = ""
    while True:
        async with session.get(f"{url}/admin/state", headers=headers) as response:
            rooms = (await response.json())["rooms"]
        room = rooms[0]["id"] if rooms else ""
        if not room:
            await asyncio.sleep(1)
            continue
        timeout = aiohttp.ClientTimeout(total=None)
        async with session.get(
            f"{url}/admin/live", params={"room": room}, headers=headers, timeout=timeout
        ) as response:
            async for _ in response.content.iter_any():
                continue
