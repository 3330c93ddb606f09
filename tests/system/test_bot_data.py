"""Data messages from bot to bot through the media server."""

from __future__ import annotations

import asyncio

import pytest

import bots
from bots.events import Refused
from tests.system.conftest import MakeRoom

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]
WAIT = 15


async def test_bots_send_each_other_data(make_room: MakeRoom) -> None:
    room = await make_room("sfu")
    async with (
        asyncio.timeout(3 * WAIT),
        bots.Room.join(room, display_name="Ann", data=True) as ann,
        bots.Room.join(room, display_name="Ben", data=True) as ben,
        bots.Room.join(room, display_name="Cid", data=True) as cid,
    ):
        for each in (ann, ben, cid):
            # Whoever can send has channels, so that from now on nothing is missed.
            assert await each.send_data("here", to=[each.client_id])
        heard = ben.data(timeout=WAIT)
        assert await ann.send_data("12,34", topic="cursor", to=[ben.client_id])
        assert await anext(heard) == bots.DataMessage(ann.client_id, "cursor", "12,34")
        assert await ann.send_data(b"\x00\n\xff", lossy=True)
        assert await anext(heard) == bots.DataMessage(ann.client_id, "", b"\x00\n\xff")
        assert await ben.send_data("x" * 60_000, to=[ann.client_id])
        assert len((await anext(ann.data(timeout=WAIT))).payload) == 60_000
        # To cid came what was for all, and nothing else.
        assert (await anext(cid.data(timeout=WAIT))).payload == b"\x00\n\xff"
        # What the bot sent to itself was refused, and it is told.
        async for event in cid.events(timeout=WAIT):
            if isinstance(event, Refused):
                break
        assert event.code == "unknown_recipient"
        assert cid.client_id in event.message
