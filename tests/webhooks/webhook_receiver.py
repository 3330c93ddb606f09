"""A receiver of webhooks on loopback, as one of another program would be."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()

Answer = Callable[[int], web.StreamResponse]


def verify(key: bytes, headers: Any, body: bytes) -> bool:
    """What docs/webhooks.md tells receivers to do, but for the age."""
    content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(given, expected) for given in headers["webhook-signature"].split())


class Receiver:
    """Keeps what it is sent and answers as it is told to."""

    def __init__(self, answer: Answer = lambda _number: web.Response(status=204)) -> None:
        """`answer` is given the number of the attempt, from 1 on."""
        self.answer = answer
        self.attempts: list[tuple[str, dict[str, Any]]] = []
        """The id and the body of every attempt."""
        self.taken: list[tuple[str, dict[str, Any]]] = []
        """Those that were answered with 2xx."""
        self._server: TestServer | None = None
        self._came = asyncio.Event()

    @property
    def url(self) -> str:
        assert self._server is not None
        return str(self._server.make_url("/hook"))

    async def __aenter__(self) -> Receiver:
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        self._server = TestServer(app)
        await self._server.start_server()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        await self._server.close()

    async def until_taken(self, count: int, limit: float = 30.0) -> list[tuple[str, dict[str, Any]]]:
        """Return what was taken when it is `count` messages."""
        async with asyncio.timeout(limit):
            while len(self.taken) < count:
                self._came.clear()
                await self._came.wait()
        return self.taken

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        assert verify(KEY, request.headers, body)
        assert request.content_type == "application/json"
        entry = (request.headers["webhook-id"], json.loads(body))
        self.attempts.append(entry)
        answer = self.answer(len(self.attempts))
        if answer.status // 100 == 2:
            self.taken.append(entry)
        self._came.set()
        return answer
