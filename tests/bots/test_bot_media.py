"""Real media on loopback, through the stand-in for the media server or from bot to bot."""

from __future__ import annotations

import asyncio

import pytest

import bots
from bots.events import TrackAdded, TrackRemoved
from bot_stand_in import Colour, Server, luma

pytestmark = pytest.mark.system
WAIT = 15


async def first_frames(track, count=3, **options):
    frames = []
    async with asyncio.timeout(WAIT):
        async for frame in track.frames(**options):
            frames.append(frame)
            if len(frames) == count:
                return frames
    return frames


async def test_a_newcomer_subscribes_in_its_first_offer():
    async with Server() as server:
        await server.add_track("x1:camera", Colour(200))
        async with bots.Room.join(server.url) as room:
            track = await room.track("x1:camera")
            frames = await first_frames(track)
            assert abs(luma(frames[0]) - 200) <= 3
            assert [o["subscribe"] for o in server.client.media.offers] == [{"0": "x1:camera"}]
            assert track.path == "sfu"
            assert track.received >= 3
            assert room.milestones.connected > room.milestones.answered > room.milestones.welcome > 0
