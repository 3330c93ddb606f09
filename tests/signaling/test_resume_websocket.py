"""Connections over real WebSockets that are cut on either side, and resumed."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest
from signaling_fakes import ScriptedMediaServer
from signaling_site import PATIENCE, last_words, receive, receive_until, running, until

from sfu.events import TransportClosed
from signaling.settings import RoomSettings


@pytest.fixture
async def site():
    async with running(media=ScriptedMediaServer()) as site:
        yield site


def cut(ws: aiohttp.ClientWebSocketResponse) -> None:
    """End the client's TCP connection as a lost network does: with no goodbye."""
    ws._response.connection.transport.abort()


async def resume(site, welcome, after, room="room"):
    """Connect again; return the WebSocket and its first message."""
    params = {"resume": welcome["resume"]["token"], "after": after}
    ws = await site.client.ws_connect(f"/ws/{room}", params=params)
    return ws, await ws.receive_json(timeout=PATIENCE)


async def detached(site):
    await until(lambda: site.rooms.detached_count == 1 and len(site.connections) == 1)


@pytest.mark.parametrize("cancels", [False, True])
async def test_a_connection_that_is_cut_is_resumed(cancels):
    media = ScriptedMediaServer()
    async with running(RoomSettings(mode="sfu"), media, cancels=cancels) as site:
        a, _ = await site.join()
        b, welcome = await site.join()
        me = welcome["clientId"]
        await receive_until(a, type="presence", action="join")
        await b.send_json({"type": "chat", "text": "before"})
        seq = (await b.receive_json(timeout=PATIENCE))["seq"]
        cut(b)
        await detached(site)
        media.emit(TransportClosed("room", me, "consent-expired"))
        await a.send_json({"type": "chat", "text": "meanwhile"})
        again, resumed = await resume(site, welcome, seq)
        assert (resumed["type"], resumed["clientId"], resumed["roomId"]) == ("resumed", me, "room")
        assert (resumed["mode"], resumed["missed"], resumed["received"]) == ("sfu", 2, 1)
        assert resumed["resume"]["seconds"] == 30.0
        assert resumed["resume"]["token"] != welcome["resume"]["token"]
        assert (await receive(again))["state"] == "closed"
        assert (await receive(again))["text"] == "meanwhile"
        await again.send_json({"type": "chat", "text": "after"})
        heard = [await receive(a) for _ in range(3)]
        assert [m.get("text") for m in heard] == ["before", "meanwhile", "after"]
        assert heard[2]["from"] == me
        assert media.calls == []
        counters = site.rooms.counters
        assert (counters.resumed, counters.leaves, counters.closed) == (1, 0, {"lost": 1})


async def test_the_server_side_breaks(site):
    """As when the server's network stack resets the connection."""
    a, welcome = await site.join()
    (protocol,) = site.client.server.runner.server.connections
    protocol.transport.abort()
    async with asyncio.timeout(PATIENCE):
        assert (await a.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    await until(lambda: site.rooms.detached_count == 1)
    _, resumed = await resume(site, welcome, 2)
    assert (resumed["type"], resumed["missed"]) == ("resumed", 0)


async def test_a_client_that_does_not_answer_pings_is_detached():
    async with running(RoomSettings(heartbeat=0.2)) as site:
        _, welcome = await site.join(autoping=False)
        await until(lambda: site.rooms.detached_count == 1)
        assert site.rooms.counters.closed == {"lost": 1}
        _, resumed = await resume(site, welcome, 2)
        assert resumed["type"] == "resumed"


@pytest.mark.parametrize(
    ("code", "leaves"), [(1000, True), (1001, True), (None, True), (1011, False), (4000, False)]
)
async def test_which_close_is_a_goodbye(site, code, leaves):
    a, _ = await site.join()
    b, welcome = await site.join()
    await receive_until(a, type="presence")
    if code is None:
        # A close frame without a code (RFC 6455 section 5.5.1).
        await b._writer.send_frame(b"", aiohttp.WSMsgType.CLOSE)
    else:
        await b.close(code=code)
    if leaves:
        left = await receive_until(a, type="presence", action="leave")
        assert (left["clientId"], site.rooms.counters.closed) == (welcome["clientId"], {"client": 1})
        ws, refusal = await resume(site, welcome, 2)
        assert (refusal["code"], (await last_words(ws))[1]) == ("resume_unknown", 4412)
        assert site.rooms.counters.resumes_refused == {"late": 1}
    else:
        await detached(site)
        assert (await resume(site, welcome, 2))[1]["type"] == "resumed"


async def test_taking_over_a_half_open_connection(site):
    a, _ = await site.join()
    b, welcome = await site.join()
    await receive_until(a, type="presence")
    # The client hears nothing more there, and the server does not know: messages go into the void.
    await a.send_json({"type": "chat", "text": "lost"})
    await receive_until(a, type="chat")
    again, resumed = await resume(site, welcome, 2)
    assert (resumed["type"], resumed["missed"]) == ("resumed", 1)
    assert (await receive(again))["text"] == "lost"
    said, code = await last_words(b)
    assert (said["code"], code) == ("replaced", 4411)
    await until(lambda: len(site.connections) == 2)
    assert site.rooms.counters.closed == {"replaced": 1}
    assert (site.rooms.participant_count, site.rooms.detached_count) == (2, 0)
    await again.send_json({"type": "chat", "text": "here"})
    assert (await receive(a))["text"] == "here"
    assert (await receive(again))["text"] == "here"


async def test_what_comes_on_a_replaced_connection_does_not_count(site):
    a, _ = await site.join()
    b, welcome = await site.join()
    await receive_until(a, type="presence")
    again, resumed = await resume(site, welcome, 2)
    with contextlib.suppress(ConnectionError):
        await b.send_json({"type": "chat", "text": "from the grave"})
    await last_words(b)
    await again.send_json({"type": "chat", "text": "here"})
    assert resumed["received"] == 0
    assert (await receive(a))["text"] == "here"


async def test_who_missed_more_than_is_kept_is_told_the_state():
    async with running(RoomSettings(send_queue_messages=5)) as site:
        a, _ = await site.join()
        b, welcome = await site.join()
        await receive_until(a, type="presence")
        cut(b)
        await detached(site)
        for number in range(6):
            await a.send_json({"type": "chat", "text": str(number)})
            await receive_until(a, type="chat")
        again, resumed = await resume(site, welcome, 2)
        assert (resumed["missed"], resumed["participants"]) == (None, welcome["participants"])
        assert resumed["seq"] == 8
        await again.send_json({"type": "ping"})
        assert await again.receive_json(timeout=PATIENCE) == {"type": "pong", "seq": 9}
        assert site.rooms.counters.closed == {"lost": 1}


@pytest.mark.parametrize(
    ("address", "code", "close_code"),
    [
        ("/ws/room?resume=made-up&after=3", "resume_unknown", 4412),
        ("/ws/nowhere?resume=made-up", "resume_unknown", 4412),
        ("/ws/room?resume={token}&after=x", "bad_request", 4400),
        ("/ws/room?resume={token}&after=-1", "bad_request", 4400),
        ("/ws/other?resume={token}&after=2", "resume_unknown", 4412),
        ("/ws/room?device=a%20b", "bad_request", 4400),
    ],
)
async def test_a_resumption_that_is_refused_is_told_why(site, address, code, close_code):
    _, welcome = await site.join()
    token = welcome["resume"]["token"]
    refused = await site.client.ws_connect(address.format(token=token))
    message, closed = await last_words(refused)
    assert (message["type"], message["code"], closed) == ("error", code, close_code)
    assert site.rooms.counters.refused == {code: 1}
    # The token is as good as it was.
    assert (await resume(site, welcome, 2))[1]["type"] == "resumed"


async def test_the_access_token_is_not_looked_at(site):
    a, welcome = await site.join()
    cut(a)
    await until(lambda: site.rooms.detached_count == 1)
    params = {"token": "expired", "resume": welcome["resume"]["token"]}
    ws = await site.client.ws_connect("/ws/room", params=params)
    resumed = await ws.receive_json(timeout=PATIENCE)
    assert (resumed["type"], resumed["missed"]) == ("resumed", None)


async def test_who_does_not_come_back_has_left():
    async with running(RoomSettings(resume_seconds=0.1, sweep_interval=0.01)) as site:
        a, _ = await site.join()
        b, welcome = await site.join()
        await receive_until(a, type="presence")
        cut(b)
        left = await receive_until(a, type="presence", action="leave")
        assert left["clientId"] == welcome["clientId"]
        assert site.rooms.detached_count == 0


async def test_a_rejoin_replaces_the_ghost_of_the_same_device(site):
    a, _ = await site.join()
    b, ghost = await site.join(params={"device": "phone"})
    await receive_until(a, type="presence")
    cut(b)
    await detached(site)
    _, welcome = await site.join(params={"device": "phone"})
    assert len(welcome["participants"]) == 2
    told = [await receive(a) for _ in range(2)]
    assert [(m["action"], m["clientId"]) for m in told] == [
        ("leave", ghost["clientId"]),
        ("join", welcome["clientId"]),
    ]


async def test_a_server_stops_without_waiting_for_the_detached():
    async with running() as site:
        a, _ = await site.join()
        cut(a)
        await until(lambda: site.rooms.detached_count == 1)
        async with asyncio.timeout(1.0):
            await site.client.app.shutdown()
        assert (site.rooms.participant_count, site.rooms.detached_count) == (0, 0)
