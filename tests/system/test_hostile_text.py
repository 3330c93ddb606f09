"""What people write stays text: names, chat, and addresses that carry markup."""

from __future__ import annotations

import urllib.parse

import pytest
from playwright.async_api import Browser, expect

import bots
from tests.system.conftest import Arrive, MakeRoom
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

IMAGE = "<img src=x onerror=window.hacked=1>"
SCRIPT = "<script>window.hacked=1</script>"
LINK = "javascript:window.hacked=1//https://x"
ATTRIBUTE = '"><svg onload=window.hacked=1>'

_INJECTED = """
() => window.hacked === undefined
  && !document.querySelector("img[src=x], svg[onload], script:not([src])")
  && ![...document.querySelectorAll("a[href]")].some((a) => a.protocol === "javascript:")
"""


async def test_names_and_chat_are_text(make_room: MakeRoom, arrive: Arrive, chromium: Browser) -> None:
    room_url = await make_room("sfu")
    async with bots.Room.join(room_url, display_name=IMAGE) as hostile:
        ann = await arrive(chromium, "Ann")
        await ann.join(room_url)
        await ann.open_chat()
        for text in (IMAGE, SCRIPT, LINK, ATTRIBUTE):
            await hostile.chat(text)
            await ann.read(text)
        await expect(
            ann.page.get_by_test_id("tile").and_(ann.page.get_by_label(IMAGE, exact=True))
        ).to_be_visible()
        async with bots.Room.join(room_url, display_name=ATTRIBUTE):
            await expect(ann.page.get_by_test_id("tile")).to_have_count(3)
            assert await ann.page.evaluate(_INJECTED)
        assert await ann.page.evaluate(_INJECTED)


@pytest.mark.parametrize(
    "path",
    [
        f"/r/{urllib.parse.quote(IMAGE, safe='')}",
        f"/{urllib.parse.quote(SCRIPT, safe='')}",
        f"/signin?next={urllib.parse.quote(LINK)}",
        f"/?error={urllib.parse.quote(ATTRIBUTE)}",
        f"/r/room?name={urllib.parse.quote(ATTRIBUTE)}",
    ],
)
async def test_addresses_are_not_answered_with_markup(
    path: str, server: Server, arrive: Arrive, chromium: Browser
) -> None:
    ann = await arrive(chromium, "Ann")
    await ann.page.goto(server.url + path)
    await ann.page.wait_for_load_state("load")
    assert await ann.page.evaluate(_INJECTED)
