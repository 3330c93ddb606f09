from __future__ import annotations

import asyncio

from bot_stand_in import Server

import bots
from bots.examples.echo import echo


async def test_the_example_says_back_what_is_said():
    async with Server() as server:
        example = asyncio.create_task(echo(server.url))
        async with asyncio.timeout(10), bots.Room.join(server.url, display_name="Ann", receive=()) as ann:
            while len(ann.participants) < 2:
                await anext(ann.events())
            await ann.chat("hello")
            heard = [(await anext(ann.messages())).text for _ in range(2)]
        assert heard == ["hello", "Ann said: hello"]
        example.cancel()
        await asyncio.gather(example, return_exceptions=True)
