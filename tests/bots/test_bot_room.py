"""Joining, chat and presence against the scripted server; no media."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from bot_stand_in import Server

import bots
from bots import socket
from bots.events import NameChanged, ParticipantJoined, ParticipantLeft, Refused

WAIT = 5


async def next_of(iterator):
    return await asyncio.wait_for(anext(iterator), WAIT)


async def test_joining_as_somebody():
    async with Server() as server, bots.Room.join(server.url, token="t0ken", display_name="Echo") as room:
        (query,) = server.queries
        assert query.pop("traceparent").startswith("00-")
        assert query.pop("baggage").startswith("chatter.client=bot,")
        assert query == {"token": "t0ken", "displayName": "Echo"}
        assert (room.id, room.client_id, room.mode, room.tracks) == ("abc", "c1", "sfu", ())
        assert room.milestones.connected is None
        assert await room.ping() < WAIT


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (4404, "room_not_found", "There is no room abc."),
        (4401, "token_expired", "Sign in again."),
        (4409, "room_full", "The room is full."),
    ],
)
async def test_a_refused_join_says_why(code, error, message):
    async with Server() as server:
        server.refuse = (code, error, message)
        with pytest.raises(bots.JoinRefused, match=rf"{message[:-1]}\. \({error}\)") as refused:
            async with bots.Room.join(server.url):
                pass
        assert refused.value.code == error


async def test_nobody_there():
    async with Server() as server:
        url = server.url
    with pytest.raises(bots.JoinRefused, match=r"cannot be reached.*\(unreachable\)"):
        async with bots.Room.join(url):
            pass


async def test_something_else_is_there():
    async with Server() as server:
        with pytest.raises(bots.JoinRefused, match=r"/x/ws/abc answered with HTTP 404 \(not_chatter\)"):
            async with bots.Room.join(server.url.replace("/r/", "/x/r/")):
                pass


async def test_a_server_that_says_no_welcome():
    async with Server() as server:
        server.silent = True
        with pytest.raises(bots.JoinRefused, match=r"no welcome from ws://.* within 0.05 s \(timeout\)"):
            async with bots.Room.join(server.url, timeout=0.05):
                pass


async def test_chat_goes_both_ways():
    async with (
        Server() as server,
        bots.Room.join(server.url, display_name="Ann") as ann,
        bots.Room.join(server.url, display_name="Ben") as ben,
    ):
        said = await ann.chat("hello")
        assert (said.sender, said.display_name, said.text) == (ann.client_id, "Ann", "hello")
        assert await next_of(ben.messages()) == said
        assert await next_of(ann.messages()) == said
        assert said.timestamp == 1_700_000_000_000


async def test_a_refused_chat_message():
    def refuse(server, client, message):
        refusal = {"code": "invalid_field", "message": "text is too long", "request": "chat"}
        return client.send(type="error", id=message["id"], **refusal)

    async with Server() as server, bots.Room.join(server.url) as room:
        server.script = refuse
        with pytest.raises(bots.RequestRefused, match=r"text is too long \(invalid_field\)") as refused:
            await room.chat("x" * 5000)
        assert refused.value.request == "chat"
        server.script = lambda *_: None
        assert (await room.chat("short")).text == "short"


async def test_an_answer_that_does_not_come(monkeypatch):
    monkeypatch.setattr(socket, "ANSWER_TIMEOUT", 0.02)
    async with Server() as server, bots.Room.join(server.url) as room:
        server.script = lambda *_: True
        with pytest.raises(TimeoutError):
            await room.ping()


async def test_who_comes_and_goes():
    async with Server() as server, bots.Room.join(server.url, display_name="Ann") as ann:
        events = ann.events()
        async with bots.Room.join(server.url, display_name="Ben") as ben:
            joined = await next_of(events)
            assert joined == ParticipantJoined(bots.Participant(ben.client_id, "Ben"))
            await ben.rename("Benjamin")
            renamed = bots.Participant(ben.client_id, "Benjamin")
            assert await next_of(events) == NameChanged(renamed)
            assert renamed in ann.participants
            assert {p.display_name for p in ben.participants} == {"Ann", "Benjamin"}
        assert await next_of(events) == ParticipantLeft(renamed)
        assert [p.display_name for p in ann.participants] == ["Ann"]


async def test_a_lost_connection_ends_everything_that_waits():
    async with Server() as server, bots.Room.join(server.url) as room:
        waiting = [
            asyncio.create_task(read_all(room.events())),
            asyncio.create_task(anext(room.messages())),
            asyncio.create_task(room.track("x:camera")),
            asyncio.create_task(room.wait_for_track()),
        ]
        await asyncio.sleep(0)
        server.script = lambda *_: True
        waiting.append(asyncio.create_task(room.chat("lost")))
        await server.client.send(type="error", code="server_stopping", message="The server stops.")
        await server.client.socket.close(code=4410)
        for task in waiting:
            with pytest.raises(bots.RoomLeft, match=r"The server stops\. \(close code 4410\)") as left:
                await asyncio.wait_for(task, WAIT)
            assert left.value.code == 4410
        with pytest.raises(bots.RoomLeft):
            await room.chat("too late")


async def test_leaving_ends_iterators_without_an_error():
    async with Server() as server:
        async with bots.Room.join(server.url) as room:
            events, messages = room.events(), room.messages()
            reading = [asyncio.create_task(read_all(events)), asyncio.create_task(read_all(messages))]
            await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.gather(*reading), WAIT) == [[], []]
        assert [t for t in asyncio.all_tasks() if t.get_name().startswith("bot-")] == []


async def test_leaving_waits_for_the_servers_goodbye():
    """Closed over what the server still sends, the connection would be reset and the goodbye lost."""
    open_after_goodbye = []

    async def serve(request):
        socket = web.WebSocketResponse(autoclose=False)
        await socket.prepare(request)
        welcome = {"type": "welcome", "clientId": "c1", "roomId": "abc", "roomMode": "sfu", "mode": "sfu"}
        await socket.send_json(welcome | {"participants": [], "tracks": [], "iceServers": []})
        goodbye = await socket.receive()
        assert (goodbye.type, goodbye.data) == (WSMsgType.CLOSE, 1000)
        for _ in range(100):
            await asyncio.sleep(0)
        await socket.send_json({"type": "presence", "action": "leave", "clientId": "c2", "displayName": "x"})
        open_after_goodbye.append(not request.transport.is_closing())
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/ws/{room}", serve)
    async with TestServer(app) as server:
        async with bots.Room.join(str(server.make_url("/r/abc"))):
            for _ in range(10):
                await asyncio.sleep(0)  # until the bot waits for messages
        assert open_after_goodbye == [True]


async def read_all(iterator):
    return [item async for item in iterator]


async def test_messages_that_are_not_understood_are_ignored():
    async with Server() as server, bots.Room.join(server.url) as room:
        client = server.client
        await client.send(type="presence", action="join")
        await client.send(type="weather", sky="blue")
        await client.socket.send_str("no json")
        await client.socket.send_str("[1]")
        await client.socket.send_bytes(b"\0")
        await room.ping()
        assert room.protocol_violations == 1
        assert room._socket.ignored == 3


async def test_an_error_that_answers_nothing_is_an_event():
    async with Server() as server, bots.Room.join(server.url) as room:
        await server.client.send(type="error", code="rate_limited", message="Slow down.")
        assert await next_of(room.events()) == Refused("rate_limited", "Slow down.")


async def test_waiting_for_a_track_ends():
    async with Server() as server, bots.Room.join(server.url) as room:
        with pytest.raises(TimeoutError):
            await room.track("x:camera", timeout=0.01)
        with pytest.raises(TimeoutError):
            await room.wait_for_track(kind="video", timeout=0.01)


async def test_a_wrong_welcome():
    async with Server() as server:
        server.welcome = {"clientId": 7}
        with pytest.raises(bots.JoinRefused, match=r"welcome: clientId is 7, expected str \(protocol\)"):
            async with bots.Room.join(server.url):
                pass
