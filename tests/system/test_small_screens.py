"""The pages on the screen of a phone, and by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.system.browser import Person
from tests.system.conftest import Arrive, MakeRoom
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

PHONE = {"width": 360, "height": 640}
FINGER = 40
"""Pixels, each way, that a control for a finger has at least."""

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOCUSED = "() => document.activeElement?.dataset.testid ?? ''"


async def fits(person: Person, *controls: str) -> None:
    """Nothing is wider than the screen, and what one needs is on it and large enough."""
    assert await person.page.evaluate(OVERFLOW) <= 0
    for name in controls:
        control: Locator = person.page.get_by_test_id(name)
        await expect(control).to_be_in_viewport(ratio=1)
        box = await control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= FINGER, name


async def tab_to(person: Person, name: str, limit: int = 30) -> None:
    """Press Tab until a control has the focus."""
    for _ in range(limit):
        if await person.page.evaluate(FOCUSED) == name:
            return
        await person.page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached by Tab")


async def test_a_call_on_a_phone(
    server: Server, make_room: MakeRoom, arrive: Arrive, chromium: Browser
) -> None:
    ann = await arrive(chromium, "Ann")
    await ann.page.set_viewport_size(PHONE)
    await ann.page.goto(server.url)
    await fits(ann, "create-room", "room-code-input", "join-room")
    await ann.page.goto(f"{server.url}/register")
    await fits(ann, "register-username", "register-password", "register-submit")
    room_url = await make_room("sfu")
    await ann.page.goto(room_url)
    await expect(ann.page.get_by_test_id("join-button")).to_be_visible()
    await fits(ann, "name-input", "join-button", "preview-mute-button", "preview-camera-button")
    await ann.photograph("phone-preview")
    await ann.join(room_url)
    await expect(ann.page.get_by_test_id("tile")).to_be_in_viewport()
    controls = ("mute-button", "camera-button", "participants-button", "chat-button", "leave-button")
    await fits(ann, *controls)
    await ann.photograph("phone-call")
    await ann.open_chat()
    await fits(ann, "chat-input", "chat-send")
    await ann.photograph("phone-chat")


async def test_a_call_by_keyboard(make_room: MakeRoom, arrive: Arrive, chromium: Browser) -> None:
    ann = await arrive(chromium, "Ann")
    page, press = ann.page, ann.page.keyboard.press
    await page.goto(await make_room("sfu"))
    await expect(page.get_by_test_id("join-button")).to_be_visible()
    await tab_to(ann, "name-input")
    await page.keyboard.type("Ann")
    await press("Enter")
    await ann.client_id()

    tile = page.get_by_test_id("tile")
    await expect(tile).to_have_class(re.compile(r"\bhas-video\b"))
    await press("m")
    await expect(tile).to_have_class(re.compile(r"\bmuted\b"))
    await press("v")
    await expect(tile).not_to_have_class(re.compile(r"\bhas-video\b"))
    await press("c")
    await expect(page.get_by_test_id("chat-input")).to_be_focused()
    await page.keyboard.type("see me vanish")
    await press("Enter")
    await ann.read("see me vanish")
    # What is typed is no shortcut.
    await expect(tile).not_to_have_class(re.compile(r"\bhas-video\b"))
    await press("Escape")
    await expect(page.get_by_test_id("chat-input")).to_be_hidden()
    await tab_to(ann, "leave-button")
    await press("Enter")
    await expect(page.get_by_test_id("ended")).to_be_visible()
