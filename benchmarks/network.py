"""`network`: calls of real browsers over bad networks, each beside the same call without what is to help."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

from playwright.async_api import Browser

from benchmarks.browser import PageFailed
from benchmarks.figures import percentile
from benchmarks.links.link import PERFECT, Conditions
from benchmarks.links.page import (
    WITHOUT_ADAPTATION,
    WITHOUT_REPAIR,
    Camera,
    Person,
    Snapshot,
    browser,
    person,
)
from benchmarks.links.pictures import frozen, longest_gap, reached
from benchmarks.links.relay import HOST, Relay
from benchmarks.plot import Plot
from benchmarks.report import Progress, Report, Table
from benchmarks.server import Server, free_port, serve
from bots.account import Account

SETTLE = 8.0
"""Seconds from the first picture until a window begins: estimates and jitter buffers have settled by then."""

ROUND_TRIP = 0.1
"""Seconds between each client and the server in the cases of loss."""

WIDE, NARROW = 4_000_000.0, 500_000.0
"""Bits per second of the downlink before and after it is cut."""

_SAMPLE = 0.1


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure is to reach."""

    name: str
    limit: float
    at_least: bool = False

    def met(self, value: float | None) -> bool:
        if value is None:
            return False
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(slots=True)
class Outcome:
    """What one call gave: figures by name, None where there was nothing to measure."""

    figures: dict[str, float | None]
    lines: dict[str, list[tuple[float | str, float]]] = field(default_factory=dict)


@dataclass(slots=True)
class Stage:
    """Where calls are made: one server, and browsers."""

    server: Server
    media: tuple[str, int]
    account: Account
    seed: int
    seconds: float
    browsers: dict[str, Browser] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def browser(self, name: str) -> Browser:
        if name not in self.browsers:
            self.browsers[name] = await self.stack.enter_async_context(browser(name))
        return self.browsers[name]

    @asynccontextmanager
    async def somebody(
        self,
        room: str,
        name: str,
        *,
        up: Conditions = PERFECT,
        down: Conditions = PERFECT,
        camera: Camera | None = None,
        strip: tuple[str, ...] = (),
        kind: str = "chromium",
    ) -> AsyncIterator[Person]:
        """Somebody who has joined the room behind a relay of theirs."""
        relay = await Relay.start(self.media, up, down, seed=self.seed)
        try:
            async with person(await self.browser(kind), relay, camera=camera, strip=strip) as joined:
                await joined.join(room, name)
                yield joined
        finally:
            relay.close()


async def lossy(stage: Stage, *, up: float, down: float, viewer: str, strip: tuple[str, ...]) -> Outcome:
    """One sends, one watches, and both paths lose."""
    room = await stage.account.create_room("sfu")
    half = ROUND_TRIP / 2
    rising, falling = Conditions(loss=up, delay=half), Conditions(loss=down, delay=half)
    async with (
        stage.somebody(room, "Sender", up=rising, down=falling, camera=Camera(), strip=strip) as sender,
        stage.somebody(room, "Viewer", up=rising, down=falling, strip=strip, kind=viewer) as watching,
    ):
        # Without repair a whole keyframe may never come.
        with suppress(PageFailed):
            await watching.sees(1)
        await asyncio.sleep(SETTLE)
        sent, seen = await sender.snapshot(), await watching.snapshot()
        await asyncio.sleep(stage.seconds)
        sent_after, seen_after = await sender.snapshot(), await watching.snapshot()
        pictures = next(iter((await watching.shown(seen.at)).values()), [])
    frames = _gained(sent, sent_after, lambda s: s.largest("framesSent", type="outbound-rtp"))
    decoded = _gained(seen, seen_after, lambda s: s.sum("framesDecoded"))
    samples = _gained(seen, seen_after, lambda s: s.sum("totalSamplesReceived", kind="audio"))
    concealed = _gained(seen, seen_after, lambda s: s.sum("concealedSamples", kind="audio"))
    return Outcome(
        {
            "frames decoded %": 100 * decoded / frames if frames else None,
            "freeze %": 100 * frozen(pictures, seen.at, seen_after.at),
            "audio concealed %": 100 * concealed / samples if samples else None,
        }
    )


async def narrowed(stage: Stage, *, strip: tuple[str, ...]) -> Outcome:
    """Four people; the downlink of one is cut and restored."""
    room = await stage.account.create_room("sfu")
    wide = Conditions(delay=0.02, rate=WIDE, queue=1.0)
    async with AsyncExitStack() as stack:
        for name in ("Ann", "Ben", "Cid"):
            await stack.enter_async_context(stage.somebody(room, name, camera=Camera(rate=15)))
        viewer = await stack.enter_async_context(stage.somebody(room, "Viewer", down=wide, strip=strip))
        await viewer.sees(3)
        await asyncio.sleep(2 * SETTLE)
        queue: list[tuple[float | str, float]] = []
        sampling = asyncio.create_task(_sample_queue(viewer.relay, queue))
        before = (await viewer.snapshot()).at
        await asyncio.sleep(3)
        cut = (await viewer.snapshot()).at
        viewer.relay.down.conditions = Conditions(delay=0.02, rate=NARROW, queue=1.0)
        await asyncio.sleep(15)
        restored = (await viewer.snapshot()).at
        viewer.relay.down.conditions = wide
        await asyncio.sleep(20)
        end = (await viewer.snapshot()).at
        sampling.cancel()
        shown = await viewer.shown(before)
    top = {client: max((w for at, w in times if at < cut), default=0) for client, times in shown.items()}
    playing = [times for times in shown.values() if any(cut + 5000 < at < restored for at, _ in times)]
    lower = [
        reached([p for p in shown[c] if p[0] < restored], cut, width - 1, at_most=True)
        for c, width in top.items()
    ]
    back = [reached(shown[client], restored, width, at_most=False) for client, width in top.items()]
    late = [at for at, delay in queue if isinstance(at, float) and 3 < at - 3 < 15 and delay > 0.15]
    return Outcome(
        {
            "seen at 500 kbit/s": float(len(playing)),
            "lower layers s": _latest(lower),
            "longest freeze ms": max((longest_gap(t, cut, restored) * 1000 for t in playing), default=None),
            "queue below 150 ms s": max(late, default=3.0) - 3.0,
            "top layers s": _latest(back),
        },
        {"queue ms": [(at, delay * 1000) for at, delay in queue]} | {"end s": [((end - before) / 1000, 0.0)]},
    )


async def moved(stage: Stage, *, viewer: str) -> Outcome:
    """The addresses of the viewer and then of the sender change in mid-call."""
    room = await stage.account.create_room("sfu")
    async with (
        stage.somebody(room, "Sender", camera=Camera()) as sender,
        stage.somebody(room, "Viewer", kind=viewer) as watching,
    ):
        await watching.sees(1)
        await asyncio.sleep(SETTLE / 2)
        figures: dict[str, float | None] = {}
        for name, who in (("viewer", watching), ("sender", sender)):
            start = (await watching.snapshot()).at
            await asyncio.sleep(1)
            who.relay.rebind()
            await asyncio.sleep(6)
            end = (await watching.snapshot()).at
            (pictures,) = (await watching.shown(start)).values()
            figures[f"{name} moved: gap ms"] = longest_gap(pictures, start, end) * 1000
    return Outcome(figures)


@dataclass(frozen=True, slots=True)
class Case:
    """A call, the same one without help where there is any to leave out, and what it is to reach."""

    title: str
    aims: tuple[Aim, ...]
    call: Callable[[Stage], Awaitable[Outcome]]
    without: Callable[[Stage], Awaitable[Outcome]] | None = None


def cases() -> dict[str, Case]:
    """By the names that `--case` takes."""
    found: dict[str, Case] = {}
    for viewer in ("chromium", "firefox"):
        found[f"loss5-{viewer}"] = Case(
            f"5 % loss both ways on both paths, RTT 100 ms, {viewer}",
            (Aim("frames decoded %", 98, at_least=True), Aim("freeze %", 1)),
            _lossy(0.05, 0.05, viewer, ()),
            _lossy(0.05, 0.05, viewer, WITHOUT_REPAIR),
        )
        found[f"loss15-{viewer}"] = Case(
            f"15 % loss down, RTT 100 ms, {viewer}",
            (Aim("audio concealed %", 3), Aim("freeze %", 5)),
            _lossy(0.0, 0.15, viewer, ()),
            _lossy(0.0, 0.15, viewer, WITHOUT_REPAIR),
        )
    found["narrow"] = Case(
        "downlink 4 Mbit/s cut to 500 kbit/s and restored, room of 4",
        (
            Aim("seen at 500 kbit/s", 1, at_least=True),
            Aim("lower layers s", 2),
            Aim("longest freeze ms", 500),
            Aim("queue below 150 ms s", 3),
            Aim("top layers s", 10),
        ),
        lambda stage: narrowed(stage, strip=()),
        lambda stage: narrowed(stage, strip=WITHOUT_ADAPTATION),
    )
    for viewer in ("chromium", "firefox"):
        found[f"moved-{viewer}"] = Case(
            f"address changes in mid-call, {viewer}",
            (Aim("viewer moved: gap ms", 1000), Aim("sender moved: gap ms", 1000)),
            lambda stage, viewer=viewer: moved(stage, viewer=viewer),  # type: ignore[misc]
        )
    return found


def _lossy(
    up: float, down: float, viewer: str, strip: tuple[str, ...]
) -> Callable[[Stage], Awaitable[Outcome]]:
    return lambda stage: lossy(stage, up=up, down=down, viewer=viewer, strip=strip)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `network`."""
    names = list(cases())
    parser.add_argument(
        "--case",
        action="append",
        choices=names,
        metavar="NAME",
        help=f"measure this one, may be repeated (default: all of {', '.join(names)})",
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of a window (default: 30)")
    parser.add_argument(
        "--repeat", type=int, default=1, help="calls of each kind; medians count (default: 1)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what the links lose (default: 1)")
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="make the same call without repair or adaptation, too",
    )


async def run(args: argparse.Namespace, progress: Progress) -> Report:
    """Measure. Raises ProcessFailed, PageFailed, BotError."""
    known = cases()
    chosen = {name: known[name] for name in args.case or known}
    report = Report("network", parameters={"seconds": args.seconds, "seed": args.seed, "repeat": args.repeat})
    port = free_port(socket.SOCK_DGRAM)
    async with serve({"MEDIA_PORT": str(port)}) as server, AsyncExitStack() as stack:
        account = await Account.register(server.url, f"bench{uuid4().hex[:12]}", uuid4().hex)
        stage = Stage(server, (HOST, port), account, args.seed, args.seconds, stack=stack)
        rows: list[list[str]] = []
        with progress.step("calls over bad networks", len(chosen) * args.repeat) as advance:
            for name, case in chosen.items():
                outcomes: list[Outcome] = []
                plain: list[Outcome] = []
                for number in range(args.repeat):
                    stage.seed = args.seed + number
                    outcomes.append(await case.call(stage))
                    if case.without is not None and args.compare:
                        plain.append(await case.without(stage))
                    advance()
                rows.extend(_tell(report, name, case, outcomes, plain))
    columns = ["case", "figure", "reach", "with", "without", ""]
    report.tables.append(Table("calls over bad networks", columns, rows))
    report.notes.append(
        "without: the same call with the same seed, but the clients offer no retransmission (loss) or no "
        "bandwidth feedback (narrow). Load average at the end: "
        + ", ".join(f"{load:.1f}" for load in os.getloadavg())
    )
    return report


def _tell(
    report: Report, name: str, case: Case, outcomes: Sequence[Outcome], plain: Sequence[Outcome]
) -> list[list[str]]:
    rows: list[list[str]] = []
    aims = {aim.name: aim for aim in case.aims}
    for figure in outcomes[0].figures:
        value, other = _middle(outcomes, figure), _middle(plain, figure)
        aim = aims.get(figure)
        reach = f"{'≥' if aim.at_least else '≤'} {aim.limit:g}" if aim else ""
        verdict = "" if aim is None else ("met" if aim.met(value) else "MISSED")
        rows.append([case.title if not rows else "", figure, reach, _text(value), _text(other), verdict])
        for kind, number in (("", value), ("_without", other)):
            if number is not None:
                report.line[f"{name}_{figure}{kind}".replace(" ", "_").replace("%", "percent")] = round(
                    number, 2
                )
    for kind, calls in (("with", outcomes), ("without", plain)):
        report.data[f"{name} {kind}"] = [call.figures | call.lines for call in calls]
        for call in calls[:1]:
            if "queue ms" in call.lines:
                title = f"{name}, {kind}: time in the queue"
                report.plots.append(Plot(title, "s", "ms", {"queue": call.lines["queue ms"]}))
    return rows


def _middle(outcomes: Sequence[Outcome], figure: str) -> float | None:
    values = [outcome.figures[figure] for outcome in outcomes]
    found = [value for value in values if value is not None]
    # One call in which it never came is no better than the others.
    return percentile(found, 50) if found and len(found) == len(values) else None


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _gained(before: Snapshot, after: Snapshot, figure: Callable[[Snapshot], float]) -> float:
    return figure(after) - figure(before)


def _latest(times: Sequence[float | None]) -> float | None:
    """The last of them; None where one never came."""
    found = [time for time in times if time is not None]
    return max(found) if found and len(found) == len(times) else None


async def _sample_queue(relay: Relay, queue: list[tuple[float | str, float]]) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    while True:
        now = loop.time()
        queue.append((now - start, relay.down.queue_delay(now)))
        await asyncio.sleep(_SAMPLE)
