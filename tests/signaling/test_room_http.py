"""POST /rooms, and what GET /ws/{roomId} refuses before the upgrade."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

import auth.http
from api.errors import error_middleware
from auth.tokens import AccessTokens, Identity
from signaling.http import setup
from signaling.settings import RoomSettings

TOKENS = AccessTokens("s" * 32, 600)
BEARER = {"Authorization": f"Bearer {TOKENS.issue(Identity(1, 'ada'))}"}


JSON = {"Content-Type": "application/json"}


async def serve(settings: RoomSettings):
    app = web.Application(middlewares=[error_middleware])
    app[auth.http.TOKENS] = TOKENS
    rooms = setup(app, settings, None)
    return TestClient(TestServer(app)), rooms


@pytest.fixture
async def site():
    client, rooms = await serve(RoomSettings(max_rooms=3))
    async with client:
        yield client, rooms


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        (b"", "auto"),
        (b" \n", "auto"),
        (b"{}", "auto"),
        (b'{"mode": null}', "auto"),
        (b'{"mode": "p2p"}', "p2p"),
        (b'{"mode": "sfu", "more": 1}', "sfu"),
        (b'{"mode": "auto"}', "auto"),
    ],
)
async def test_a_room_is_made(site, body, mode):
    client, rooms = site
    answer = await client.post("/rooms", headers=BEARER | JSON, data=body)
    assert answer.status == 200
    told = await answer.json()
    host = f"{client.host}:{client.port}"
    assert told == {"roomId": told["roomId"], "wsUrl": f"ws://{host}/ws/{told['roomId']}"}
    assert rooms.get(told["roomId"]).room_mode == mode


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"Host": "chat.example"}, "ws://chat.example/ws/"),
        ({"Host": "chat.example", "X-Forwarded-Proto": "https"}, "wss://chat.example/ws/"),
        ({"Host": "chat.example:8443", "X-Forwarded-Proto": "HTTPS, http"}, "wss://chat.example:8443/ws/"),
        ({"Host": "chat.example", "X-Forwarded-Proto": "http"}, "ws://chat.example/ws/"),
    ],
)
async def test_the_address_is_the_one_that_was_asked(site, headers, url):
    client, _ = site
    answer = await client.post("/rooms", headers=BEARER | headers)
    assert (await answer.json())["wsUrl"].startswith(url)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({}, b"", 401, "token_missing"),
        ({"Authorization": "Bearer nonsense"}, b"", 401, "token_invalid"),
        (BEARER, b"{", 400, "invalid_json"),
        (BEARER, b"\xff", 400, "invalid_json"),
        (BEARER, b"[" * 4000, 400, "invalid_json"),
        (BEARER, b"[]", 400, "invalid_body"),
        (BEARER, b'{"mode": "mesh"}', 400, "invalid_request"),
        (BEARER, b'{"mode": ["sfu"]}', 400, "invalid_request"),
        (BEARER, b" " * 4097, 413, "body_too_large"),
    ],
)
async def test_a_request_that_is_refused_makes_no_room(site, headers, body, status, code):
    client, rooms = site
    answer = await client.post("/rooms", headers=headers | JSON, data=body)
    assert answer.status == status
    error = (await answer.json())["error"]
    assert error["code"] == code
    assert error["message"]
    assert len(rooms) == 0


async def test_too_many_rooms(site):
    client, _ = site
    statuses = [(await client.post("/rooms", headers=BEARER)).status for _ in range(4)]
    assert statuses == [200, 200, 200, 503]
    answer = await client.post("/rooms", headers=BEARER)
    assert (await answer.json())["error"]["code"] == "too_many_rooms"


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "good"),
    [
        (None, "chat.example", (), True),
        ("http://chat.example", "chat.example", (), True),
        ("https://chat.example", "chat.example", (), True),
        ("https://CHAT.example", "chat.example:443", (), True),
        ("http://chat.example:8080", "chat.example:8080", (), True),
        ("http://[::1]:8080", "[::1]:8080", (), True),
        ("http://chat.example:8081", "chat.example:8080", (), False),
        ("http://chat.example", "chat.example:8080", (), False),
        ("http://evil.example", "chat.example", (), False),
        ("http://chat.example.evil.example", "chat.example", (), False),
        ("null", "chat.example", (), False),
        ("", "chat.example", (), False),
        ("file://", "chat.example", (), False),
        ("http://[::1", "chat.example", (), False),
        ("http://chat.example:99999", "chat.example", (), False),
        ("http://localhost:5173", "chat.example", ("http://localhost:5173",), True),
        ("http://localhost:5173", "chat.example", ("http://LOCALHOST:5173/",), True),
        ("http://localhost:5174", "chat.example", ("http://localhost:5173",), False),
        ("http://evil.example", "chat.example", ("*",), True),
    ],
)
async def test_pages_of_other_sites_may_not_connect(origin, host, allowed, good):
    client, _ = await serve(RoomSettings(allowed_origins=allowed))
    headers = {"Host": host} | ({"Origin": origin} if origin is not None else {})
    async with client:
        if good:
            ws = await client.ws_connect("/ws/room", headers=headers)
            assert (await ws.receive_json())["code"] == "room_not_found"
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/ws/room", headers=headers)
            assert refused.value.status == 403


async def test_a_request_that_is_no_websocket_is_told_so(site):
    client, _ = site
    answer = await client.get("/ws/room")
    assert answer.status == 426
    assert answer.headers["Upgrade"] == "websocket"
    assert (await answer.json())["error"]["code"] == "upgrade_required"
