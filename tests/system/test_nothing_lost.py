"""The server is killed, or its database goes away: what was acknowledged is there, and calls go on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from sqlalchemy import URL, make_url

import bots
from auth.database import Database
from bots import media
from bots.account import Account
from bots.errors import SignInFailed
from migrations.runner import Migrations
from tests.postgres import Postgres
from tests.system.conditions import until
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = "correct horse"
SECRET = "0123456789abcdef0123456789abcdef"
ENOUGH = 6
"""Accounts and rooms that each writer has before the server is killed."""
WRITERS = 3
BACK_LIMIT = 60.0


async def settings_for(url: URL) -> dict[str, str]:
    """The settings of a server on this database, which gets all its tables."""
    settings = {"AUTH_REGISTRATIONS": "0"}
    if url.get_backend_name() == "sqlite":
        return settings
    database = Database(url)
    await Migrations(database.engine).up()
    await database.close()
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return {**settings, "DATABASE_URL": plain, "AUTH_SECRET": SECRET}


async def test_what_was_acknowledged_outlives_a_kill(database_url: URL, tmp_path: Path) -> None:
    server = Server(tmp_path / "server", await settings_for(database_url))
    await server.start()
    kept: list[tuple[str, str]] = []

    async def write() -> None:
        while True:
            username = f"ann-{secrets.token_hex(4)}"
            try:
                account = await Account.register(server.url, username, PASSWORD)
                room_url = await account.create_room("p2p")
            except SignInFailed:
                # Nothing was promised.
                return
            kept.append((username, room_url.rpartition("/")[2]))

    async def enough() -> bool:
        return len(kept) >= ENOUGH * WRITERS

    try:
        writers = [asyncio.create_task(write()) for _ in range(WRITERS)]
        await until(enough, "enough is written", limit=BACK_LIMIT)
        await server.kill()
        await asyncio.gather(*writers)
        await server.start()
        for username, room_id in kept:
            account = await Account.login(server.url, username, PASSWORD)
            headers = {"Authorization": f"Bearer {account.token}"}
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{server.url}/rooms/{room_id}", headers=headers) as reply,
            ):
                assert (reply.status, (await reply.json())["role"]) == (200, "owner")
    finally:
        await server.stop()
    assert server.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def postgres() -> AsyncIterator[Postgres]:
    """One that may be restarted: nobody else uses it."""
    server = Postgres()
    try:
        await asyncio.to_thread(server.create)
        await asyncio.to_thread(server.start)
        yield server
        await asyncio.to_thread(server.stop)
    finally:
        server.remove()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_call_goes_on_while_the_database_restarts(
    mode: str, postgres: Postgres, tmp_path: Path
) -> None:
    url = make_url(f"{postgres.url}/postgres").set(drivername="postgresql+asyncpg")
    server = Server(tmp_path / "server", await settings_for(url))
    await server.start()
    try:
        host = await Account.register(server.url, "host", PASSWORD)
        headers = {"Authorization": f"Bearer {host.token}"}
        room_url = await host.create_room("sfu")
        async with (
            aiohttp.ClientSession(server.url, headers=headers) as http,
            bots.Room.join(room_url, display_name="Ann", publish={"microphone": media.tone()}) as ann,
            bots.Room.join(room_url, display_name="Ben", receive=("audio",)) as ben,
        ):
            track = await ben.wait_for_track("audio", timeout=BACK_LIMIT)
            await track.started(timeout=BACK_LIMIT)
            await ann.chat("before")
            await asyncio.to_thread(postgres.stop, mode)
            for method, path in (("GET", "/rooms"), ("POST", "/rooms"), ("GET", "/auth/sessions")):
                async with http.request(method, path) as reply:
                    problem = await reply.json(content_type="application/problem+json")
                    assert (reply.status, problem["code"]) == (503, "database_unavailable")
                    assert int(reply.headers["Retry-After"]) > 0
            heard = 0
            async for _ in track.frames(timeout=BACK_LIMIT):
                heard += 1
                # A second of sound, all of it sent and heard while there is no database.
                if heard == 50:
                    break
            await ann.chat("meanwhile")
            await asyncio.to_thread(postgres.start)

            async def works() -> bool:
                async with http.post("/rooms") as reply:
                    return reply.status == 200

            await until(works, "rooms can be made again", limit=BACK_LIMIT)
            assert (await ben.chat("after")).text == "after"
            assert (ann.resumed, ben.resumed) == (0, 0)

            async def written() -> bool:
                return not (await server.metrics())["chatter_room_events_waiting"]

            await until(written, "what was said is written", limit=BACK_LIMIT)
        # The room is read from the database by a new server.
        assert await server.stop() == 0
        await server.start()
        room_id = room_url.rpartition("/")[2]
        query = {"token": host.token}
        async with (
            aiohttp.ClientSession(server.url) as http,
            http.ws_connect(f"/ws/{room_id}", params=query) as ws,
        ):
            welcome = await ws.receive_json(timeout=BACK_LIMIT)
        assert [said["text"] for said in welcome["chat"]] == ["before", "meanwhile", "after"]
    finally:
        await server.stop()
