"""The WebSocket to the server: messages in, messages out, and answers to the requests among them.

It may break and be resumed as docs/protocol.md says; nobody who sends or reads notices.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import aiohttp
from yarl import URL

from bots.errors import JoinRefused, RequestRefused, RoomLeft
from bots.messages import Json

ANSWER_TIMEOUT = 10.0
"""Seconds that the server has to answer a request."""

SEND_TIMEOUT = 10.0
"""Seconds until a message must have been taken by the network."""

RESUME_DELAYS = (0.1, 0.3, 0.6, 1.0, 2.0)
"""Seconds before each try to resume a broken connection; the last one again and again."""

RESUME_TIMEOUT = 5.0
"""Seconds that a try may take."""

KEPT_MESSAGES = 128
"""Messages sent last, to be sent again where the server did not get them."""

_ENDS = frozenset(
    (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
)
_TOO_BIG = 1009
_FIRST_FINAL = 4400
"""The server's own close codes: after them there is nothing to resume."""

_NORMAL_CLOSE = 1000
_ABNORMAL_CLOSE = 1006
_HEARTBEAT = 20.0
"""Seconds between WebSocket pings, which find a dead connection."""


class Socket:
    """An open WebSocket; made by open_socket()."""

    def __init__(
        self, websocket: aiohttp.ClientWebSocketResponse, session: aiohttp.ClientSession, url: URL
    ) -> None:
        """`session` and `url` are for connecting again."""
        self.ignored = 0
        """Frames that were no JSON object."""
        self.resumed = 0
        """How often the connection broke and was resumed."""
        self._websocket = websocket
        self._session = session
        self._url = url
        self._token: str | None = None
        self._grace = 0.0
        self._seq = 0
        self._sent = 0
        self._kept: deque[tuple[int, str]] = deque(maxlen=KEPT_MESSAGES)
        self._ready = asyncio.Event()
        self._ready.set()
        self._ids = itertools.count(1)
        self.client_id: str | None = None
        """Who the bot is in the room; its own chat and profile, sent back to it, answer its requests."""
        self._waiting: dict[int, tuple[str, asyncio.Future[Json]]] = {}
        self._left: RoomLeft | None = None
        self._close_code = _ABNORMAL_CLOSE
        self._last_error: Json | None = None

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message, or wait while the connection is being resumed.

        Raises RoomLeft when the connection has ended, or takes nothing within SEND_TIMEOUT seconds.
        """
        await self._ready.wait()
        if self._left is not None:
            raise self._left
        text = json.dumps(message)
        self._sent += 1
        self._kept.append((self._sent, text))
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._websocket.send_str(text)
        except TimeoutError:
            # Where the connection can be resumed, what it did not take is sent again then.
            if self._token is None:
                left = RoomLeft(_ABNORMAL_CLOSE, f"the server took no message for {SEND_TIMEOUT:g} s")
                raise left from None
        except (ConnectionError, aiohttp.ClientError) as error:
            if self._token is None:
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
        """What the server sends, but for the answers to requests; ends with RoomLeft.

        A `resumed` among them says that the connection broke and is another one now.
        """
        while True:
            frame = await self._websocket.receive()
            if frame.type in _ENDS:
                resumed = await self._resume(frame)
                if resumed is None:
                    break
                yield resumed
                continue
            message = self._read(frame)
            if message is not None and not self._answered(message):
                yield message
        code = self._close_code
        error = self._last_error or {}
        said = str(error.get("message") or "the connection to the server ended")
        self._left = RoomLeft(code, f"{said} (close code {code})")
        self._ready.set()
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
        self._token = None
        await self._websocket.close(code=_NORMAL_CLOSE)

    async def _resume(self, end: aiohttp.WSMessage) -> Json | None:
        """Connect again after a break and send what the server lacks; None where the bot has left."""
        self._close_code = _code_of(end)
        if self._close_code >= _FIRST_FINAL or self._close_code == _TOO_BIG:
            self._token = None
        self._ready.clear()
        deadline = asyncio.get_running_loop().time() + self._grace
        delays = itertools.chain(RESUME_DELAYS, itertools.repeat(RESUME_DELAYS[-1]))
        while self._token is not None and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(next(delays))
            with suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(RESUME_TIMEOUT):
                    resumed = await self._connect_again(self._token)
                    if resumed is not None:
                        self._ready.set()
                    return resumed
        return None

    async def _connect_again(self, token: str) -> Json | None:
        """Returns `resumed`, None where the server refuses it. Raises where there is no connection."""
        url = self._url.update_query(resume=token, after=self._seq)
        # In place at once, so that close() ends it, whatever happens meanwhile.
        self._websocket = await _connect(self._session, url)
        frame = await self._websocket.receive()
        if frame.type in _ENDS:
            raise ConnectionResetError("the connection broke again")
        message = self._read(frame)
        if message is None or message.get("type") != "resumed":
            self._token = None
            # Read to the close, which says why.
            self._close_code = _code_of(await self._websocket.receive())
            return None
        received = message.get("received")
        self._kept = deque(
            (kept for kept in self._kept if not isinstance(received, int) or kept[0] > received),
            KEPT_MESSAGES,
        )
        for _, text in self._kept:
            await self._websocket.send_str(text)
        self.resumed += 1
        return message

    def _read(self, frame: aiohttp.WSMessage) -> Json | None:
        if frame.type == aiohttp.WSMsgType.TEXT:
            try:
                message = json.loads(frame.data)
            except ValueError:
                message = None
            if isinstance(message, dict):
                if message.get("type") == "error":
                    self._last_error = message
                self._note(message)
                return cast(Json, message)
        self.ignored += 1
        return None

    def _note(self, message: Json) -> None:
        """Keep what resuming takes."""
        seq, resume = message.get("seq"), message.get("resume")
        if isinstance(seq, int):
            self._seq = seq
        if message.get("type") in ("welcome", "resumed") and isinstance(resume, dict):
            token, seconds = resume.get("token"), resume.get("seconds")
            if isinstance(token, str) and isinstance(seconds, int | float):
                self._token, self._grace = token, seconds

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
        return Socket(await _connect(session, url), session, url)
    except aiohttp.WSServerHandshakeError as error:
        raise JoinRefused(
            "not_chatter", f"{url.with_query(None)} answered with HTTP {error.status}"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise JoinRefused("unreachable", f"{url.with_query(None)} cannot be reached: {error}") from error


def _code_of(end: aiohttp.WSMessage) -> int:
    """The server's close code, where it gave one."""
    return int(end.data) if end.type == aiohttp.WSMsgType.CLOSE and end.data else _ABNORMAL_CLOSE


async def _connect(session: aiohttp.ClientSession, url: URL) -> aiohttp.ClientWebSocketResponse:
    # The server limits what it sends, so a large answer is no reason to end the connection.
    return await session.ws_connect(url, heartbeat=_HEARTBEAT, max_msg_size=0)
