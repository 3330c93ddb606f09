"""The server dies and comes back: people who stay on the page see each other again without a click."""

from __future__ import annotations

import asyncio
import secrets
import time

import pytest
from playwright.async_api import Browser, expect

from bots.account import Account
from tests.system.conditions import until
from tests.system.conftest import Arrive, Figure, StartServer
from tests.system.senses import decodes_everybody

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = "correct horse"
BACK_LIMIT = 30.0
"""Seconds from the server's start until everybody sees everybody; the pages wait longer from try to try."""


@pytest.mark.parametrize("mode", ["p2p", "sfu"])
async def test_a_call_goes_on_after_the_server_was_killed_and_started_again(
    mode: str, start_server: StartServer, arrive: Arrive, chromium: Browser, figure: Figure
) -> None:
    server = await start_server(ROOMS_MODE=mode)
    username = f"ann-{secrets.token_hex(4)}"
    room_url = await (await Account.register(server.url, username, PASSWORD)).create_room(mode)
    ann, gus = await arrive(chromium, "Ann"), await arrive(chromium, "Gus")
    await ann.page.goto(f"{server.url}/signin")
    await ann.page.get_by_test_id("signin-username").fill(username)
    await ann.page.get_by_test_id("signin-password").fill(PASSWORD)
    await ann.page.get_by_test_id("signin-submit").click()
    await expect(ann.page.get_by_test_id("create-room")).to_be_visible()
    ids = [await person.join(room_url) for person in (ann, gus)]
    await asyncio.gather(decodes_everybody(ann, {ids[1]}), decodes_everybody(gus, {ids[0]}))

    await server.kill()
    for person in (ann, gus):
        await expect(person.page.get_by_test_id("connection-banner")).to_be_visible()
    await ann.photograph(f"server-gone-{mode}")
    await server.start()
    began = time.monotonic()

    async def flows() -> bool:
        now = [await person.client_id() for person in (ann, gus)]
        if set(now) & set(ids):
            return False
        seen = [await ann.figure("framesDecoded", "camera"), await gus.figure("framesDecoded", "camera")]
        return seen[0].get(now[1], 0) > 0 and seen[1].get(now[0], 0) > 0

    await until(flows, "both see each other again", limit=BACK_LIMIT)
    figure(f"media flows {time.monotonic() - began:.1f} s after a restart of the server ({mode})")
    ids = [await person.client_id() for person in (ann, gus)]
    await asyncio.gather(decodes_everybody(ann, {ids[1]}), decodes_everybody(gus, {ids[0]}))
    for person in (ann, gus):
        await expect(person.page.get_by_test_id("connection-banner")).to_be_hidden()
        await person.see_names(["Ann", "Gus"])
