"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from yarl import URL

from auth.database import create_engine
from chatter.data import DataFolder
from chatter.database_url import DATABASE_ERRORS, unusable
from chatter.errors import SettingsError, StartError
from chatter.loader import DEFAULT_CONFIG_PATH, Override, load_settings
from chatter.settings import Settings
from chatter.version import version
from migrations.runner import Migrations, UnknownVersionError
from observability.logs import configure_logging

FAILED = 1
# As argparse does for a wrong command line.
BAD_SETTING = 2

EXAMPLES = f"""\
examples:
  chatter serve                               start on http://localhost:8080 with an embedded database
  chatter serve --addr 127.0.0.1:9000         listen elsewhere
  MEDIA_ANNOUNCED_ADDRESSES=203.0.113.5 chatter serve
                                              behind NAT: tell clients the address that they reach
  DATABASE_URL=postgresql://me:secret@db/chatter chatter migrate up
                                              prepare a PostgreSQL database
  chatter doctor                              say why a call may not work, and what to change
  chatter bot --help                          play a file into a room, or record one

Settings come from the YAML file at CONFIG_PATH ({DEFAULT_CONFIG_PATH}) and from environment variables, which
go before the file; config/config.example.yaml lists all of them.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Return 0, 1 (it failed) or 2 (a setting or option is wrong)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = make_parser(with_bot=arguments[:1] == ["bot"]).parse_args(arguments)
    try:
        code: int = args.run(args)
    except SettingsError as exc:
        print(f"chatter: {exc}", file=sys.stderr)
        return BAD_SETTING
    except StartError as exc:
        print(f"chatter: {exc}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return code


def make_parser(with_bot: bool = False) -> argparse.ArgumentParser:
    """Return the parser. The bot's libraries are slow to load, so its options come only `with_bot`."""
    parser = argparse.ArgumentParser(
        prog="chatter",
        description="Video conferencing: accounts, rooms, chat, and a media server.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"chatter {version()}")
    commands = parser.add_subparsers(title="commands", metavar="<command>", required=True)

    serving = commands.add_parser(
        "serve",
        help="start the server",
        description="Start the server. SIGINT (Ctrl-C) and SIGTERM stop it.",
        epilog="examples:\n  chatter serve\n  chatter serve --addr :9000 --media-port 10001\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serving.add_argument("--addr", metavar="HOST:PORT", help="where to listen (SERVER_ADDR; default :8080)")
    serving.add_argument(
        "--media-port", metavar="PORT", help="UDP port of all media (MEDIA_PORT; default 10000)"
    )
    serving.set_defaults(run=run_serve)

    migrating = commands.add_parser(
        "migrate",
        help="change the database's schema",
        description="Change the database's schema. `chatter serve` keeps an embedded one up to date.",
        epilog="examples:\n  chatter migrate status\n  chatter migrate up\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    migrating.add_argument(
        "step",
        choices=("up", "down", "status"),
        help="up: apply all pending versions; down: roll the last one back; status: list them",
    )
    migrating.set_defaults(run=run_migrate)

    doctoring = commands.add_parser(
        "doctor",
        help="look at a server and say what to change",
        description=(
            "Look at the port, the announced address, STUN, TURN, the database, the clock, the certificate "
            "and the limits of this machine, with the settings that `chatter serve` would use, and print for "
            "each fault what to change. It changes nothing. Exits with 1 where something has to be mended."
        ),
        epilog="examples:\n  chatter doctor\n  chatter doctor --url https://chat.example.com\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctoring.add_argument("--url", type=_url, help="where browsers find the server, with its proxy")
    doctoring.set_defaults(run=run_doctor)

    bot = commands.add_parser("bot", help="join a room without a browser: play a file, or record")
    if with_bot:
        bots_cli = importlib.import_module("bots.cli")
        bots_cli.add_arguments(bot)
        bot.set_defaults(run=bots_cli.run)
    return parser


def run_doctor(args: argparse.Namespace) -> int:
    """Look at everything and print what was found. Return 1 where something has to be mended."""
    # The commands are slow to load, each in its own way: a bot waits for none of the others.
    from chatter.doctor.examine import examine
    from chatter.doctor.finding import lines, summary

    settings = _settings(os.environ)
    findings = asyncio.run(examine(settings, args.url))
    for line in lines(findings):
        print(line)
    print(summary(findings))
    return FAILED if any(finding.level == "fault" for finding in findings) else 0


def run_serve(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from chatter.server import serve

    overrides = []
    if args.addr is not None:
        overrides.append(Override("--addr", ("server", "addr"), args.addr))
    if args.media_port is not None:
        overrides.append(Override("--media-port", ("media", "port"), args.media_port))
    settings = _settings(os.environ, overrides)
    asyncio.run(serve(settings))
    return 0


def run_migrate(args: argparse.Namespace) -> int:
    """Move the schema, and print what was done."""
    settings = _settings(os.environ)
    if settings.is_embedded:
        DataFolder(settings.data_dir).prepare()
    for line in asyncio.run(migrate(settings, args.step)):
        print(line)
    return 0


async def migrate(settings: Settings, step: str) -> list[str]:
    """Do one step of `up`, `down` or `status`, and return the lines to print. Raise StartError."""
    url = settings.database_url
    engine = create_engine(url)
    try:
        migrations = Migrations(engine)
        if step == "up":
            done = [f"{version.revision} applied: {version.description}" for version in await migrations.up()]
            return done or ["The database is up to date."]
        if step == "down":
            undone = await migrations.down()
            if undone is None:
                return ["There is nothing to roll back."]
            return [f"{undone.revision} rolled back: {undone.description}"]
        return [
            f"{version.revision} {'applied' if version.applied else 'pending'}  {version.description}"
            for version in await migrations.status()
        ]
    except UnknownVersionError as exc:
        raise StartError(str(exc)) from None
    except DATABASE_ERRORS as exc:
        raise unusable(url, exc) from None
    finally:
        await engine.dispose()


def _url(text: str) -> str:
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise argparse.ArgumentTypeError(f"{text!r} should be a URL such as https://chat.example.com")
    return text


def _settings(environ: Mapping[str, str], overrides: Sequence[Override] = ()) -> Settings:
    settings = load_settings(environ, overrides)
    configure_logging(settings.log.level, settings.log.format, sys.stderr)
    return settings


if __name__ == "__main__":
    sys.exit(main())
