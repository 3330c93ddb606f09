"""`python -m benchmarks <name>`: measure, and print what was found."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from aiohttp import ClientError
from rich.console import Console

from benchmarks import join, network, peers, plane, room, stall, watched
from benchmarks.browser import PageFailed
from benchmarks.clients.endpoint import ConnectFailed
from benchmarks.clients.load import BuildFailed
from benchmarks.light import JoinFailed
from benchmarks.plot import draw
from benchmarks.report import Progress, save, show
from benchmarks.server import ProcessFailed
from bots.errors import BotError

FAILED = 1
FAILURES = (
    BotError,
    ClientError,
    BuildFailed,
    ConnectFailed,
    JoinFailed,
    PageFailed,
    ProcessFailed,
    OSError,
    TimeoutError,
)
"""What is said in a sentence; anything else is a defect of the benchmark."""

_EXAMPLES = """\
examples:
  python -m benchmarks join
  python -m benchmarks join --no-browser --joins 50 --json join.json
  python -m benchmarks join --url http://127.0.0.1:8080 --no-rate
"""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Chatter.")
    commands = parser.add_subparsers(title="benchmarks", metavar="<benchmark>", required=True)
    joining = commands.add_parser(
        "join",
        help="time to the first frame, and joins per second",
        description=(
            "Measure the time from WebSocket connect to the first decoded frame, for a bot and for Chromium, "
            "in a room where somebody sends; then raise the rate of joins until the p95 of the time to the "
            "first packet doubles."
        ),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    join.add_arguments(joining)
    joining.set_defaults(run=join.run)
    forwarding = commands.add_parser(
        "plane",
        help="CPU per forwarded packet on both planes, and the floor under them",
        description=(
            "Measure the CPU per forwarded packet of the reference plane and the compiled one by fan-out, "
            "SRTP profile, packet size and burst, and beside them the floor: protecting and sending the same "
            "packets and nothing else."
        ),
    )
    plane.add_arguments(forwarding)
    forwarding.set_defaults(run=plane.run)
    loading = commands.add_parser(
        "room",
        help="server CPU, loss, latency and memory under load, and the capacity of a core",
        description=(
            "Let clients with real ICE, DTLS and SRTP join a server as a broadcast, as a meeting and as many "
            "meetings; measure its CPU per forwarded packet, loss, one-way latency and memory per "
            "participant; and raise the load until loss is above 0.1 % or the p99 latency above 20 ms."
        ),
    )
    room.add_arguments(loading)
    loading.set_defaults(run=room.run)
    blocking = commands.add_parser(
        "stall",
        help="whether media waits for Python",
        description=(
            "Measure the one-way latency of every forwarded packet of a broadcast while the server's event "
            "loop is free, while it is blocked again and again, and while others join."
        ),
    )
    stall.add_arguments(blocking)
    blocking.set_defaults(run=stall.run)
    watching = commands.add_parser(
        "watched",
        help="what metrics, traces, logs and the operators' page cost",
        description=(
            "Measure the CPU per forwarded packet of a broadcast, in turn on a server with everything on "
            "(metrics that are scraped, traces that are collected, logs) and on one with everything off."
        ),
    )
    watched.add_arguments(watching)
    watching.set_defaults(run=watched.run)
    comparing = commands.add_parser(
        "peers",
        help="server CPU, loss and latency beside other servers under the same load",
        description=(
            "Run Chatter and Janus (Debian's package), let the same clients join both, and measure them in "
            "turn: server CPU per forwarded packet, loss, one-way latency, and the ratios."
        ),
    )
    peers.add_arguments(comparing)
    comparing.set_defaults(run=peers.run)
    surviving = commands.add_parser(
        "network",
        help="calls of real browsers over links that lose, narrow and change",
        description=(
            "Let Chromium and Firefox call each other by way of the server over links that lose, delay, "
            "queue and change their address; measure decoded frames, freezes, concealed sound and time to "
            "adapt, beside the same calls without repair or adaptation."
        ),
    )
    network.add_arguments(surviving)
    surviving.set_defaults(run=network.run)
    for command in commands.choices.values():
        command.add_argument(
            "--json", metavar="FILE", type=Path, help="write everything that was measured there"
        )
        command.add_argument("--plot", metavar="FILE", type=Path, help="draw what was measured there, as PNG")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 1 when something could not be measured."""
    args = make_parser().parse_args(argv)
    logging.getLogger("aiortc").setLevel(logging.ERROR)
    # Tables are wide; a file or pipe takes any width.
    console = Console() if sys.stdout.isatty() else Console(width=150)
    try:
        report = asyncio.run(args.run(args, Progress(Console(stderr=True))))
        show(report, console)
        if args.json is not None:
            save(report, args.json)
        if args.plot is not None and report.plots:
            draw(report.plots, args.plot)
    except ExceptionGroup as group:
        # Many clients join at once; what one of them met says enough.
        failures, others = group.split(FAILURES)
        if failures is None or others is not None:
            raise
        return _failed(next(_leaves(failures)))
    except FAILURES as error:
        return _failed(error)
    except KeyboardInterrupt:
        return FAILED
    return 0


def _failed(error: Exception) -> int:
    print(f"benchmarks: {error or type(error).__name__}", file=sys.stderr)
    return FAILED


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
