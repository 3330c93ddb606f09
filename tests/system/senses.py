"""Whether people and bots really see and hear each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from av import AudioFrame

import bots
from bots import media
from tests.system.browser import Person
from tests.system.conditions import until_rates

FRAMES_PER_SECOND = 10

AUDIBLE = 100
"""The least peak of a sample (of 32768) that is a sound and not the noise of a codec."""


@asynccontextmanager
async def robot(room_url: str, name: str = "Robot", token: str | None = None) -> AsyncIterator[bots.Room]:
    """A bot that shows a picture and plays a tone."""
    tracks = {"camera": media.pattern(320, 180, 15), "microphone": media.tone()}
    async with bots.Room.join(room_url, token, name, publish=tracks) as room:
        yield room


async def decodes_everybody(person: Person, others: set[str]) -> None:
    """Wait until a person sees everybody else move, and hears them."""

    async def heard() -> dict[str, float]:
        return await person.figure("totalAudioEnergy", "microphone")

    async def seen() -> dict[str, float]:
        return await person.figure("framesDecoded", "camera")

    rates, _ = await asyncio.gather(
        until_rates(seen, FRAMES_PER_SECOND, f"{person.name} sees everybody", count=len(others)),
        until_rates(heard, 1e-7, f"{person.name} hears everybody", count=len(others)),
    )
    assert rates.keys() == others


async def bot_receives_everybody(room: bots.Room, others: set[str]) -> None:
    """Wait until the bot gets pictures and sound of everybody else."""

    async def frames() -> dict[str, float]:
        return {track.client_id: track.received for track in room.tracks if track.kind == "video"}

    async def hears(client_id: str) -> None:
        track = await room.wait_for_track(kind="audio", client_id=client_id)
        async with asyncio.timeout(15):
            async for frame in track.frames("block"):
                assert isinstance(frame, AudioFrame)
                assert frame.format.name == "s16"
                if max(memoryview(bytes(frame.planes[0])).cast("h")) > AUDIBLE:
                    return

    rates, *_ = await asyncio.gather(
        until_rates(frames, FRAMES_PER_SECOND, "the bot sees everybody", count=len(others)),
        *(hears(client_id) for client_id in others),
    )
    assert rates.keys() == others
