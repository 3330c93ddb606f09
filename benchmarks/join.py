"""`join`: how long joining takes, for a bot and a browser, and how many joins a second the server takes."""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
from aiortc import RTCCertificate
from yarl import URL

import bots
from benchmarks import browser, light
from benchmarks.figures import Figure, by_stage, doubled, percentile, rates
from benchmarks.report import Progress, Report, Table
from benchmarks.server import Server, publisher, serve
from bots.account import Account

FRAME_TIMEOUT = 15.0
"""Seconds that a join may take to its first frame."""

AIM_SECONDS = 0.7
"""What the time to the first frame is to stay below on loopback."""

STEP_SECONDS = 4.0
STEP_JOINS = 40
"""Each rate is held for so many seconds, and for so many joins at least."""

APART = 1.0
"""Seconds between measured joins: keyframe requests are throttled, and the next join would wait for that."""

LATE_SECONDS = 0.05
"""A client that begins joins so late is too busy to measure with."""

FIRST_RATE = 5.0
"""Joins per second that are taken for the server at ease."""

_POLL = 0.002

Join = Callable[[], Awaitable[dict[str, float]]]


@dataclass(slots=True)
class Step:
    """Joins at one rate."""

    rate: float
    """Joins per second that were begun."""
    joins: list[float] = field(default_factory=list)
    """Seconds to the first packet."""
    failures: list[str] = field(default_factory=list)
    late: float = 0.0
    """The longest that the client began a join after its time, in seconds: it was too busy itself."""
    server_cpu: float | None = None
    """Of one core, in percent."""
    client_cpu: float = 0.0

    @property
    def p95(self) -> float:
        """Of the seconds to the first packet; infinite when nobody got one."""
        return percentile(self.joins, 95) if self.joins else float("inf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `join`."""
    parser.add_argument("--url", help="a running server, http(s)://host[:port]; without it one is started")
    parser.add_argument("--joins", type=int, default=20, help="joins of each kind to measure (default: 20)")
    parser.add_argument(
        "--browser", action=argparse.BooleanOptionalAction, default=True, help="measure Chromium, too"
    )
    parser.add_argument(
        "--rate", action=argparse.BooleanOptionalAction, default=True, help="find the joins per second, too"
    )
    parser.add_argument(
        "--max-rate",
        type=float,
        default=200.0,
        metavar="N",
        help="stop there (default: 200 joins per second)",
    )


async def run(args: argparse.Namespace, progress: Progress) -> Report:
    """Measure. Raises ProcessFailed, PageFailed, BotError."""
    report = Report("join", parameters={"joins": args.joins, "url": args.url or "a server of its own"})
    async with AsyncExitStack() as stack:
        server = Server(args.url.rstrip("/"), None) if args.url else await stack.enter_async_context(serve())
        account = await Account.register(server.url, f"bench{uuid.uuid4().hex[:12]}", uuid.uuid4().hex)
        room = await account.create_room("sfu")
        await stack.enter_async_context(publisher(room, account.token))
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        await _measure(report, progress, "bot", args.joins, lambda: _bot_join(room, http))
        if args.browser:
            chromium = await stack.enter_async_context(browser.chromium())
            await _measure(report, progress, "browser", args.joins, lambda: browser.join(chromium, room))
            await chromium.close()
        if args.rate:
            await _find_rate(report, progress, server, room, http, args.max_rate)
    return report


async def _bot_join(room: str, http: aiohttp.ClientSession) -> dict[str, float]:
    """A bot that subscribes to everything; seconds from the WebSocket's connect to each stage."""
    async with bots.Room.join(room, display_name="Joiner", session=http) as joined:
        track = await joined.wait_for_track(kind="video", timeout=FRAME_TIMEOUT)
        packet: float | None = None
        async with asyncio.timeout(FRAME_TIMEOUT):
            while track.first_frame_at is None:
                if packet is None and joined.has_packets(track):
                    packet = joined.since_join(time.monotonic())
                await asyncio.sleep(_POLL)
        done = joined.milestones
        stages: dict[str, float | None] = {
            "welcome": done.welcome,
            "answer": done.answered,
            "connected": done.connected,
            "packet": packet,
            "frame": joined.since_join(track.first_frame_at),
        }
        return {stage: at for stage, at in stages.items() if at is not None}


async def _measure(report: Report, progress: Progress, who: str, count: int, join: Join) -> None:
    """One join that is not counted, as it warms caches, and then `count` that are."""
    joins: list[dict[str, float]] = []
    with progress.step(f"joins of a {who}", count + 1) as advance:
        await join()
        advance()
        for _ in range(count):
            await asyncio.sleep(APART)
            joins.append(await join())
            advance()
    stages = by_stage(joins)
    rows = [[stage, *_milliseconds(figure)] for stage, figure in stages.items()]
    report.tables.append(
        Table(f"{who}: milliseconds from WebSocket connect", ["stage", "median", "p95", "min", "max"], rows)
    )
    report.data[who] = {stage: _in_ms(figure) for stage, figure in stages.items()}
    frame = stages["frame"]
    report.line[f"{who}_first_frame_median_ms"] = round(frame.median * 1000, 1)
    report.line[f"{who}_first_frame_p95_ms"] = round(frame.p95 * 1000, 1)
    verdict = "below" if frame.p95 < AIM_SECONDS else "ABOVE"
    report.notes.append(f"{who}: p95 of the first frame is {verdict} the aim of {AIM_SECONDS * 1000:g} ms")


async def _find_rate(
    report: Report, progress: Progress, server: Server, room: str, http: aiohttp.ClientSession, highest: float
) -> None:
    """Raise the rate of joins until the p95 to the first packet is twice what it is at the lowest one."""
    address = URL(room)
    socket = address.with_scheme("wss" if address.scheme == "https" else "ws").with_path(
        f"/ws/{address.name}"
    )
    certificate = RTCCertificate.generateCertificate()
    steps: list[Step] = []
    planned = rates(FIRST_RATE, highest)
    base = 0.0
    with progress.step("joins per second", len(planned)) as advance:
        for rate in planned:
            step = await _hold(rate, lambda: light.join(http, socket, certificate), server.pid)
            base = base or step.p95
            if doubled(base, step.p95, len(step.failures)):
                # Once more: the machine may have been busy with something else.
                again = await _hold(rate, lambda: light.join(http, socket, certificate), server.pid)
                step = min(step, again, key=lambda s: (len(s.failures), s.p95))
            steps.append(step)
            advance()
            if doubled(base, step.p95, len(step.failures)):
                break
    _report_rate(report, steps, base)


def _report_rate(report: Report, steps: list[Step], base: float) -> None:
    rows = []
    for step in steps:
        figure = Figure.of(step.joins)
        median, p95 = _milliseconds(figure)[:2] if figure else ["-", "-"]
        cpu = "-" if step.server_cpu is None else f"{step.server_cpu:.0f} %"
        late = f"{step.late * 1000:.0f}"
        cells = [f"{step.rate:.1f}", str(len(step.joins)), str(len(step.failures)), median, p95]
        rows.append([*cells, cpu, f"{step.client_cpu:.0f} %", late])
    heads = [
        "joins/s",
        "joined",
        "failed",
        "median ms",
        "p95 ms",
        "server CPU",
        "client CPU",
        "begun late ms",
    ]
    report.tables.append(Table("light joins: WebSocket connect to first RTP packet", heads, rows))
    over = doubled(base, steps[-1].p95, len(steps[-1].failures))
    held = [step.rate for step in (steps[:-1] if over else steps)]
    best = held[-1] if held else 0.0
    report.data["rate"] = [
        {
            "joins_per_second": step.rate,
            "seconds": step.joins,
            "failures": step.failures,
            "server_cpu_percent": step.server_cpu,
            "client_cpu_percent": step.client_cpu,
            "begun_late_seconds": step.late,
        }
        for step in steps
    ]
    report.line["joins_per_second"] = round(best, 1)
    report.line["joins_per_second_limit_found"] = over
    if over:
        why = steps[-1].failures[0] if steps[-1].failures else "the p95 doubled"
        report.notes.append(f"{best:.1f} joins per second held; at {steps[-1].rate:.1f}: {why}")
    else:
        report.notes.append(f"{best:.1f} joins per second held, the highest rate that was tried")
    if steps[-1].late > LATE_SECONDS:
        report.notes.append(
            f"The clients began joins up to {steps[-1].late * 1000:.0f} ms late at the last rate: they, or "
            "the machine that they share with the server, may be the limit rather than the server."
        )
    report.notes.append(
        "A light join is signaling, ICE, DTLS and the first RTP packet, subscribed to a sound and a picture, "
        "without decoding. All clients are one process on this machine; the table has its share of a core."
    )


async def _hold(rate: float, join: Join, server_pid: int | None) -> Step:
    """Begin joins at a steady rate, whether or not those before are done (an open loop)."""
    step = Step(rate)
    loop = asyncio.get_running_loop()
    client = psutil.Process()
    server = psutil.Process(server_pid) if server_pid is not None else None
    used = (_cpu_seconds(client), _cpu_seconds(server) if server else 0.0)
    began = loop.time()

    async def one() -> None:
        try:
            step.joins.append((await join())["packet"])
        except light.JoinFailed as error:
            step.failures.append(str(error))

    async with asyncio.TaskGroup() as group:
        for i in range(max(STEP_JOINS, round(rate * STEP_SECONDS))):
            delay = began + i / rate - loop.time()
            await asyncio.sleep(max(0.0, delay))
            step.late = max(step.late, -delay)
            group.create_task(one())
    took = loop.time() - began
    step.client_cpu = (_cpu_seconds(client) - used[0]) / took * 100
    if server is not None:
        step.server_cpu = (_cpu_seconds(server) - used[1]) / took * 100
    return step


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _in_ms(figure: Figure) -> dict[str, Any]:
    return {
        "count": figure.count,
        "median_ms": round(figure.median * 1000, 2),
        "p95_ms": round(figure.p95 * 1000, 2),
        "min_ms": round(figure.minimum * 1000, 2),
        "max_ms": round(figure.maximum * 1000, 2),
    }


def _milliseconds(figure: Figure) -> list[str]:
    return [f"{value * 1000:.1f}" for value in (figure.median, figure.p95, figure.minimum, figure.maximum)]
