"""The WebSocket to the server: messages in, messages out, and answers to the requests among them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
from yarl import URL

from bots.errors import JoinRefused, RequestRefused, RoomLeft
from bots.messages import Json

ANSWER_TIMEOUT = 10.0
"""Seconds that the server has to answer a request."""

SEND_TIMEOUT = 10.0
"""Seconds until a message must have been taken by the network."""

_NORMAL_CLOSE = 1000
_ABNORMAL_CLOSE = 1006
_HEARTBEAT = 20.0
"""Seconds between WebSocket pings, which find a dead connection."""


class Socket:
    """An open WebSocket; made by open_socket()."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.ignored = 0
        """Frames that were no JSON object."""
        self._websocket = websocket
        self._ids = itertools.count(1)
        self.client_id: str | None = None
        """Who the bot is in the room; its own chat and profile, sent back to it, answer its requests."""
        self._waiting: dict[int, tuple[str, asyncio.Future[Json]]] = {}
        self._left: RoomLeft | None = None
        self._last_error: Json | None = None

    async def send(self, message: dict[str, Any]) -> None:
        """Raises RoomLeft when the connection has ended, or takes nothing within SEND_TIMEOUT seconds."""
        if self._left is not None:
            raise self._left
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._websocket.send_str(json.dumps(message))
        except TimeoutError:
            raise RoomLeft(_ABNORMAL_CLOSE, f"the server took no message for {SEND_TIMEOUT:g} s") from None
        except (ConnectionError, aiohttp.ClientError) as error:
            raise RoomLeft(_ABNORMAL_CLOSE, f"the connection to the server ended: {error}") from error

    async def request(self, message: dict[str, Any]) -> Json:
        """Send a message and wait for what answers it.

        Raises RequestRefused with the server's reason, RoomLeft, or TimeoutError after ANSWER_TIMEOUT
        seconds.
        """
        request_id = next(self._ids)
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = (message["type"], future)
        try:
            await self.send({**message, "id": request_id})
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await future
        finally:
            del self._waiting[request_id]

    async def messages(self) -> AsyncIterator[Json]:
        """What the server sends, but for the answers to requests; ends with RoomLeft."""
        async for frame in self._websocket:
            message = self._read(frame)
            if message is not None and not self._answered(message):
                yield message
        code = self._websocket.close_code or _ABNORMAL_CLOSE
        error = self._last_error or {}
        said = str(error.get("message") or "the connection to the server ended")
        self._left = RoomLeft(code, f"{said} (close code {code})")
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(self._left)
        raise self._left

    async def receive(self) -> Json:
        """The next message, before messages() is used.

        Raises JoinRefused when it is an error, or when the connection ends instead.
        """
        while True:
            frame = await self._websocket.receive()
            if frame.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
                raise JoinRefused(
                    "closed", f"the server closed the connection with code {self._websocket.close_code}"
                )
            if frame.type == aiohttp.WSMsgType.ERROR:
                raise JoinRefused("unreachable", f"the connection broke: {self._websocket.exception()}")
            message = self._read(frame)
            if message is not None:
                if message.get("type") == "error":
                    raise JoinRefused(str(message.get("code")), str(message.get("message")))
                return message

    async def close(self) -> None:
        await self._websocket.close(code=_NORMAL_CLOSE)

    def _read(self, frame: aiohttp.WSMessage) -> Json | None:
        if frame.type == aiohttp.WSMsgType.TEXT:
            try:
                message = json.loads(frame.data)
            except ValueError:
                message = None
            if isinstance(message, dict):
                if message.get("type") == "error":
                    self._last_error = message
                return cast(Json, message)
        self.ignored += 1
        return None

    def _answered(self, message: Json) -> bool:
        """Hand an answer to whoever waits for it; True when nobody else need see the message."""
        kind = message.get("type")
        if kind in ("chat", "profile"):
            # The id of a chat message is its own, not the request's; the server keeps the order of the
            # requests.
            sender = message.get("from") if kind == "chat" else message.get("clientId")
            waiting = [f for what, f in self._waiting.values() if what == kind and not f.done()]
            if sender == self.client_id and waiting:
                waiting[0].set_result(message)
            return False
        request_id = message.get("id")
        _, future = self._waiting.get(request_id, ("", None)) if isinstance(request_id, int) else ("", None)
        if future is None or future.done():
            return False
        if kind == "error":
            future.set_exception(
                RequestRefused(str(message.get("code")), str(message.get("message")), message.get("request"))
            )
        else:
            future.set_result(message)
        return True


async def open_socket(session: aiohttp.ClientSession, url: URL) -> Socket:
    """Connect. Raises JoinRefused with the code `unreachable`, or `not_chatter` where no WebSocket is."""
    try:
        # The server limits what it sends, so a large answer is no reason to end the connection.
        return Socket(await session.ws_connect(url, heartbeat=_HEARTBEAT, max_msg_size=0))
    except aiohttp.WSServerHandshakeError as error:
        raise JoinRefused(
            "not_chatter", f"{url.with_query(None)} answered with HTTP {error.status}"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise JoinRefused("unreachable", f"{url.with_query(None)} cannot be reached: {error}") from error
