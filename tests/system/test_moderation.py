"""Who has a room decides who comes in, who is heard, who stays, and when it ends: on the pages."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.async_api import Browser, Locator, ViewportSize, expect

from bots.account import Account
from tests.system.browser import Person
from tests.system.conftest import Arrive, MakeRoom
from tests.system.server import Server
from tests.system.test_accounts import sign_in

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = "correct horse battery"
PHONE: ViewportSize = {"width": 360, "height": 640}
MUTED = re.compile(r"\bmuted\b")


async def decide(owner: Person, client_id: str, *, item: str) -> None:
    """Choose something from the menu of somebody in the list of people."""
    await row(owner, client_id).get_by_test_id("person-menu-button").click()
    await owner.page.get_by_test_id(item).click()


def row(person: Person, client_id: str) -> Locator:
    return person.page.locator(f"[data-testid=participant][data-client-id='{client_id}']")


def tile(person: Person, client_id: str) -> Locator:
    return person.page.locator(f"[data-testid=tile][data-client-id='{client_id}']")


async def test_a_moderated_call(
    server: Server, make_room: MakeRoom, arrive: Arrive, chromium: Browser
) -> None:
    username = f"ann-{secrets.token_hex(4)}"
    account = await Account.register(server.url, username, PASSWORD)
    room_url = await account.create_room("sfu")
    ann = await arrive(chromium, "Ann")
    await ann.page.goto(f"{server.url}/signin")
    await sign_in(ann.page, username, PASSWORD)
    await expect(ann.page.get_by_test_id("create-room")).to_be_visible()
    await ann.join(room_url)
    await ann.page.get_by_test_id("participants-button").click()
    await ann.page.get_by_test_id("lobby-switch").check()

    # A guest knocks, and is let in.
    bob = await arrive(chromium, "Bob")
    await bob.page.goto(f"{room_url}?name=Bob&join=1")
    await expect(ann.page.get_by_test_id("knock")).to_contain_text("Bob wants to come in")
    await expect(ann.page.get_by_test_id("waiting-badge")).to_have_text("1")
    await expect(ann.page.get_by_test_id("waiting-person")).to_contain_text("Bob")
    await ann.photograph("moderation-knock")
    await ann.page.get_by_test_id("admit").click()
    bob_id = await bob.client_id()
    await ann.see_names(["Ann", "Bob"])
    await expect(ann.page.get_by_test_id("waiting-person")).to_have_count(0)
    await expect(ann.page.get_by_test_id("knock")).to_have_count(0)

    # Guests decide nothing.
    await bob.see_names(["Ann", "Bob"])
    await expect(bob.page.get_by_test_id("person-menu-button")).to_have_count(0)
    await expect(bob.page.get_by_test_id("end-call")).to_be_hidden()

    # Muted, and heard again when he wants to.
    await expect(tile(ann, bob_id)).not_to_have_class(MUTED)
    await row(ann, bob_id).get_by_test_id("person-menu-button").click()
    await ann.photograph("moderation-menu")
    await ann.page.get_by_test_id("mute-microphone").click()
    await expect(tile(ann, bob_id)).to_have_class(MUTED)
    await expect(bob.page.locator(".toast", has_text="Ann muted you.")).to_be_visible()
    await expect(bob.page.get_by_test_id("mute-button")).to_have_attribute("aria-pressed", "true")
    await bob.page.get_by_test_id("mute-button").click()
    await expect(tile(ann, bob_id)).not_to_have_class(MUTED)

    # A listener shows nothing; a speaker does again.
    await decide(ann, bob_id, item="make-listener")
    await expect(bob.page.get_by_test_id("camera-button")).to_be_disabled()
    await expect(tile(ann, bob_id)).not_to_have_class(re.compile(r"\bhas-video\b"))
    await expect(row(ann, bob_id)).to_contain_text("Listener")
    await decide(ann, bob_id, item="make-speaker")
    await bob.page.get_by_test_id("camera-button").click()
    await expect(tile(ann, bob_id)).to_have_class(re.compile(r"\bhas-video\b"))

    # By keyboard, on a phone: who is removed does not come back.
    await ann.page.set_viewport_size(PHONE)
    await row(ann, bob_id).get_by_test_id("person-menu-button").focus()
    await ann.page.keyboard.press("Enter")
    await ann.photograph("moderation-phone")
    await ann.page.keyboard.press("End")
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_test_id("confirm")).to_be_visible()
    await ann.photograph("moderation-confirm")
    await ann.page.get_by_test_id("confirm").click()
    await expect(bob.page.get_by_test_id("ended")).to_contain_text("removed")
    await ann.see_names(["Ann"])

    # Nobody comes through a lock; without it, and without the lobby, everybody does.
    await ann.page.get_by_test_id("lock-room").check()
    carla = await arrive(chromium, "Carla")
    await carla.page.goto(f"{room_url}?name=Carla&join=1")
    await expect(carla.page.get_by_test_id("ended")).to_contain_text("locked")
    await ann.page.get_by_test_id("lock-room").uncheck()
    await ann.page.get_by_test_id("lobby-switch").uncheck()
    await carla.page.get_by_test_id("retry").click()
    await expect(carla.page.get_by_test_id("join-button")).to_be_visible()
    await carla.join(room_url)

    await ann.page.get_by_test_id("end-call").click()
    await ann.page.get_by_test_id("confirm").click()
    for person in (ann, carla):
        await expect(person.page.get_by_test_id("ended")).to_contain_text("The call was ended")


async def test_rooms_on_the_start_page(
    server: Server, make_room: MakeRoom, arrive: Arrive, chromium: Browser
) -> None:
    username = f"ann-{secrets.token_hex(4)}"
    await Account.register(server.url, username, PASSWORD)
    page = (ann := await arrive(chromium, "Ann")).page
    await page.set_viewport_size(PHONE)
    await page.goto(f"{server.url}/signin")
    await sign_in(page, username, PASSWORD)
    await page.get_by_test_id("set-up-room").click()
    await page.get_by_test_id("room-name-input").fill("Weekly <b>review</b>")
    await page.get_by_test_id("access-accounts").check()
    await ann.photograph("start-new-room")
    await page.get_by_test_id("new-room-submit").click()
    await expect(page.get_by_test_id("join-button")).to_be_visible()
    guest = await arrive(chromium, "Bob")
    await guest.page.goto(f"{page.url}?name=Bob&join=1")
    await expect(guest.page.get_by_test_id("ended")).to_contain_text("sign in")

    await page.goto(server.url)
    mine = page.get_by_test_id("my-room")
    await expect(mine).to_contain_text("Weekly <b>review</b>")
    await ann.photograph("start-my-rooms")
    await page.get_by_test_id("delete-room").click()
    await page.get_by_test_id("confirm").click()
    await expect(mine).to_have_count(0)
