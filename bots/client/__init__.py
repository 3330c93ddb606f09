"""The HTTP API of a Chatter server, for Python programs.

async with bots.Client("http://localhost:8080") as client:
    await client.accounts.login("ann", "secret phrase")
    room = await client.rooms.create(name="Standup")
    token = await client.rooms.mint_token(room.room_id, name="Recorder", uses=1)
    async for each in client.rooms.all():
        print(each.name, each.participants)

Refusals are raised as ApiProblem, with the members of the server's problem details (RFC 9457).
"""

from bots.client.client import Client
from bots.client.retry import Retries

__all__ = ["Client", "Retries"]
