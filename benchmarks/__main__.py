"""`python -m benchmarks <name>`: measure, and print what was found."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import join
from benchmarks.browser import PageFailed
from benchmarks.light import JoinFailed
from benchmarks.report import Progress, save, show
from benchmarks.server import ProcessFailed
from bots.errors import BotError

FAILED = 1

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
    for command in commands.choices.values():
        command.add_argument(
            "--json", metavar="FILE", type=Path, help="write everything that was measured there"
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 1 when something could not be measured."""
    args = make_parser().parse_args(argv)
    logging.getLogger("aiortc").setLevel(logging.ERROR)
    console = Console()
    try:
        report = asyncio.run(args.run(args, Progress(Console(stderr=True))))
        show(report, console)
        if args.json is not None:
            save(report, args.json)
    except (BotError, JoinFailed, PageFailed, ProcessFailed, OSError, TimeoutError) as error:
        print(f"benchmarks: {error or type(error).__name__}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
