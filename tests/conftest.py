"""Fixtures for all tests: an app on a data folder of its own, and a real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, settings
from sqlalchemy import URL, make_url

from chatter.app import create_app
from chatter.settings import Settings

# How long an example takes says more of the machine than of the code. CI runs the same examples each time:
# what is found at random is found by those who can mend it.
settings.register_profile(
    "chatter", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("chatter")

POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")

MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Make settings for a test; sections are dictionaries, for instance `rooms={"guests": False}`."""

    def make(**sections: Any) -> Settings:
        values: dict[str, Any] = {
            "data_dir": tmp_path / "data",
            "media": {"host": "127.0.0.1", "port": 0},
            **sections,
        }
        # The least that bcrypt takes: the tests are about everything else.
        values["auth"] = {"bcrypt_rounds": 4, **values.get("auth", {})}
        return Settings.model_validate(values)

    return make


@pytest.fixture
async def client(make_settings: MakeSettings) -> AsyncIterator[TestClient]:
    """A client of the whole app, on loopback."""
    async with TestClient(TestServer(create_app(make_settings()))) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of the tests' own; the base of its URL, which wants the name of a database."""
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    as_owner = (
        ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"] if owner else []
    )
    # Not below pytest's folder: only its owner may enter that one.
    folder = Path(tempfile.mkdtemp(prefix="chatter-postgres-"))
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data, port = folder / "data", free_port()

    def run(program: str, *arguments: str) -> None:
        command = [*as_owner, str(POSTGRES_BIN / program), *arguments]
        subprocess.run(command, cwd=folder, check=True, timeout=60, stdout=subprocess.DEVNULL)

    try:
        run(
            "initdb",
            "-D",
            str(data),
            "-U",
            "app",
            "--auth=trust",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--no-sync",
        )
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql://app@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
async def postgres_database(postgres_server: str) -> AsyncIterator[URL]:
    """The URL of an empty PostgreSQL database."""
    name = f"chatter_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(f"{postgres_server}/postgres")
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield make_url(f"{postgres_server}/{name}").set(drivername="postgresql+asyncpg")
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return URL.create("sqlite+aiosqlite", database=str(tmp_path / "chatter.db"))
    url = request.getfixturevalue("postgres_database")
    assert isinstance(url, URL)
    return url


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
