"""What people read when something is not as it should be, and that they can go on."""

from __future__ import annotations

import secrets

import pytest
from playwright.async_api import Browser, expect

import bots
from bots.account import Account
from tests.system.browser import Person
from tests.system.conftest import Arrive, MakeRoom, StartServer

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

# Every request for a device, or those for a camera, end with this error of the browser.
REFUSE = """
const devices = navigator.mediaDevices;
const ask = devices.getUserMedia.bind(devices);
devices.getUserMedia = (wanted) =>
  %(when)s ? Promise.reject(new DOMException("no", "%(error)s")) : ask(wanted);
"""

DEVICES = [
    ("true", "NotAllowedError", "Camera and microphone are blocked", "Allow the camera and microphone"),
    ("wanted.video", "NotAllowedError", "Camera is blocked", "with the icon beside the address"),
    ("true", "NotFoundError", "No camera and no microphone found", "join without them"),
    ("wanted.video", "NotFoundError", "No camera found", "join without it"),
    ("wanted.video", "NotReadableError", "Camera is in use", "Another program or tab is holding the camera"),
]


async def join_by_preview(person: Person) -> None:
    await person.page.get_by_test_id("name-input").fill(person.name)
    await person.page.get_by_test_id("join-button").click()
    await person.see_names([person.name])


@pytest.mark.parametrize(("when", "error", "title", "advice"), DEVICES)
async def test_devices_that_are_not_to_be_had(
    when: str, error: str, title: str, advice: str, make_room: MakeRoom, arrive: Arrive, chromium: Browser
) -> None:
    ann = await arrive(chromium, "Ann")
    await ann.page.add_init_script(REFUSE % {"when": when, "error": error})
    await ann.page.goto(await make_room("sfu"))
    notice = ann.page.get_by_test_id("preview-notice")
    await expect(notice).to_contain_text(title)
    await expect(notice).to_contain_text(advice)
    # It is no reason not to join.
    await join_by_preview(ann)


async def test_a_full_room(start_server: StartServer, arrive: Arrive, chromium: Browser) -> None:
    server = await start_server(ROOMS_MAX_PARTICIPANTS="2")
    account = await Account.register(server.url, f"host-{secrets.token_hex(4)}", "correct horse")
    room_url = await account.create_room("sfu")
    ann = await arrive(chromium, "Ann")
    async with bots.Room.join(room_url), bots.Room.join(room_url):
        await ann.page.goto(f"{room_url}?name=Ann&join=1")
        ended = ann.page.get_by_test_id("ended")
        await expect(ended).to_contain_text("The room is full")
        await expect(ended).to_contain_text("Try again when somebody has left")
    # Both have left.
    await ann.page.get_by_test_id("retry").click()
    await join_by_preview(ann)
