"""Says back what is said: python -m bots.examples.echo http://localhost:8080/r/<room>"""

import asyncio
import sys

import bots


async def echo(url: str) -> None:
    async with bots.Room.join(url, display_name="Echo") as room:
        async for message in room.messages():
            if message.sender != room.client_id:
                await room.chat(f"{message.display_name} said: {message.text}")


if __name__ == "__main__":
    asyncio.run(echo(sys.argv[1]))
