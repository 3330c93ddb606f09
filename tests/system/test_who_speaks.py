"""Who speaks is seen by people in browsers, and known to bots."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect

from tests.system.conditions import until
from tests.system.conftest import Arrive, MakeRoom
from tests.system.senses import robot

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

SPEAKING = re.compile(r"\bspeaking\b")
LIMIT_MS = 15_000


async def test_who_speaks_is_shown_until_she_mutes_herself(
    make_room: MakeRoom, arrive: Arrive, chromium: Browser, firefox: Browser
) -> None:
    """Ann's microphone beeps, and those of Fay and the bot give a tone."""
    room_url = await make_room("sfu")
    ann, fay = await arrive(chromium, "Ann"), await arrive(firefox, "Fay")
    async with robot(room_url) as room:
        _, speaker = await asyncio.gather(ann.join(room_url), fay.join(room_url))

        async def is_told() -> bool:
            return {speaker, room.client_id} <= {told.client_id for told in room.speakers}

        async def is_told_no_more() -> bool:
            return speaker not in {told.client_id for told in room.speakers}

        await until(is_told, "the bot knows that Fay speaks, and itself")
        tile = ann.page.locator(f"[data-testid=tile][data-client-id='{speaker}']")
        await expect(tile).to_have_class(SPEAKING, timeout=LIMIT_MS)
        await expect(tile).to_have_attribute("aria-description", "speaking", timeout=LIMIT_MS)

        await fay.page.get_by_test_id("mute-button").click()
        await until(is_told_no_more, "the bot knows that Fay speaks no more")
        await expect(tile).not_to_have_class(SPEAKING, timeout=LIMIT_MS)
