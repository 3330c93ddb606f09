"""What somebody new does, from the first page to the second visit."""

from __future__ import annotations

import asyncio
import re
import secrets

import pytest
from playwright.async_api import Browser, Page, expect

from tests.system.browser import Person
from tests.system.conditions import until, until_rates
from tests.system.conftest import Arrive
from tests.system.senses import FRAMES_PER_SECOND
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = "correct horse battery"


async def sign_in(page: Page, username: str, password: str) -> None:
    await page.get_by_test_id("signin-username").fill(username)
    await page.get_by_test_id("signin-password").fill(password)
    await page.get_by_test_id("signin-submit").click()


async def join_by_preview(person: Person) -> str:
    """Look at oneself, give a name, and join; returns the client id."""
    page = person.page
    await expect(page.get_by_test_id("join-button")).to_be_visible()
    moving = "() => document.querySelector('[data-testid=preview-video]').currentTime > 0"
    await page.wait_for_function(moving)
    await page.get_by_test_id("name-input").fill(person.name)
    await page.get_by_test_id("join-button").click()
    return await person.client_id()


async def sees(person: Person, client_id: str) -> None:
    """Wait until a person sees somebody move."""

    async def frames() -> dict[str, float]:
        shown = await person.figure("framesDecoded", "camera")
        return {client_id: shown[client_id]} if client_id in shown else {}

    await until_rates(frames, FRAMES_PER_SECOND, f"{person.name} sees the other", count=1)


async def test_a_new_user_and_a_guest_have_a_call(
    server: Server, make_room: object, arrive: Arrive, chromium: Browser
) -> None:
    username = f"ann-{secrets.token_hex(4)}"
    ann, gus = await arrive(chromium, "Ann"), await arrive(chromium, "Gus")
    page = ann.page

    # A room wants an account; the way there leads back to the room.
    await page.goto(server.url)
    await page.get_by_test_id("register-link").click()
    await page.get_by_test_id("register-username").fill(username)
    await page.get_by_test_id("register-password").fill(PASSWORD)
    await page.get_by_test_id("register-submit").click()
    await page.get_by_test_id("create-room").click()
    await page.wait_for_url(re.compile(r"/r/[^/]+$"))
    room_url = page.url
    ann_id = await join_by_preview(ann)

    # The guest has the link and no account.
    await gus.page.goto(room_url)
    gus_id = await join_by_preview(gus)
    await asyncio.gather(sees(ann, gus_id), sees(gus, ann_id))
    for person in (ann, gus):
        await person.see_names(["Ann", "Gus"])
    await ann.say("hello Gus")
    await gus.read("hello Gus")
    await gus.say("hello Ann")
    await ann.read("hello Ann")

    # What Ann switches off, Gus sees.
    tile = gus.page.locator(f"[data-testid=tile][data-client-id='{ann_id}']")
    await expect(tile).not_to_have_class(re.compile(r"\bmuted\b"))
    await page.get_by_test_id("mute-button").click()
    await expect(tile).to_have_class(re.compile(r"\bmuted\b"))
    await page.get_by_test_id("mute-button").click()
    await expect(tile).not_to_have_class(re.compile(r"\bmuted\b"))
    await expect(tile).to_have_class(re.compile(r"\bhas-video\b"))
    await page.get_by_test_id("camera-button").click()
    await expect(tile).not_to_have_class(re.compile(r"\bhas-video\b"))
    await gus.photograph("camera-off")
    await page.get_by_test_id("camera-button").click()
    await expect(tile).to_have_class(re.compile(r"\bhas-video\b"))
    await sees(gus, ann_id)

    # Ann leaves, signs out, and comes back by the room's code.
    await ann.leave()
    await gus.see_names(["Gus"])
    await page.goto(server.url)
    await page.get_by_test_id("sign-out").click()
    await expect(page.get_by_test_id("sign-in-link")).to_be_visible()
    await page.get_by_test_id("sign-in-link").click()
    await sign_in(page, username, "wrong")
    await expect(page.get_by_role("alert").filter(has_text="do not go together")).to_be_visible()
    await sign_in(page, username, PASSWORD)
    await page.get_by_test_id("room-code-input").fill(room_url.rpartition("/")[2])
    await page.get_by_test_id("join-room").click()
    await page.wait_for_url(room_url)
    ann_id = await join_by_preview(ann)
    await asyncio.gather(sees(ann, gus_id), sees(gus, ann_id))


async def test_the_server_forgets_a_session_that_has_signed_out(
    server: Server, arrive: Arrive, chromium: Browser
) -> None:
    ann = await arrive(chromium, "Ann")
    page = ann.page
    await page.goto(f"{server.url}/register")
    await page.get_by_test_id("register-username").fill(f"ann-{secrets.token_hex(4)}")
    await page.get_by_test_id("register-password").fill(PASSWORD)
    await page.get_by_test_id("register-submit").click()
    await expect(page.get_by_test_id("sign-out")).to_be_visible()

    async def cookies() -> list[str]:
        return [cookie["name"] for cookie in await ann.context.cookies()]

    assert await cookies() != []
    await page.get_by_test_id("sign-out").click()

    async def forgotten() -> bool:
        return await cookies() == []

    await until(forgotten, "the refresh token is gone")


async def test_a_guest_without_a_room_is_told_so(server: Server, arrive: Arrive, chromium: Browser) -> None:
    gus = await arrive(chromium, "Gus")
    await gus.page.goto(f"{server.url}/r/nowhere?name=Gus&join=1")
    await expect(gus.page.get_by_test_id("ended")).to_contain_text("This room is not open")
