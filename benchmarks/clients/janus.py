"""Janus under load, by its videoroom plugin over WebSocket; and a process of it, as Debian packages it."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiortc import RTCCertificate

from benchmarks.clients.adapter import Connection, Member, Sending
from benchmarks.clients.description import CODECS, Line, describe, lines_of
from benchmarks.clients.endpoint import ConnectFailed, Endpoint, Remote
from benchmarks.server import ProcessFailed, free_port, process

ANSWER_TIMEOUT = 15.0
START_TIMEOUT = 20.0
# A session without a request for 60 s ends.
KEEPALIVE = 20.0

_LIBRARIES = Path("/usr/lib/x86_64-linux-gnu/janus")

_SETTINGS = """\
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{libraries}/plugins"
    transports_folder = "{libraries}/transports"
    events_folder = "{libraries}/events"
    loggers_folder = "{libraries}/loggers"
    debug_level = 2
    {threads}
    server_name = "benchmark"
}}
media: {{
    rtp_port_range = "{ports}"
}}
nat: {{
    ice_lite = true
}}
plugins: {{
    disable = "{plugins}"
}}
transports: {{
    disable = "{transports}"
}}
events: {{
    broadcast = false
}}
"""
_WEBSOCKETS = """\
general: {{
    json = "compact"
    ws = true
    ws_port = {port}
    ws_ip = "127.0.0.1"
    wss = false
}}
admin: {{
    admin_ws = false
    admin_wss = false
}}
"""


@dataclass(slots=True)
class _Room:
    publishers: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Feed → kinds."""
    waiting: list[tuple[Member, int | None]] = field(default_factory=list)
    """Who receives, once everybody has joined, with their own feed."""


class JanusServer:
    """A Janus with the videoroom plugin, by the URL of its WebSocket. Use as a context."""

    name = "janus"

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
        self._rooms: dict[str, _Room] = {}
        self._numbers = itertools.count(1)
        self._requests: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> JanusServer:
        self._socket = await self._http.ws_connect(self._url, protocols=["janus-protocol"])
        self._tasks.append(asyncio.create_task(self._read()))
        created = await self._request({"janus": "create"}, awaited="success")
        self._session = int(created["data"]["id"])
        self._tasks.append(asyncio.create_task(self._keep_alive()))
        self._control = await self._attach()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._socket.close()

    async def open_room(self) -> str:
        """Make a videoroom. Raises ConnectFailed."""
        made = await self._message(
            self._control,
            {
                "request": "create",
                "publishers": 100,
                "bitrate": 10_000_000,
                "audiocodec": "opus",
                "videocodec": "vp8",
                "notify_joining": False,
                "audiolevel_event": False,
            },
        )
        room = str(made["room"])
        self._rooms[room] = _Room()
        return room

    async def join(self, room: str, member: Member) -> list[Connection]:
        """Who sends is connected now; who receives, when the room is complete."""
        found = []
        feed = None
        if member.sends:
            connection, feed = await self._publish(room, member)
            self._rooms[room].publishers[feed] = tuple(member.sends)
            found.append(connection)
        if member.receives:
            self._rooms[room].waiting.append((member, feed))
        return found

    async def complete(self, room: str) -> list[Connection]:
        """Connect those who receive, some at once."""
        places = asyncio.Semaphore(8)
        waiting, self._rooms[room].waiting = self._rooms[room].waiting, []

        async def one(member: Member, own: int | None) -> Connection:
            async with places:
                return await self._subscribe(room, member, own)

        return list(await asyncio.gather(*(one(member, own) for member, own in waiting)))

    async def close_room(self, room: str) -> None:
        """Everybody leaves."""
        self._rooms.pop(room)
        await self._message(self._control, {"request": "destroy", "room": int(room)})

    async def _publish(self, room: str, member: Member) -> tuple[Connection, int]:
        handle = await self._attach()
        joined = await self._message(handle, {"request": "join", "ptype": "publisher", "room": int(room)})
        endpoint = Endpoint(self._certificate, self._profiles)
        sends = [Sending(kind, secrets.randbits(31) + 1, CODECS[kind][0]) for kind in member.sends]
        lines = [Line(sending.kind, str(at), sending.ssrc) for at, sending in enumerate(sends)]
        # To actpass Janus would answer active, and our end of DTLS is the client.
        offer = {"type": "offer", "sdp": describe(endpoint, lines, "active")}
        answer = await self._request(
            {
                "janus": "message",
                "handle_id": handle,
                "body": {"request": "publish"},
                "jsep": offer,
            },
            awaited="event",
        )
        await endpoint.connect(Remote.parse(_description(answer)))
        return Connection(endpoint, sends), int(joined["id"])

    async def _subscribe(self, room: str, member: Member, own: int | None) -> Connection:
        handle = await self._attach()
        publishers = self._rooms[room].publishers
        streams = [
            {"feed": feed, "mid": str(kinds.index(kind))}
            for feed, kinds in publishers.items()
            if feed != own
            for kind in kinds
            if kind in member.receives
        ]
        body = {"request": "join", "ptype": "subscriber", "room": int(room), "streams": streams}
        offer = _description(
            await self._request({"janus": "message", "handle_id": handle, "body": body}, awaited="event")
        )
        endpoint = Endpoint(self._certificate, self._profiles)
        answer = {"type": "answer", "sdp": describe(endpoint, lines_of(offer), "active")}
        await self._request(
            {
                "janus": "message",
                "handle_id": handle,
                "body": {"request": "start"},
                "jsep": answer,
            },
            awaited="event",
        )
        await endpoint.connect(Remote.parse(offer))
        return Connection(endpoint, [], len(streams))

    # Janus's protocol: requests of a session, answers by their transaction

    async def _attach(self) -> int:
        attached = await self._request(
            {"janus": "attach", "plugin": "janus.plugin.videoroom"}, awaited="success"
        )
        return int(attached["data"]["id"])

    async def _message(self, handle: int, body: dict[str, Any]) -> dict[str, Any]:
        """A request to the plugin; its own answer."""
        answer = await self._request({"janus": "message", "handle_id": handle, "body": body}, awaited="")
        data: dict[str, Any] = answer["plugindata"]["data"]
        return data

    async def _request(self, request: dict[str, Any], awaited: str) -> dict[str, Any]:
        """Answers of another kind than `awaited` (empty: the plugin's, of whichever kind) are waited
        past, such as "ack", which says that the answer is still to come."""
        transaction = f"{awaited}/{next(self._numbers)}"
        future = asyncio.get_running_loop().create_future()
        self._requests[transaction] = future
        session = {"session_id": self._session} if request["janus"] != "create" else {}
        await self._socket.send_str(json.dumps({**request, **session, "transaction": transaction}))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer: dict[str, Any] = await future
        except TimeoutError:
            raise ConnectFailed(f"Janus did not answer {request['janus']} in {ANSWER_TIMEOUT:g} s") from None
        finally:
            del self._requests[transaction]
        error = answer.get("error") or answer.get("plugindata", {}).get("data", {}).get("error")
        if error:
            raise ConnectFailed(f"Janus refused: {error}")
        return answer

    async def _read(self) -> None:
        async for message in self._socket:
            body = json.loads(message.data)
            transaction = body.get("transaction", "")
            future = self._requests.get(transaction)
            awaited = transaction.split("/")[0]
            if future is None or future.done():
                continue
            if body["janus"] in (awaited, "error") or (not awaited and "plugindata" in body):
                future.set_result(body)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE)
            await self._request({"janus": "keepalive"}, awaited="ack")


def _others(kind: str, wanted: str) -> str:
    """What is not to be loaded, as the configuration has it."""
    return ",".join(f"{path.stem}.so" for path in _modules(kind) if wanted not in path.name)


def _modules(kind: str) -> Iterator[Path]:
    return (_LIBRARIES / kind).glob("*.so")


def _description(answer: dict[str, Any]) -> str:
    sdp = answer.get("jsep", {}).get("sdp")
    if not sdp:
        raise ConnectFailed("Janus answered without a description")
    return str(sdp)


@asynccontextmanager
async def janus(
    http: aiohttp.ClientSession, event_loops: int, profiles: tuple[str, ...] = ("gcm", "cm")
) -> AsyncIterator[JanusServer]:
    """Run Debian's Janus with a configuration of its own; `event_loops` threads for media, 0: one per client.

    Raises ProcessFailed, ConnectFailed.
    """
    executable = shutil.which("janus")
    if executable is None:
        raise ProcessFailed("Janus is not installed: apt-get install --no-install-recommends janus")
    port = free_port(socket.SOCK_STREAM)
    with tempfile.TemporaryDirectory(prefix="chatter-benchmark-") as folder:
        settings = _SETTINGS.format(
            folder=folder,
            libraries=_LIBRARIES,
            threads=f"event_loops = {event_loops}" if event_loops else "",
            ports="20000-40000",
            plugins=_others("plugins", "videoroom"),
            transports=_others("transports", "websockets"),
        )
        (Path(folder) / "janus.jcfg").write_text(settings)
        (Path(folder) / "janus.transport.websockets.jcfg").write_text(_WEBSOCKETS.format(port=port))
        (Path(folder) / "janus.plugin.videoroom.jcfg").write_text("general: {\n}\n")
        log = Path(folder) / "janus.log"
        arguments = [executable, "-F", folder, "-C", f"{folder}/janus.jcfg"]
        async with process(arguments, {}, log) as (running, _):
            server = JanusServer(f"ws://127.0.0.1:{port}", running.pid, http, profiles)
            await _listens(port, running, log)
            async with server:
                yield server


def _printed(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _listens(port: int, running: asyncio.subprocess.Process, log: Path) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                if running.returncode is not None:
                    raise ProcessFailed(f"Janus ended with {running.returncode}:\n{_printed(log)}")
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise ProcessFailed(f"Janus does not listen:\n{_printed(log)}") from None
