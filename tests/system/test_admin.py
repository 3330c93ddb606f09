"""The page of operators in a real browser, while bots are in a call."""

from __future__ import annotations

import asyncio

import psutil
import pytest
from playwright.async_api import Browser, expect

import bots
from bots.account import Account
from tests.system.conditions import until
from tests.system.conftest import Arrive, StartServer
from tests.system.senses import robot

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = "correct horse"


async def test_an_operator_sees_a_call_and_ends_somebodys_part(
    start_server: StartServer, arrive: Arrive, chromium: Browser
) -> None:
    before = await start_server(METRICS_INTERVAL="1s")
    await Account.register(before.url, "olga", PASSWORD)
    await before.stop()
    server = await start_server(
        METRICS_INTERVAL="1s", ADMIN_OPERATORS="olga", DATA_DIR=str(before.folder / "data")
    )
    host = await Account.login(server.url, "olga", PASSWORD)
    room_url = await host.create_room("sfu")
    olga = await arrive(chromium, "olga")
    page = olga.page
    await page.set_viewport_size({"width": 1280, "height": 900})
    async with robot(room_url, "Ann"), robot(room_url, "Ben") as ben:
        await page.goto(f"{server.url}/admin")
        # Nobody is signed in: there, and back again.
        await page.get_by_test_id("signin-username").fill("olga")
        await page.get_by_test_id("signin-password").fill(PASSWORD)
        await page.get_by_test_id("signin-submit").click()
        await expect(page.get_by_test_id("admin-live")).to_have_attribute("data-state", "live")
        await expect(page.get_by_test_id("admin-room")).to_have_count(1)
        people = page.get_by_test_id("admin-person")
        await expect(people).to_have_count(2)
        await expect(page.get_by_text("Ann’s camera")).to_be_visible()
        await expect(page.get_by_test_id("admin-join").filter(has_text="first frame sent")).not_to_have_count(
            0
        )
        await olga.photograph("admin")

        await page.get_by_test_id("log-level").select_option("debug")
        await until(lambda: logged(server.log, "An operator changed the log level"), "the level is changed")

        await people.filter(has=page.locator("strong", has_text="Ben")).get_by_test_id("remove").click()
        await page.get_by_test_id("confirm").click()
        with pytest.raises(bots.RoomLeft, match="removed you") as left:
            await asyncio.wait_for(until_the_end(ben), 10)
        assert left.value.code == 4413
        # Without a reload.
        await expect(people).to_have_count(1)

        await page.get_by_test_id("drain").click()
        await page.get_by_test_id("confirm").click()
        await expect(page.get_by_text("This server ends when the last call is over")).to_be_visible()
    # Ann was the last one.
    await until(lambda: ended(server.pid), "the server has ended", limit=20)


async def until_the_end(room: bots.Room) -> None:
    async for _ in room.events():
        pass


async def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def logged(log: str, message: str) -> bool:
    return message in log
