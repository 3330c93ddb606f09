"""Chatter under load: signaling as in docs/protocol.md."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from contextlib import suppress
from typing import Any

import aiohttp
from aiortc import RTCCertificate
from yarl import URL

from benchmarks.clients.adapter import Connection, Member, Sending
from benchmarks.clients.description import CODECS, Line, describe
from benchmarks.clients.endpoint import ConnectFailed, Endpoint, Remote
from bots.account import Account

ANSWER_TIMEOUT = 15.0


class ChatterServer:
    """A Chatter by its URL."""

    name = "chatter"

    def __init__(
        self,
        url: str,
        pid: int | None,
        http: aiohttp.ClientSession,
        profiles: tuple[str, ...] = ("gcm", "cm"),
    ) -> None:
        self.pid = pid
        self._url = url
        self._http = http
        self._profiles = profiles
        self._certificate = RTCCertificate.generateCertificate()
        self._account: Account | None = None
        self._sockets: dict[str, list[tuple[aiohttp.ClientWebSocketResponse, asyncio.Task[None]]]] = {}

    async def open_room(self) -> str:
        """Make a room of mode `sfu`. Raises SignInFailed."""
        if self._account is None:
            self._account = await Account.register(
                self._url, f"load{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
            )
        room = URL(await self._account.create_room("sfu")).name
        self._sockets[room] = []
        return room

    async def join(self, room: str, member: Member) -> list[Connection]:
        """One connection for all that is sent and received."""
        address = URL(self._url).with_path(f"/ws/{room}")
        address = address.with_scheme("wss" if address.scheme == "https" else "ws")
        socket = await self._http.ws_connect(address, max_msg_size=1 << 22)
        endpoint = Endpoint(self._certificate, self._profiles)
        sends = [Sending(kind, secrets.randbits(31) + 1, CODECS[kind][0]) for kind in member.sends]
        lines = [Line(sending.kind, str(at), sending.ssrc) for at, sending in enumerate(sends)]
        for kind, count in member.receives.items():
            lines += [Line(kind, str(len(lines) + at)) for at in range(count)]
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                offer = {"type": "webrtc", "action": "offer", "to": "sfu", "id": 1}
                await socket.send_str(json.dumps({**offer, "sdp": describe(endpoint, lines, "actpass")}))
                answer = await _answer(socket)
        except TimeoutError:
            raise ConnectFailed(f"no answer within {ANSWER_TIMEOUT:g} s") from None
        # What the room says from now on is read and forgotten, or the server would call us too slow.
        self._sockets[room].append((socket, asyncio.create_task(_forget(socket))))
        await endpoint.connect(Remote.parse(str(answer["sdp"])))
        return [Connection(endpoint, sends, sum(member.receives.values()))]

    async def complete(self, room: str) -> list[Connection]:
        """Nothing waits: lines that ask for nothing in particular are given what there is."""
        return []

    async def close_room(self, room: str) -> None:
        """Everybody leaves."""
        for socket, reader in self._sockets.pop(room):
            await socket.close()
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader


async def _answer(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            break
        body: dict[str, Any] = json.loads(message.data)
        if body.get("type") == "error":
            raise ConnectFailed(f"{body.get('message')} ({body.get('code')})")
        if body.get("type") == "webrtc":
            return body
    raise ConnectFailed(f"the server closed the connection with {socket.close_code}")


async def _forget(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        continue
