"""A database that is full, and one that is silent: clear refusals, bounded waits, back to normal."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import event, make_url, text

from auth.database import Database, DatabaseUnavailableError
from chatter.app import DATABASE, create_app

PATIENCE = 5.0
LONG_ENOUGH = 60.0
LIMIT = 0.2


async def register(client, name):
    body = {"username": name, "password": "correct horse battery"}
    return await client.post("/auth/register", json=body, headers={"X-Device-ID": name})


async def test_a_full_disk_is_told_and_overcome(make_settings):
    """SQLite's own bound on pages stands for the disk: it fails with the same code, SQLITE_FULL."""
    async with TestClient(TestServer(create_app(make_settings()))) as client:
        engine = client.app[DATABASE].engine
        owner = await (await register(client, "owner")).json()
        headers = {"Authorization": f"Bearer {owner['token']}"}
        ws = await client.ws_connect("/ws/standup", params={"token": owner["token"]})
        assert (await ws.receive_json(timeout=PATIENCE))["type"] == "welcome"

        @event.listens_for(engine.sync_engine, "checkout")
        def fill(connection, _record, _proxy):
            cursor = connection.cursor()
            cursor.execute("PRAGMA max_page_count = 1")
            cursor.close()

        kept, refused = [], None
        for number in range(2000):
            answer = await register(client, f"person-{number}")
            if answer.status != 200:
                refused = answer
                break
            kept.append(f"person-{number}")
        assert refused is not None
        assert (refused.status, (await refused.json())["code"]) == (507, "database_full")
        assert refused.content_type == "application/problem+json"
        assert int(refused.headers["Retry-After"]) > 0
        # What is there can be read, and the call goes on.
        assert (await client.get("/auth/account", headers=headers)).status == 200
        await ws.send_json({"type": "chat", "text": "still here"})
        async with asyncio.timeout(PATIENCE):
            while (await ws.receive_json())["type"] != "chat":
                pass

        event.remove(engine.sync_engine, "checkout", fill)
        await engine.dispose()
        assert (await register(client, "late")).status == 200
        for name in ("owner", *kept[-3:]):
            body = {"username": name, "password": "correct horse battery"}
            answer = await client.post("/auth/login", json=body, headers={"X-Device-ID": "other"})
            assert answer.status == 200


@pytest.fixture
async def silent():
    """The port of a server that takes connections and never says a word."""

    async def say_nothing(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_waiting_for_a_silent_database_is_bounded(silent):
    database = Database(make_url(f"postgresql+asyncpg://app@127.0.0.1:{silent}/chatter"))
    try:
        async with asyncio.timeout(LONG_ENOUGH):
            with pytest.raises(DatabaseUnavailableError):
                async with database.transaction(LIMIT) as session:
                    await session.execute(text("SELECT 1"))
    finally:
        await database.close()
