"""Who leaves, however that happens, leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Playwright

import bots
from bots import media
from bots.account import Account
from tests.system.browser import Person, launch_chromium
from tests.system.conditions import until, until_equal
from tests.system.conftest import Figure, StartServer
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

JOINS = 200
AT_ONCE = 8

GROWTH_PER_JOIN = 16_384
"""Bytes of resident memory that a join may leave: nothing is kept, but the allocator's heap settles."""

RESUME_GRACE = 4.0
"""Seconds for which a client whose connection broke may come back; the default is longer."""

RESUME_LIMIT = RESUME_GRACE + 8.0
"""Seconds until it must be gone."""

SILENCE_LIMIT = 15.0 + RESUME_LIMIT
"""Likewise for one whose packets stop: the server asks after 10 s and waits 5 s for an answer."""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def own_server(start_server: StartServer) -> Server:
    """A server that only these tests use."""
    return await start_server(ROOMS_RESUME_GRACE=f"{RESUME_GRACE:g}s")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def owner(own_server: Server) -> Account:
    return await Account.register(own_server.url, f"owner-{secrets.token_hex(4)}", "correct horse")


async def join_and_leave(room_url: str) -> None:
    """Go through signaling, ICE and DTLS, say goodbye."""
    publish = {"microphone": media.tone()}
    async with bots.Room.join(room_url, display_name="Fly", publish=publish, receive=("audio",)) as room:
        await until(lambda: _is_connected(room), "the bot's media is connected", limit=20, poll=0.01)


async def _is_connected(room: bots.Room) -> bool:
    return room.milestones.connected is not None


async def footprint(server: Server) -> dict[str, float]:
    """What a leak would show in, besides memory."""
    metrics = await server.metrics()
    threads = len(os.listdir(f"/proc/{server.pid}/task"))
    return {
        "threads": threads,
        "tasks": metrics["chatter_tasks"],
        "descriptors": metrics["process_open_fds"],
    }


async def test_two_hundred_joins_and_leaves_leave_nothing(
    own_server: Server, owner: Account, figure: Figure
) -> None:
    rooms = [await owner.create_room("sfu") for _ in range(4)]

    async def joins(count: int) -> None:
        for _ in range(count // AT_ONCE):
            await asyncio.gather(*(join_and_leave(rooms[i % len(rooms)]) for i in range(AT_ONCE)))
        await until_equal(own_server.held, {}, "nothing is held", limit=5)

    async def memory() -> float:
        return (await own_server.metrics())["process_resident_memory_bytes"]

    # First what is made once: pools, caches, the interpreter's own.
    await joins(5 * AT_ONCE)
    before, began = await footprint(own_server), await memory()
    await joins(JOINS)
    growth = (await memory() - began) / JOINS
    figure(f"{JOINS} joins and leaves: {growth / 1024:+.1f} KiB of resident memory per join")
    assert growth < GROWTH_PER_JOIN

    async def more() -> dict[str, tuple[float, float]]:
        """What there is more of than before; a task of the moment may have been counted then."""
        after = await footprint(own_server)
        return {name: (before[name], value) for name, value in after.items() if value > before[name]}

    await until_equal(more, {}, "no thread, task or descriptor more", limit=5)
    metrics = await own_server.metrics()
    assert metrics["chatter_joins_total"] == metrics["chatter_leaves_total"] == JOINS + 5 * AT_ONCE


async def test_one_port_serves_everybody(own_server: Server, owner: Account) -> None:
    room_url = await owner.create_room("sfu")
    server = psutil.Process(own_server.pid)
    async with asyncio.TaskGroup() as group:
        done = asyncio.Event()

        async def stay() -> None:
            publish = {"microphone": media.tone()}
            async with bots.Room.join(room_url, publish=publish, receive=("audio",)) as room:
                await until(lambda: _is_connected(room), "the bot's media is connected", limit=20)
                await done.wait()

        for _ in range(AT_ONCE):
            group.create_task(stay())

        async def connected() -> bool:
            return (await own_server.held()).get("chatter_media_held:addresses", 0) >= AT_ONCE

        await until(connected, "all are connected", limit=20)
        # Each thread of the media plane has a socket on it.
        ports = {connection.laddr.port for connection in server.net_connections(kind="udp")}
        listening = {
            connection.laddr.port
            for connection in server.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        done.set()
    assert ports == {own_server.media_port}
    # HTTP, and media for those whose network lets no UDP out, on the number that it has there.
    assert listening == {int(own_server.url.rpartition(":")[2]), own_server.media_port}


@asynccontextmanager
async def bot_process(room_url: str, name: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`chatter bot` in a process of its own, with a small picture and a tone."""
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "chatter.cli", "bot", room_url, "--size", "160x90@10", "--name", name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def browser_process(marker: str) -> psutil.Process:
    """The main process of the browser that was started with an argument."""
    (found,) = (
        process
        for process in psutil.process_iter(["cmdline"])
        if marker in (arguments := process.info["cmdline"] or [])
        and not any(argument.startswith("--type=") for argument in arguments)
    )
    return found


async def test_whoever_is_cut_off_is_gone_for_everybody(
    own_server: Server, owner: Account, playwright: Playwright, tmp_path: Path, figure: Figure
) -> None:
    room_url = await owner.create_room("sfu")
    loop = asyncio.get_running_loop()
    marker = f"--chatter-test={secrets.token_hex(8)}"
    browser = await launch_chromium(playwright, marker)
    try:
        async with (
            # It only looks: four pictures on few processors are enough.
            bots.Room.join(room_url, display_name="Watcher") as watcher,
            bot_process(room_url, "Frozen", tmp_path) as frozen,
            bot_process(room_url, "Killed", tmp_path) as killed,
        ):

            async def present() -> set[str]:
                return {participant.display_name for participant in watcher.participants}

            async def shown() -> set[str]:
                moving = (track for track in watcher.tracks if track.kind == "video" and track.received)
                return {watcher.name_of(track.client_id) for track in moving}

            tab, window = await Person.arrive(browser, "Tab"), await Person.arrive(browser, "Window")
            await tab.join(room_url)
            await window.join(room_url)
            others = {"Frozen", "Killed", "Tab", "Window"}
            await until_equal(present, {"Watcher", *others}, "all are there", limit=20)
            await until_equal(shown, others, "all are seen", limit=20)

            frozen.send_signal(signal.SIGSTOP)
            frozen_at = loop.time()
            await tab.page.close()
            await until_equal(present, {"Watcher", *others - {"Tab"}}, "the closed tab is gone")
            killed.kill()
            main = browser_process(marker)
            for process in [main, *main.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):  # the closed tab's renderer ends by itself
                    process.kill()
            await until_equal(present, {"Watcher", "Frozen"}, "the killed are gone", limit=RESUME_LIMIT)
            await until_equal(present, {"Watcher"}, "who stopped answering is gone", limit=SILENCE_LIMIT)
            figure(f"a client that answers no more is gone after {loop.time() - frozen_at:.1f} s")
            assert [track for track in watcher.tracks if not track.ended] == []
            held = await own_server.held()
            assert (held["chatter_participants"], held["chatter_media_held:connections"]) == (1, 1)
    finally:
        await browser.close()
    await until_equal(own_server.held, {}, "nothing is held", limit=5)
    assert own_server.complaints == []
