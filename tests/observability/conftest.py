"""An app with nothing but what is observed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Middleware

from observability.exchange import setup_answers


class Clock:
    """A clock that moves a quarter of a second with every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def refused(request: web.Request) -> web.Response:
    raise web.HTTPForbidden


async def crash(request: web.Request) -> web.Response:
    return web.Response(status=500, text="sorry")


async def socket(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    await ws.send_str("hello")
    await ws.receive()
    return ws


@pytest.fixture
def observed_app(tmp_path: Path) -> Callable[..., web.Application]:
    (tmp_path / "file.txt").write_text("x" * 1000)

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(tmp_path / "file.txt")

    def make(*middlewares: Middleware) -> web.Application:
        app = web.Application(middlewares=middlewares)
        setup_answers(app)
        for path, handler in [
            ("/health", ok),
            ("/rooms/{room}", ok),
            ("/refused", refused),
            ("/crash", crash),
            ("/ws/{room}", socket),
            ("/file", file),
        ]:
            app.router.add_get(path, handler)
        return app

    return make


@pytest.fixture
def clock() -> Clock:
    return Clock()
