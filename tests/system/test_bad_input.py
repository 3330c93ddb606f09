"""A hostile client gets a named reason for everything, and the calls that run meanwhile lose nothing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aioice import stun
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

import bots
from bots.account import Account
from bots.rtc import with_candidates
from tests.system.conditions import until
from tests.system.conftest import StartServer
from tests.system.senses import FRAMES_PER_SECOND, robot
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

GONE_ON = 200
"""Frames of sound, four seconds of them, that each bot is to have sent since the attack began."""

IN_FLIGHT = 20
"""Frames of sound that may be under way to a listener: a tenth of those."""

ANSWER_LIMIT = 10.0
DEEP = "[" * 2000 + "]" * 2000
PRIVATE = RTCConfiguration(iceServers=[])


class Hostile:
    """A raw WebSocket in a room."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.client_id = ""

    async def say(self, message: dict[str, Any]) -> None:
        await self.socket.send_str(json.dumps(message))

    async def hears_any(self) -> dict[str, Any]:
        """The next message. Raises TimeoutError."""
        frame = await self.socket.receive(ANSWER_LIMIT)
        assert frame.type is aiohttp.WSMsgType.TEXT, f"the connection ended: {self.socket.close_code}"
        message: dict[str, Any] = json.loads(frame.data)
        return message

    async def hears(self, kind: str) -> dict[str, Any]:
        """The next message of a type. Raises TimeoutError."""
        async with asyncio.timeout(ANSWER_LIMIT):
            while (message := await self.hears_any())["type"] != kind:
                pass
        return message

    async def refused(self) -> str:
        """The code of the next error."""
        return str((await self.hears("error"))["code"])

    async def close_code(self) -> int | None:
        """That of the server, once it has closed the connection."""
        async with asyncio.timeout(ANSWER_LIMIT):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code

    async def offer(self, sdp: str) -> None:
        await self.say({"type": "webrtc", "action": "offer", "to": "sfu", "sdp": sdp})


class Heard:
    """What a bot gets of the tone of another: nothing of it may be missing."""

    def __init__(self) -> None:
        self.frames = 0
        self.gaps: list[tuple[int, int]] = []

    async def listen(self, track: bots.RemoteTrack) -> None:
        expected: int | None = None
        async for frame in track.frames("block", size=10_000):
            assert frame.pts is not None
            if expected is not None and frame.pts != expected:
                self.gaps.append((expected, frame.pts))
            expected = frame.pts + frame.samples
            self.frames += 1


@asynccontextmanager
async def call(room_url: str) -> AsyncIterator[tuple[list[bots.Room], list[Heard]]]:
    """Two bots that see and hear each other; what they hear is noted from the moment that it flows."""
    async with AsyncExitStack() as stack:
        rooms = [await stack.enter_async_context(robot(room_url, name)) for name in ("One", "Two")]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        heard = []
        for room in rooms:
            track = await room.wait_for_track(kind="audio")
            await (await room.wait_for_track(kind="video")).started()
            # Once the picture is there too, nothing starts any more.
            await track.started()
            listener = Heard()
            task = group.create_task(listener.listen(track))
            stack.callback(task.cancel)
            heard.append(listener)
        yield rooms, heard


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def own_server(start_server: StartServer) -> Server:
    """A server with small rooms that only these tests use."""
    return await start_server(ROOMS_MAX_PARTICIPANTS="4")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def owner(own_server: Server) -> Account:
    return await Account.register(own_server.url, f"owner-{secrets.token_hex(4)}", "correct horse")


@asynccontextmanager
async def intruder(room_url: str, **query: str) -> AsyncIterator[Hostile]:
    """Join a room as a hostile guest."""
    address = room_url.replace("http", "ws", 1).replace("/r/", "/ws/")
    async with aiohttp.ClientSession() as http, http.ws_connect(address, params=query) as websocket:
        hostile = Hostile(websocket)
        if not query:
            hostile.client_id = (await hostile.hears("welcome"))["clientId"]
        yield hostile


async def peer() -> tuple[RTCPeerConnection, str]:
    """A real peer connection that wants to receive, and its offer."""
    connection = RTCPeerConnection(PRIVATE)
    connection.addTransceiver("audio", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    return connection, connection.localDescription.sdp


def without(sdp: str, *names: str) -> str:
    """SDP without the lines of these attributes."""
    return re.sub(rf"^a=({'|'.join(names)}):.*\r\n", "", sdp, flags=re.MULTILINE)


def with_lines(sdp: str, count: int) -> str:
    """SDP with so many short m-lines."""
    session = re.split(r"^m=", sdp, maxsplit=1, flags=re.MULTILINE)[0]
    kept = "".join(re.findall(r"^a=(?:ice-ufrag|ice-pwd|fingerprint:sha-256).*\r\n", sdp, flags=re.MULTILINE))
    media = "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\na=rtcp-mux\r\n"
    lines = [f"{media}a=mid:{mid}\r\na=rtpmap:96 opus/48000/2\r\n" for mid in range(count)]
    bundle = " ".join(str(mid) for mid in range(count))
    head = re.sub(r"^a=group:BUNDLE.*$", f"a=group:BUNDLE {bundle}", session, flags=re.MULTILINE)
    return f"{head}{kept}a=setup:actpass\r\n" + "".join(lines)


async def bad_messages(room_url: str, victim: bots.Room) -> None:
    """Each is answered with its code, and the connection lives on."""
    connection, sdp = await peer()
    offers = {
        "sdp_malformed": "v=0\r\nthis is no session description\r\n",
        "sdp_no_ice": without(sdp, "ice-ufrag", "ice-pwd"),
        "sdp_no_dtls": without(sdp, "fingerprint"),
    }
    texts: dict[str, list[str | bytes]] = {
        "malformed_json": ["{no json", DEEP, '"text"', b"\x00\x01", "{}"[:1]],
        "unknown_type": ['{"type": "nonsense"}', "{}"],
        "invalid_field": ['{"type": "chat"}', '{"type": "chat", "text": 5}'],
        "message_too_large": [json.dumps({"type": "chat", "text": "x" * 70_000})],
        "unknown_recipient": ['{"type": "webrtc", "action": "offer", "to": "nobody", "sdp": "v=0"}'],
    }
    async with intruder(room_url) as hostile:
        for code, frames in texts.items():
            for frame in frames:
                await (hostile.socket.send_bytes if isinstance(frame, bytes) else hostile.socket.send_str)(
                    frame
                )
                assert await hostile.refused() == code, frame[:60]
        for code, offer in offers.items():
            await hostile.offer(offer)
            assert await hostile.refused() == code
        await hostile.offer(with_lines(sdp, 1000))
        assert await hostile.refused() == "sdp_too_many_media"

        # Whoever it says it is, it is itself.
        await hostile.say({"type": "chat", "text": "forged", "from": victim.client_id})
        async for message in victim.messages(timeout=ANSWER_LIMIT):
            if message.text == "forged":
                assert message.sender == hostile.client_id
                break
        await hostile.say({"type": "ping"})
        await hostile.hears("pong")
    await connection.close()


async def bad_joins(room_url: str) -> None:
    """Each is closed with its code."""
    async with intruder(room_url, token="nonsense") as hostile:
        assert await hostile.refused() == "token_invalid"
        assert await hostile.close_code() == 4401
    async with intruder(room_url, displayName="x" * 100) as hostile:
        assert await hostile.refused() == "bad_request"
        assert await hostile.close_code() == 4400
    async with intruder(room_url), intruder(room_url), intruder(room_url, displayName="Fifth") as hostile:
        assert await hostile.refused() == "room_full"
        assert await hostile.close_code() == 4409
    async with intruder(room_url) as hostile:
        await hostile.socket.send_str("x" * 500_000)
        assert await hostile.close_code() == 1009
    async with intruder(room_url) as hostile:
        # It reads all answers, so it is too fast and not too slow.
        for _ in range(1000):
            await hostile.say({"type": "ping"})
            while (answer := await hostile.hears_any())["type"] not in ("pong", "error"):
                pass
            if answer["type"] == "error":
                break
        assert answer["code"] == "rate_limited"


async def wrong_fingerprint(room_url: str) -> None:
    """A handshake with another certificate than the offer's ends the media, not the participant."""
    connection, sdp = await peer()
    forged = re.sub(r"(?<=sha-256 )\S+", ":".join(["AB"] * 32), sdp)
    forged = re.sub(r"^a=fingerprint:sha-(384|512).*\r\n", "", forged, flags=re.MULTILINE)
    async with intruder(room_url) as hostile:
        await hostile.offer(forged)
        answer = (await hostile.hears("webrtc"))["sdp"]
        await connection.setRemoteDescription(RTCSessionDescription(with_candidates(answer), "answer"))
        closed = await hostile.hears("media")
        assert (closed["state"], closed["reason"]) == ("closed", "fingerprint-mismatch")
        await hostile.say({"type": "ping"})
        await hostile.hears("pong")
    await connection.close()


def binding_request(answer: str, password: str | None = None, ufrag: str | None = None) -> bytes:
    """A connectivity check for the server's side of an answer."""
    ufrag = ufrag or re.findall(r"a=ice-ufrag:(\S+)", answer)[0]
    password = password or re.findall(r"a=ice-pwd:(\S+)", answer)[0]
    message = stun.Message(
        stun.Method.BINDING,
        stun.Class.REQUEST,
        attributes={"USERNAME": f"{ufrag}:them", "PRIORITY": 1, "ICE-CONTROLLING": 1, "USE-CANDIDATE": None},
    )
    message.add_message_integrity(password.encode())
    return bytes(message)


async def bad_datagrams(server: Server, room_url: str) -> None:
    """Each is dropped under its reason."""
    connection, sdp = await peer()
    rtp = struct.pack("!BBHII", 0x80, 96, 1, 1, 1) + bytes(100)
    async with intruder(room_url) as hostile:
        await hostile.offer(sdp)
        answer = (await hostile.hears("webrtc"))["sdp"]
        check = binding_request(answer)
        cases: list[tuple[str, list[bytes]]] = [
            ("unknown_protocol", [bytes([first]) + os.urandom(40) for first in (4, 15, 70, 200, 255)]),
            ("empty", [b""]),
            ("stun_malformed", [check[:size] for size in (1, 10, 19, 30, len(check) - 1)]),
            ("stun_integrity", [binding_request(answer, password="wrong" * 5)]),
            ("stun_unknown_user", [binding_request(answer, ufrag="nobody12")]),
            ("unbound_address", [rtp, bytes([22]) + os.urandom(60), rtp[:5]]),
        ]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect(("127.0.0.1", server.media_port))
            for reason, datagrams in cases:
                await counted(server, udp, reason, datagrams)
            # The right password binds the address; without DTLS there are no keys.
            udp.send(check)
            await counted(server, udp, "before_dtls", [rtp, rtp[:13]])
            for _ in range(2000):
                udp.send(os.urandom(200))
    await connection.close()


async def counted(server: Server, udp: socket.socket, reason: str, datagrams: list[bytes]) -> None:
    """Send datagrams and wait until the server has counted them all under a reason."""
    before = (await server.drops()).get(reason, 0)
    for datagram in datagrams:
        udp.send(datagram)

    async def has_counted() -> bool:
        return (await server.drops()).get(reason, 0) >= before + len(datagrams)

    await until(has_counted, f"{len(datagrams)} datagrams are counted as {reason}", limit=5)


Attack = Callable[[Server, str, bots.Room], Awaitable[None]]


async def everything(server: Server, room_url: str, victim: bots.Room) -> None:
    await bad_messages(room_url, victim)
    await bad_joins(room_url)
    await wrong_fingerprint(room_url)
    await bad_datagrams(server, room_url)


async def test_a_running_call_loses_nothing_to_a_hostile_client(own_server: Server, owner: Account) -> None:
    attacked, other = await owner.create_room("sfu"), await owner.create_room("sfu")
    async with call(attacked) as (here, heard_here), call(other) as (there, heard_there):
        rooms, heard = [*here, *there], [*heard_here, *heard_there]
        # Each listener hears the other bot of the room.
        speakers = [*reversed(here), *reversed(there)]
        loop = asyncio.get_running_loop()
        began, before = loop.time(), [frames(room) for room in rooms]
        listened, said = [listener.frames for listener in heard], [spoken(room) for room in speakers]

        await everything(own_server, attacked, here[0])

        async def went_on() -> bool:
            return all(spoken(room) - first >= GONE_ON for room, first in zip(speakers, said, strict=True))

        # The attack is short; what it did would be heard after it, too.
        await until(went_on, "the bots go on talking", limit=20)
        elapsed = loop.time() - began
        pictures = [(frames(room) - first) / elapsed for room, first in zip(rooms, before, strict=True)]
        sounds = [h.frames - first for h, first in zip(heard, listened, strict=True)]
        sent = [spoken(room) - first for room, first in zip(speakers, said, strict=True)]
        assert min(pictures) >= FRAMES_PER_SECOND, pictures
        # Against what was sent: how fast that is, is the machine's doing.
        assert all(got >= all_ - IN_FLIGHT for got, all_ in zip(sounds, sent, strict=True)), (sounds, sent)
        assert [listener.gaps for listener in heard] == [[], [], [], []]
    assert own_server.complaints == []


def spoken(room: bots.Room) -> int:
    """Frames of sound that a bot has sent."""
    (microphone,) = (p for p in room.publications if p.source == "microphone")
    return microphone.sent


def frames(room: bots.Room) -> int:
    """Pictures that a bot has got of the other one."""
    return sum(track.received for track in room.tracks if track.kind == "video")
