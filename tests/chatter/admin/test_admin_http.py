import asyncio
import json
import logging

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chatter.admin import http as admin_http
from chatter.admin import live as live_module
from chatter.app import DRAIN, SAMPLER, create_app
from observability.logs import get_level

DEVICE = {"X-Device-ID": "laptop"}


async def register(client, name):
    body = {"username": name, "password": "securepassword"}
    answer = await client.post("/auth/register", json=body, headers=DEVICE)
    return answer.status, await answer.json()


@pytest.fixture
async def site(make_settings, tmp_path):
    """An operator and a client of the server; the account was there before its name was listed."""
    settings = make_settings(metrics={"interval": "1h"})
    async with TestClient(TestServer(create_app(settings))) as before:
        await register(before, "olga")
    settings = make_settings(metrics={"interval": "1h"}, admin={"operators": ["Olga", "pia"]})
    async with TestClient(TestServer(create_app(settings))) as client:
        body = {"username": "olga", "password": "securepassword"}
        answer = await client.post("/auth/login", json=body, headers=DEVICE)
        token = (await answer.json())["token"]
        client.session.headers["Authorization"] = f"Bearer {token}"
        yield client


ROUTES = [
    ("GET", "/admin/state"),
    ("GET", "/admin/history"),
    ("GET", "/admin/live"),
    ("POST", "/admin/drain"),
    ("PUT", "/admin/log-level"),
    ("DELETE", "/admin/rooms/a"),
    ("DELETE", "/admin/rooms/a/participants/b"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_operators_get_in(site, method, path):
    _, ann = await register(site, "ann")
    for headers, status, code in [
        ({"Authorization": f"Bearer {ann['token']}"}, 403, "not_an_operator"),
        ({"Authorization": "Bearer nonsense"}, 401, "token_invalid"),
    ]:
        answer = await site.request(method, path, headers=headers)
        assert (answer.status, (await answer.json())["code"]) == (status, code)


async def test_nobody_can_register_the_name_of_an_operator(site):
    for name in ("pia", "PIA", "olga"):
        status, body = await register(site, name)
        assert (status, body["code"]) == (403, "username_reserved")
    assert (await register(site, "paul"))[0] == 200


async def test_without_operators_the_refusal_says_how_to_name_one(client):
    _, ann = await register(client, "ann")
    answer = await client.get("/admin/state", headers={"Authorization": f"Bearer {ann['token']}"})
    assert answer.status == 403
    assert "ADMIN_OPERATORS" in (await answer.json())["detail"]


async def call(site):
    """A room, and the WebSocket of somebody in it."""
    room_id = (await (await site.post("/rooms")).json())["roomId"]
    ws = await site.ws_connect(f"/ws/{room_id}?displayName=Ann&baggage=chatter.client=test")
    client_id = (await ws.receive_json())["clientId"]
    await site.app[SAMPLER].take()
    return room_id, client_id, ws


async def test_the_state(site):
    room_id, client_id, ws = await call(site)
    state = await (await site.get("/admin/state", params={"room": room_id})).json()
    assert (state["point"]["participants"], state["roomCount"]) == (1, 1)
    (row,) = state["rooms"]
    assert (row["id"], row["participants"], row["quality"]["grade"]) == (room_id, 1, "good")
    (person,) = state["room"]["participants"]
    assert (person["id"], person["name"], person["userId"]) == (client_id, "Ann", None)
    (join,) = state["joins"]
    assert (join["participant"], join["client"], join["outcome"]) == (client_id, "test", "joining")
    assert join["stages"][0]["stage"] == "websocket"
    assert state["node"]["draining"] is None
    assert (await (await site.get("/admin/state")).json())["room"] is None
    points = (await (await site.get("/admin/history")).json())["points"]
    assert points[-1]["participants"] == 1
    assert points[-1]["memory"] > 1_000_000
    await ws.close()


async def events(answer):
    """The states of a stream."""
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


async def arrives(stream, holds):
    """Wait for a state of which something holds."""
    async for state in stream:
        if holds(state):
            return
    raise AssertionError("the stream ended before")


async def test_the_state_comes_by_itself(site):
    async with asyncio.timeout(10), site.get("/admin/live") as answer:
        assert answer.content_type == "text/event-stream"
        stream = events(answer)
        assert (await anext(stream))["point"]["participants"] == 0
        _, _, ws = await call(site)
        await arrives(stream, lambda state: state["point"]["participants"] == 1)
        await site.put("/admin/log-level", json={"level": "error"})
        await arrives(stream, lambda state: state["node"]["logLevel"] == "error")
        await ws.close()


async def test_who_reads_late_gets_the_newest_only(site):
    async with asyncio.timeout(10), site.get("/admin/live") as answer:
        stream = events(answer)
        await anext(stream)
        live = site.app[admin_http.LIVE]
        # No turn for the stream between these.
        for _ in range(5):
            live.wake()
        await live.close(site.app)
        # One for the look that the stream asked for, and one for all of these.
        assert len([state async for state in stream]) <= 2


async def test_streams_are_counted_and_end_with_the_server(site, monkeypatch):
    monkeypatch.setattr(live_module, "MAX_STREAMS", 1)
    async with asyncio.timeout(10), site.get("/admin/live") as answer:
        stream = events(answer)
        await anext(stream)
        refused = await site.get("/admin/live")
        assert (refused.status, (await refused.json())["code"]) == (503, "too_many_streams")
        await site.app[admin_http.LIVE].close(site.app)
        async for _ in stream:
            pass


@pytest.mark.parametrize("detached", [False, True])
async def test_somebody_is_removed(site, detached, caplog):
    caplog.set_level(logging.INFO)
    room_id, client_id, ws = await call(site)
    watcher = await site.ws_connect(f"/ws/{room_id}")
    await watcher.receive_json()
    if detached:
        await ws.close(code=4000)
    answer = await site.delete(f"/admin/rooms/{room_id}/participants/{client_id}")
    assert answer.status == 204
    if not detached:
        while (message := await ws.receive_json())["type"] != "error":
            pass
        assert message["code"] == "removed"
        await ws.receive()
        assert ws.close_code == 4413
    while (message := await watcher.receive_json())["type"] != "presence":
        pass
    assert (message["action"], message["clientId"]) == ("leave", client_id)
    again = await site.delete(f"/admin/rooms/{room_id}/participants/{client_id}")
    assert (await again.json())["code"] == "no_such_participant"
    (line,) = [record for record in caplog.records if record.message == "An operator removed a participant"]
    assert (line.username, line.client) == ("olga", client_id)
    await watcher.close()


async def test_a_room_is_closed(site):
    room_id, _, ws = await call(site)
    assert (await site.delete(f"/admin/rooms/{room_id}")).status == 204
    while not ws.closed:
        await ws.receive()
    assert ws.close_code == 4410
    for path in ("/admin/rooms/nowhere", "/admin/rooms/nowhere/participants/x"):
        answer = await site.delete(path)
        assert (answer.status, (await answer.json())["code"]) == (404, "no_such_room")


async def test_the_server_drains(site):
    answer = await site.post("/admin/drain")
    ends_at = (await answer.json())["endsAt"]
    assert site.app[DRAIN].begun
    assert site.app[DRAIN].started.is_set()
    assert (await (await site.get("/admin/state")).json())["node"]["draining"]["endsAt"] == ends_at
    assert (await site.post("/rooms")).status == 503


async def test_the_log_level(site):
    before = get_level()
    assert (await site.put("/admin/log-level", json={"level": "debug"})).status == 204
    assert get_level() == "debug"
    refused = await site.put("/admin/log-level", json={"level": "loud"})
    assert refused.status == 400
    assert "must be debug, info, warning or error" in (await refused.json())["detail"]
    await site.put("/admin/log-level", json={"level": before})
    assert get_level() == before
