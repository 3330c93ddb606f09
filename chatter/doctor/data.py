"""What must last: the database and the data folder."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from auth.database import create_engine
from chatter.database_url import DATABASE_ERRORS, unusable
from chatter.doctor.finding import Finding, fault, ok, warning
from chatter.settings import Settings
from migrations.runner import Migrations, UnknownVersionError

DATABASE, FOLDER, CLOCK = "database", "data folder", "clock"

MIN_FREE = 500 * 1024 * 1024
"""Bytes on the disk below which it is soon full."""

MAX_SKEW = 5.0
"""Seconds between our clock and another's: tokens and TURN credentials are compared with it."""


async def examine(settings: Settings) -> list[Finding]:
    """Look at the database without changing it, and at the folder of an embedded one."""
    url = settings.database_url
    if settings.is_embedded:
        found = [folder(settings.data_dir)]
        if not Path(url.database or "").exists():  # noqa: ASYNC240 - nobody else is served
            return [*found, ok(DATABASE, "There is none yet; `chatter serve` will make it.")]
    else:
        found = []
    engine = create_engine(url)
    try:
        pending = [step.revision for step in await Migrations(engine).status() if not step.applied]
        if not settings.is_embedded:
            async with engine.connect() as connection:
                theirs = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
            found.append(skew(theirs, time.time()))
    except UnknownVersionError as exc:
        return [
            *found,
            fault(DATABASE, str(exc), "Run the version of Chatter that made this database, or newer."),
        ]
    except DATABASE_ERRORS as exc:
        return [
            *found,
            fault(
                DATABASE, str(unusable(url, exc)), "Start it, or mend DATABASE_URL or the POSTGRES_ settings."
            ),
        ]
    finally:
        await engine.dispose()
    return [
        *found,
        migrated(pending, url.render_as_string(hide_password=True), embedded=settings.is_embedded),
    ]


def migrated(pending: list[str], shown: str, *, embedded: bool) -> Finding:
    """Say whether the schema is the one of this version."""
    if not pending:
        return ok(DATABASE, f"{shown} is there and up to date.")
    versions = ", ".join(pending)
    if embedded:
        return ok(DATABASE, f"{shown} lacks {versions}, which `chatter serve` adds when it starts.")
    return fault(DATABASE, f"{shown} lacks the versions {versions}.", "Run `chatter migrate up`.")


def skew(theirs: datetime, ours: float) -> Finding:
    """Compare our clock (seconds since the epoch) with the database's."""
    apart = abs(ours - theirs.astimezone(UTC).timestamp())
    if apart <= MAX_SKEW:
        return ok(CLOCK, "It agrees with the database's.")
    return fault(
        CLOCK,
        f"It is {apart:.0f} s apart from the database's.",
        "Run a time service (systemd-timesyncd, chrony) on both machines.",
    )


def folder(path: Path) -> Finding:
    """Say whether the folder can be written and has room."""
    existing = next(each for each in (path, *path.absolute().parents) if each.exists())
    try:
        probe = existing / f".chatter-doctor-{time.time_ns()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return fault(
            FOLDER,
            f'"{path}" cannot be written: {error.strerror}.',
            "Give it to the user that runs Chatter, or choose another DATA_DIR.",
        )
    free = shutil.disk_usage(existing).free
    if free < MIN_FREE:
        return warning(
            FOLDER,
            f'"{path}" has {free // 1024 // 1024} MiB left.',
            "Make room: a full disk ends sign-ins and chat, not running calls.",
        )
    return ok(FOLDER, f'"{path}" can be written and has {free / 1024**3:.1f} GiB left.')
