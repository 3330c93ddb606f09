"""Rooms over real WebSockets on loopback: joining, talking, being refused or too slow, leaving no trace."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
from collections import Counter

import aiohttp
import pytest
from aiohttp import WSMsgType
from signaling_fakes import ScriptedMediaServer
from signaling_site import (
    ADA,
    EXPIRED,
    PATIENCE,
    last_words,
    receive,
    receive_until,
    running,
    unnumbered,
    until,
)

from sfu.errors import NegotiationError
from sfu.events import (
    DataRefused,
    Encoding,
    TrackPublished,
    TrackUnpublished,
    TransportClosed,
    TransportConnected,
)
from sfu.offer import Answer, Offer
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.room import Room
from signaling.settings import RoomSettings
from signaling.websocket import Connection


@pytest.fixture
async def site():
    async with running() as site:
        yield site


async def test_two_meet_talk_and_part(site):
    a, welcome = await site.join(params={"displayName": "Ada L."})
    assert welcome["participants"] == [
        {"id": welcome["clientId"], "displayName": "Ada L.", "role": "speaker"}
    ]
    b = await site.client.ws_connect("/ws/room?displayName=Bob")
    second = await receive(b)
    ada, bob = welcome["clientId"], second["clientId"]
    people = [
        {"id": ada, "displayName": "Ada L.", "role": "speaker"},
        {"id": bob, "displayName": "Bob", "role": "guest"},
    ]
    assert await receive(b) == {"type": "participants", "participants": people}
    assert second["participants"] == people
    assert await receive(a) == {
        "type": "presence",
        "action": "join",
        "clientId": bob,
        "displayName": "Bob",
        "role": "guest",
    }
    await b.send_json({"type": "profile", "displayName": "Bobby"})
    await b.send_json({"type": "chat", "text": "hellö"})
    for ws in (a, b):
        assert await receive(ws) == {"type": "profile", "clientId": bob, "displayName": "Bobby"}
        chat = await receive(ws)
        assert (chat["from"], chat["displayName"], chat["text"]) == (bob, "Bobby", "hellö")
        assert chat["timestamp"] > 1_700_000_000_000
    await a.send_json({"type": "webrtc", "action": "offer", "to": bob, "from": bob, "sdp": "v=0", "x": 1})
    assert await receive(b) == {
        "type": "webrtc",
        "action": "offer",
        "to": bob,
        "from": ada,
        "sdp": "v=0",
        "x": 1,
    }
    await b.close()
    assert await receive(a) == {
        "type": "presence",
        "action": "leave",
        "clientId": bob,
        "displayName": "Bobby",
        "role": "guest",
    }
    assert site.rooms.counters.closed == {"client": 1}


@pytest.mark.parametrize(
    ("settings", "address", "code", "close_code"),
    [
        ({}, "/ws/a.b?token={ada}", "bad_request", 4400),
        ({}, "/ws/%0A?token={ada}", "bad_request", 4400),
        ({}, "/ws/" + "x" * 65 + "?token={ada}", "bad_request", 4400),
        ({}, "/ws/room?displayName=" + "x" * 65, "bad_request", 4400),
        ({}, "/ws/room?token=nonsense", "token_invalid", 4401),
        ({}, "/ws/room?token={expired}", "token_expired", 4401),
        ({"guests": False}, "/ws/room", "guests_not_allowed", 4403),
        ({}, "/ws/other", "room_not_found", 4404),
        ({"max_participants": 1}, "/ws/room?token={ada}", "room_full", 4409),
        ({"max_rooms": 1}, "/ws/other?token={ada}", "room_full", 4409),
    ],
)
async def test_a_join_that_is_refused_is_told_why(settings, address, code, close_code):
    async with running(RoomSettings(**settings)) as site:
        inside, _ = await site.join()
        refused = await site.client.ws_connect(address.format(ada=ADA, expired=EXPIRED))
        message, closed = await last_words(refused)
        assert (message["type"], message["code"], closed) == ("error", code, close_code)
        assert message["message"]
        assert site.rooms.counters.refused == {code: 1}
        # Those inside have noticed nothing.
        await inside.send_json({"type": "ping"})
        assert await receive(inside) == {"type": "pong"}
        assert (len(site.rooms), site.rooms.participant_count) == (1, 1)


@pytest.mark.parametrize(
    ("frame", "opcode", "code", "request_type"),
    [
        (b"{", WSMsgType.TEXT, "malformed_json", None),
        (b"[]", WSMsgType.TEXT, "malformed_json", None),
        (b"\xff\xfe", WSMsgType.TEXT, "malformed_json", None),
        (b"[" * 65_000, WSMsgType.TEXT, "malformed_json", None),
        (b'{"type": "ping"}', WSMsgType.BINARY, "malformed_json", None),
        (b'{"type": "sing"}', WSMsgType.TEXT, "unknown_type", "sing"),
        (b'{"type": "chat"}', WSMsgType.TEXT, "invalid_field", "chat"),
        (
            b'{"type": "webrtc", "action": "offer", "to": "nobody", "sdp": "v=0"}',
            WSMsgType.TEXT,
            "unknown_recipient",
            "webrtc",
        ),
        (
            b'{"type": "webrtc", "action": "offer", "to": "sfu", "sdp": "v=0"}',
            WSMsgType.TEXT,
            "media_unavailable",
            "webrtc",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
async def test_a_bad_message_costs_an_error_and_nothing_else(site, frame, opcode, code, request_type):
    a, _ = await site.join()
    b, _ = await site.join()
    await receive_until(a, type="presence")
    await a.send_frame(frame, opcode)
    await a.send_json({"type": "ping", "id": 1})
    error = await receive(a)
    assert (error["type"], error["code"], error.get("request")) == ("error", code, request_type)
    assert await receive(a) == {"type": "pong", "id": 1}
    await b.send_json({"type": "ping"})
    assert await receive(b) == {"type": "pong"}
    assert site.rooms.counters.errors == {code: 1}


async def test_an_error_carries_the_request_id(site):
    a, _ = await site.join()
    await a.send_json({"type": "webrtc", "action": "ice", "to": "x", "candidate": None, "id": "q9"})
    error = await receive(a)
    assert (error["code"], error["request"], error["id"]) == ("unknown_recipient", "webrtc", "q9")


@pytest.mark.parametrize(
    ("size", "close_code"),
    [(65_536, None), (65_537, None), (393_216, None), (393_217, 1009), (3_000_000, 1009)],
)
async def test_the_largest_frame(site, size, close_code):
    a, _ = await site.join()
    b, _ = await site.join()
    frame = json.dumps({"type": "ping", "pad": ""})
    frame = frame.replace('""', f'"{"x" * (size - len(frame))}"')
    assert len(frame) == size
    # The server does not read a frame that is too large to its end.
    with contextlib.suppress(ConnectionError):
        await b.send_str(frame)
    received = await b.receive(timeout=PATIENCE)
    if close_code is None:
        told = unnumbered(json.loads(received.data))
        assert told == {"type": "pong"} if size <= 65_536 else told["code"] == "message_too_large"
        await b.send_json({"type": "ping", "id": 1})
        assert await receive(b) == {"type": "pong", "id": 1}
    else:
        assert (received.type, received.data) == (WSMsgType.CLOSE, close_code)
        await receive_until(a, type="presence", action="leave")
        assert site.rooms.counters.closed == {"too_big": 1}


async def test_a_burst_is_answered_and_not_taken_for_slowness(site):
    a, _ = await site.join()
    count = 2 * site.rooms.settings.send_queue_messages - 50
    assert count < site.rooms.settings.messages_per_second * site.rooms.settings.rate_window
    # In one write, so that the server finds all of them at once.
    for number in range(count):
        await a.send_frame(json.dumps({"type": "ping", "id": number}).encode(), WSMsgType.TEXT)
    assert [(await receive(a))["id"] for _ in range(count)] == list(range(count))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "ping"},
        {"type": "webrtc", "action": "ice", "to": "nobody", "candidate": None},
        {"type": "no such type"},
    ],
)
async def test_a_flood_is_answered_with_rate_limited(message):
    async with running(RoomSettings(messages_per_second=0.1, rate_window=30)) as site:
        a, _ = await site.join()
        for number in range(4):
            await a.send_json(message | {"id": number})
        answers = [await receive(a) for _ in range(4)]
        assert [m["id"] for m in answers] == [0, 1, 2, 3]
        limited = [m["id"] for m in answers if m.get("code") == "rate_limited"]
        assert limited == [3]
        assert answers[3]["request"] == message["type"]
        assert site.rooms.counters.errors["rate_limited"] == 1


def narrow_socket(address_info) -> socket.socket:
    """A socket that takes little before it is read."""
    family, kind, protocol, _, _ = address_info
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return sock


async def test_a_client_that_does_not_read_is_closed_and_nobody_else_notices():
    settings = RoomSettings(send_queue_messages=16, send_buffer_bytes=4096)
    connector = aiohttp.TCPConnector(socket_factory=narrow_socket)
    async with running(settings) as site, aiohttp.ClientSession(connector=connector) as session:
        a, _ = await site.join()
        b, _ = await site.join()
        slow = await session.ws_connect(site.client.make_url(f"/ws/room?token={ADA}"))
        clients = [await receive_until(a, type="presence", action="join") for _ in range(2)]
        sent: list[str] = []

        async def left() -> str:
            return (await receive_until(b, type="presence", action="leave"))["clientId"]

        heard = asyncio.create_task(left())
        while not heard.done():
            sent.append(f"{len(sent)} " + "x" * 3990)
            await a.send_json({"type": "chat", "text": sent[-1]})
            assert (await receive_until(a, type="chat"))["text"] == sent[-1]
            assert len(sent) < 450
        assert await heard == clients[1]["clientId"]
        await a.send_json({"type": "chat", "text": "still here"})
        assert (await receive_until(b, type="chat"))["from"]
        # It had everything up to the gap, and then the reason.
        async with asyncio.timeout(PATIENCE):
            got = [json.loads(frame.data) async for frame in slow]
        texts = [m["text"] for m in got if m["type"] == "chat"]
        assert texts == sent[: len(texts)]
        assert (got[-1]["type"], got[-1]["code"], slow.close_code) == ("error", "too_slow", 4408)
        assert site.rooms.counters.closed == {"too_slow": 1}
        assert site.rooms.counters.frames_dropped >= 16


@pytest.mark.parametrize("limit", [{"send_queue_messages": 16}, {"send_timeout": 0.05}])
async def test_a_client_that_never_reads_again_is_cut(limit):
    bounds = {"send_queue_messages": 10**9, "send_queue_bytes": 10**9} | limit
    settings = RoomSettings(send_buffer_bytes=4096, close_timeout=0.05, messages_per_second=10_000, **bounds)
    async with running(settings) as site:
        a, _ = await site.join()
        connector = aiohttp.TCPConnector(socket_factory=narrow_socket)
        async with aiohttp.ClientSession(connector=connector) as session:
            slow = await session.ws_connect(site.client.make_url(f"/ws/room?token={ADA}"))
            await until(lambda: len(site.connections) == 2)
            sockets = site.client.server.runner.server
            assert len(sockets.connections) == 2
            async with asyncio.timeout(PATIENCE):
                while site.rooms.participant_count == 2:
                    await a.send_json({"type": "chat", "text": "x" * 4000})
                    await receive_until(a, type="chat")
            await until(lambda: len(sockets.connections) == len(site.connections) == 1)
            assert site.rooms.counters.closed == {"too_slow": 1}
            await slow.close()


async def test_a_client_that_does_not_answer_pings_has_left():
    async with running(RoomSettings(heartbeat=0.4, resume_seconds=0)) as site:
        a, _ = await site.join()
        _, welcome = await site.join(autoping=False)
        # The first one answers pings only while it reads.
        gone = await receive_until(a, type="presence", action="leave")
        assert gone["clientId"] == welcome["clientId"]
        assert site.rooms.counters.closed == {"lost": 1}


@pytest.mark.parametrize("cancels", [False, True])
async def test_where_connections_are_not_resumed_one_that_is_cut_is_a_leave(cancels):
    async with running(RoomSettings(resume_seconds=0), cancels=cancels) as site:
        a, _ = await site.join()
        b, welcome = await site.join()
        assert "resume" not in welcome
        b.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        gone = await receive_until(a, type="presence", action="leave")
        assert gone["clientId"] == welcome["clientId"]
        await until(lambda: len(site.connections) == 1)
        assert site.rooms.counters.closed == {"lost": 1}


def count_things() -> Counter:
    """How many there are in this process, those of other tests included."""
    gc.collect()
    kinds = (Room, Participant, Outbox, Connection)
    return Counter(type(thing) for thing in gc.get_objects() if isinstance(thing, kinds))


@pytest.mark.parametrize("cancels", [False, True])
async def test_joining_and_leaving_leaves_nothing_behind(cancels):
    media = ScriptedMediaServer()
    async with running(media=media, cancels=cancels) as site:
        watcher, _ = await site.join("watched")
        await until(lambda: len(site.connections) == 1)
        tasks, things = len(asyncio.all_tasks()), count_things()
        for number in range(200):
            room = "watched" if number % 2 else f"room{number}"
            ws, welcome = await site.join(room)
            await ws.send_json({"type": "tracks", "tracks": [{"source": "camera"}]})
            await receive_until(ws, type="tracks")
            assert welcome["clientId"] in site.rooms.get(room)
            await ws.close()
        await until(lambda: site.rooms.participant_count == 1 and len(site.connections) == 1)
        assert sum(call[0] == "leave" for call in media.calls) == 200
        assert sum(call[0] == "close_room" for call in media.calls) == 100
        assert site.rooms.expire(asyncio.get_running_loop().time() + 60) == 100
        assert [room.id for room in site.rooms] == ["watched"]
        assert site.rooms.get("watched").tracks == ()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: count_things() == things)
        assert site.rooms.counters.joins == 201
        assert site.rooms.counters.leaves == 200
        assert site.rooms.counters.closed == {"client": 200}
        await watcher.close()


async def test_rooms_that_nobody_came_to_are_swept_away():
    async with running(RoomSettings(created_grace=0.0, sweep_interval=0.01)) as site:
        site.rooms.create(asyncio.get_running_loop().time())
        await until(lambda: len(site.rooms) == 0)
        assert site.rooms.counters.rooms_expired == 1


async def test_a_server_that_stops_says_so():
    async with running() as site:
        a, _ = await site.join()
        b, _ = await site.join("other")
        said = asyncio.gather(last_words(a), last_words(b))
        stopped = asyncio.create_task(site.client.server.close())
        for message, close_code in await said:
            assert (message["code"], close_code) == ("server_stopping", 4410)
        async with asyncio.timeout(PATIENCE):
            await stopped
        assert site.rooms.participant_count == 0
        assert site.rooms.counters.closed == {"server_stopping": 2}


async def test_a_server_stops_in_time_even_if_nobody_answers():
    async with running(RoomSettings(close_timeout=0.05)) as site:
        await site.join(autoclose=False)
        await site.join(autoclose=False)
        async with asyncio.timeout(1.0):
            await site.client.app.shutdown()
        assert (site.rooms.participant_count, len(site.connections)) == (0, 0)


OFFER = {
    "type": "webrtc",
    "action": "offer",
    "to": "sfu",
    "id": 1,
    "sdp": "v=0",
    "publish": {"0": {"source": "microphone"}},
    "subscribe": {"1": "x:camera"},
}


async def test_negotiation_with_the_media_server():
    media = ScriptedMediaServer()
    media.answer = Answer("v=0 yes", {"0": "x"}, {"1": None})
    async with running(RoomSettings(mode="sfu"), media) as site:
        a, welcome = await site.join()
        me = welcome["clientId"]
        await a.send_json(OFFER)
        assert await receive(a) == {
            "type": "webrtc",
            "action": "answer",
            "from": "sfu",
            "to": me,
            "id": 1,
            "sdp": "v=0 yes",
            "publish": {"0": "x"},
            "subscribe": {"1": None},
        }
        assert media.calls == [
            ("offer", "room", me, Offer("v=0", {"0": "microphone"}, {"1": "x:camera"}), True)
        ]
        await a.send_json({"type": "subscription", "trackId": "x:camera", "paused": True})
        await a.send_json({"type": "ping"})
        assert await receive(a) == {"type": "pong"}
        assert media.calls[1] == ("pause", "room", me, "x:camera", True)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (NegotiationError("sdp_no_ice", "line 9 lacks ice-ufrag"), "sdp_no_ice", "line 9 lacks ice-ufrag"),
        (RuntimeError("a secret"), "internal_error", "the server failed on this message"),
    ],
)
async def test_an_offer_that_fails_costs_an_error_and_nothing_else(error, code, sentence):
    media = ScriptedMediaServer()
    async with running(RoomSettings(mode="sfu"), media) as site:
        a, _ = await site.join()
        media.error = error
        await a.send_json(OFFER)
        refusal = await receive(a)
        assert (refusal["code"], refusal["request"], refusal["id"]) == (code, "webrtc", 1)
        assert sentence in refusal["message"]
        assert "secret" not in refusal["message"]
        media.error = None
        await a.send_json(OFFER)
        assert (await receive(a))["action"] == "answer"


async def test_events_of_the_media_server_reach_the_room():
    media = ScriptedMediaServer()
    async with running(RoomSettings(mode="sfu"), media) as site:
        a, welcome = await site.join()
        b, _ = await site.join()
        await receive_until(a, type="presence")
        me = welcome["clientId"]
        track_id = f"{me}:screen-audio"
        media.emit(TransportConnected("room", me))
        assert await receive(a) == {"type": "media", "state": "connected"}
        media.emit(TrackPublished("room", me, track_id, "audio", "screen-audio", (Encoding("", "opus"),)))
        media.emit(TrackUnpublished("room", me, track_id))
        track = {
            "id": track_id,
            "clientId": me,
            "kind": "audio",
            "source": "screen-audio",
            "muted": False,
            "sfu": True,
            "encodings": [{"rid": "", "codec": "opus"}],
        }
        for ws in (a, b):
            assert await receive(ws) == {"type": "tracks", "action": "added", "tracks": [track]}
            assert await receive(ws) == {"type": "tracks", "action": "removed", "tracks": [track]}
        media.emit(TransportClosed("room", me, "consent-expired"))
        assert await receive(a) == {"type": "media", "state": "closed", "reason": "consent-expired"}
        media.emit(TransportClosed("gone", me, "consent-expired"))
        media.emit(TrackUnpublished("room", me, "no such track"))
        await a.send_json({"type": "ping"})
        assert await receive(a) == {"type": "pong"}


async def test_a_third_makes_it_an_sfu_room():
    async with running(media=ScriptedMediaServer()) as site:
        a, first = await site.join()
        _, second = await site.join()
        assert (first["mode"], second["mode"]) == ("p2p", "p2p")
        _, third = await site.join()
        assert third["mode"] == "sfu"
        assert await receive_until(a, type="mode") == {"type": "mode", "mode": "sfu"}


async def test_who_is_in_the_room_may_send_data_and_is_told_of_what_was_refused():
    media = ScriptedMediaServer()
    async with running(RoomSettings(mode="sfu"), media) as site:
        a, welcome = await site.join()
        me = welcome["clientId"]
        assert media.may_send_data("room", me)
        assert not media.may_send_data("room", "stranger")
        assert not media.may_send_data("elsewhere", me)
        media.emit(DataRefused("room", me, "data_malformed", "no line feed"))
        media.emit(DataRefused("room", "gone", "data_malformed", "no line feed"))
        assert await receive_until(a, type="error") == {
            "type": "error",
            "code": "data_malformed",
            "message": "no line feed",
            "request": "data",
        }
        await a.send_json({"type": "ping"})
        assert await receive(a) == {"type": "pong"}
