"""A server of rooms on loopback and a client for it, for the tests over real WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import json

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from signaling_fakes import ScriptedMediaServer

import auth.http
from api.errors import error_middleware
from auth.tokens import AccessTokens, Identity
from signaling.http import CONNECTIONS, setup
from signaling.settings import RoomSettings

SECRET = "s" * 32
TOKENS = AccessTokens(SECRET, 600)
ADA = TOKENS.issue(Identity(1, "ada"))
EXPIRED = AccessTokens(SECRET, 600, clock=lambda: 1000.0).issue(Identity(1, "ada"))

# A condition that does not come true in this time has failed.
PATIENCE = 5.0


class Site:
    """A running server and a client for it."""

    def __init__(self, client: TestClient, rooms, media) -> None:
        self.client = client
        self.rooms = rooms
        self.media = media

    @property
    def connections(self):
        return self.client.app[CONNECTIONS]

    async def join(self, room: str = "room", **options) -> tuple[aiohttp.ClientWebSocketResponse, dict]:
        """Join and read up to `participants`; return the WebSocket and `welcome`."""
        params = {"token": ADA} | options.pop("params", {})
        ws = await self.client.ws_connect(f"/ws/{room}", params=params, **options)
        welcome = await receive(ws)
        assert welcome["type"] == "welcome", welcome
        assert (await receive(ws))["type"] == "participants"
        return ws, welcome


async def receive(ws) -> dict:
    """The next message, without its number."""
    return unnumbered(await ws.receive_json(timeout=PATIENCE))


def unnumbered(message: dict) -> dict:
    assert message.pop("seq") > 0
    return message


async def receive_until(ws, **fields) -> dict:
    """The next message with these fields; those before it are passed over."""
    async with asyncio.timeout(PATIENCE):
        while True:
            message = unnumbered(await ws.receive_json())
            if fields.items() <= message.items():
                return message


async def last_words(ws) -> tuple[dict, int]:
    """The last message and the close code."""
    message: dict = {}
    async with asyncio.timeout(PATIENCE):
        async for frame in ws:
            message = json.loads(frame.data)
    return message, ws.close_code


async def until(condition) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running(
    settings: RoomSettings | None = None,
    media: ScriptedMediaServer | None = None,
    *,
    cancels: bool = False,
):
    """`cancels`: whether a request's task is cancelled when its client goes, as aiohttp can be told to do."""
    app = web.Application(middlewares=[error_middleware])
    app[auth.http.TOKENS] = TOKENS
    rooms = setup(app, settings or RoomSettings(), media)
    async with TestClient(TestServer(app)) as client:
        client.server.runner.server.handler_cancellation = cancels
        yield Site(client, rooms, media)
