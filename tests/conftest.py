"""Fixtures for all tests: an app on a data folder of its own, and a real PostgreSQL."""

from __future__ import annotations

import os
import secrets
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
from tests.postgres import Postgres

# How long an example takes says more of the machine than of the code. CI runs the same examples each time:
# what is found at random is found by those who can mend it.
settings.register_profile(
    "chatter", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("chatter")

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
    server = Postgres()
    try:
        server.create()
        server.start()
        try:
            yield server.url
        finally:
            server.stop()
    finally:
        server.remove()


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
