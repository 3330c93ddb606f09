"""A scripted server: a real WebSocket on loopback, and an aiortc peer connection as the media server's side.

One room, any number of clients. Messages between clients are relayed as the protocol says; offers to `sfu`
are answered with the tracks that a test has put there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import VideoFrame

Script = Callable[["Server", "Client", dict[str, Any]], Any]


class Colour(MediaStreamTrack):
    """Plain frames of one brightness at 30 per second, small and cheap."""

    kind = "video"

    def __init__(self, luma: int, width: int = 160, height: int = 120) -> None:
        super().__init__()
        self.luma = luma
        self.size = (width, height)

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(1 / 30)
        frame = VideoFrame(*self.size, "yuv420p")
        for plane, value in zip(frame.planes, (self.luma, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        # One clock for all, as an encoder may be fed by one after another.
        frame.pts, frame.time_base = round(time.monotonic() * 90_000), Fraction(1, 90_000)
        return frame


def luma(frame: VideoFrame) -> int:
    """The brightness of the first pixel."""
    return memoryview(frame.planes[0])[0]


class Media:
    """The answering side of one client's connection to `sfu`."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.received: list[MediaStreamTrack] = []
        self.offers: list[dict[str, Any]] = []
        self.peer.on("track", self.received.append)

    async def answer(self, message: dict[str, Any], tracks: dict[str, MediaStreamTrack]) -> dict[str, Any]:
        self.offers.append(message)
        await self.peer.setRemoteDescription(RTCSessionDescription(message["sdp"], "offer"))
        given: dict[str, str | None] = {}
        for transceiver in self.peer.getTransceivers():
            wanted = message["subscribe"].get(transceiver.mid)
            if transceiver._offerDirection == "sendonly" and wanted is not None:
                track = tracks.get(wanted)
                given[transceiver.mid] = wanted if track else None
                transceiver.direction = "sendonly" if track else "inactive"
                if track is not None and transceiver.sender.track is not track:
                    transceiver.sender.replaceTrack(track)
            elif transceiver._offerDirection in ("inactive", "recvonly"):
                transceiver.direction = transceiver._offerDirection
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        return {"sdp": self.peer.localDescription.sdp, "subscribe": given, "publish": {}}


class Client:
    def __init__(self, server: Server, client_id: str, name: str, socket: web.WebSocketResponse) -> None:
        self.server = server
        self.id = client_id
        self.name = name
        self.socket = socket
        self.received: list[dict[str, Any]] = []
        self.media: Media | None = None

    async def send(self, **message: Any) -> None:
        if not self.socket.closed:
            await self.socket.send_json(message)


class Server:
    """The scripted room; `script` may handle a message by returning True."""

    def __init__(self) -> None:
        self.mode = "sfu"
        self.silent = False
        self.welcome: dict[str, Any] = {}
        self.clients: dict[str, Client] = {}
        self.tracks: dict[str, MediaStreamTrack] = {}
        self.announced: list[dict[str, Any]] = []
        self.refuse: tuple[int, str, str] | None = None
        self.queries: list[dict[str, str]] = []
        self.script: Script = lambda server, client, message: None
        self.medias: list[Media] = []
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()
        app = web.Application()
        app.router.add_get("/ws/{room}", self._serve)
        self._http = TestServer(app)

    async def __aenter__(self) -> Server:
        await self._http.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in list(self.clients.values()):
            await client.socket.close()
        async with asyncio.timeout(10):
            await self._empty.wait()
        for media in self.medias:
            await media.peer.close()
        for track in self.tracks.values():
            track.stop()
        await self._http.close()

    @property
    def url(self) -> str:
        return str(self._http.make_url("/r/abc"))

    @property
    def client(self) -> Client:
        """The only client."""
        (client,) = self.clients.values()
        return client

    async def broadcast(self, **message: Any) -> None:
        for client in list(self.clients.values()):
            await client.send(**message)

    async def add_track(self, track_id: str, track: MediaStreamTrack) -> None:
        self.tracks[track_id] = track
        client_id, source = track_id.split(":")
        info = {"id": track_id, "clientId": client_id, "kind": track.kind, "source": source}
        info |= {"muted": False, "sfu": True, "encodings": []}
        self.announced.append(info)
        await self.broadcast(type="tracks", action="added", tracks=[info])

    async def remove_track(self, track_id: str) -> None:
        track = self.tracks.pop(track_id)
        for media in self.medias:
            for sender in media.peer.getSenders():
                if sender.track is track:
                    sender.replaceTrack(None)
        # The frame that the sender waits for just now still goes out.
        await asyncio.sleep(0.1)
        gone = [info for info in self.announced if info["id"] == track_id]
        self.announced = [info for info in self.announced if info["id"] != track_id]
        await self.broadcast(type="tracks", action="removed", tracks=gone)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.queries.append(dict(request.query))
        if self.refuse is not None:
            code, error, message = self.refuse
            await socket.send_json({"type": "error", "code": error, "message": message})
            await socket.close(code=code)
            return socket
        self._count += 1
        client = Client(self, f"c{self._count}", request.query.get("displayName", "Guest"), socket)
        there = [{"id": c.id, "displayName": c.name} for c in self.clients.values()]
        everybody = [*there, {"id": client.id, "displayName": client.name}]
        welcome = {"clientId": client.id, "roomId": "abc", "roomMode": "auto", "mode": self.mode}
        lists = {"participants": everybody, "tracks": self.announced, "iceServers": []}
        if not self.silent:
            await client.send(**{"type": "welcome", **welcome, **lists, **self.welcome})
        await client.send(type="participants", participants=everybody)
        await self.broadcast(type="presence", action="join", clientId=client.id, displayName=client.name)
        self.clients[client.id] = client
        self._empty.clear()
        try:
            async for frame in socket:
                if frame.type == WSMsgType.TEXT:
                    await self._take(client, frame.json())
        finally:
            self.clients.pop(client.id, None)
            if not self.clients:
                self._empty.set()
            await self.broadcast(type="presence", action="leave", clientId=client.id, displayName=client.name)
        return socket

    async def _take(self, client: Client, message: dict[str, Any]) -> None:
        client.received.append(message)
        handled = self.script(self, client, message)
        if asyncio.iscoroutine(handled):
            handled = await handled
        if handled:
            return
        match message:
            case {"type": "chat", "text": text}:
                who = {"from": client.id, "displayName": client.name}
                await self.broadcast(type="chat", id="m1", text=text, timestamp=1_700_000_000_000, **who)
            case {"type": "profile", "displayName": name}:
                client.name = name
                await self.broadcast(type="profile", clientId=client.id, displayName=name)
            case {"type": "ping"}:
                await client.send(type="pong", id=message["id"])
            case {"type": "webrtc", "to": "sfu", "action": "offer"}:
                client.media = client.media or self._add_media()
                answer = await client.media.answer(message, self.tracks)
                who = {"from": "sfu", "to": client.id, "id": message["id"]}
                await client.send(type="webrtc", action="answer", **who, **answer)
            case {"type": "webrtc", "to": to} if to in self.clients:
                await self.clients[to].send(**{**message, "from": client.id})
            case {"type": "tracks", "tracks": tracks}:
                await self._announce(client, tracks)

    def _add_media(self) -> Media:
        self.medias.append(Media())
        return self.medias[-1]

    async def _announce(self, client: Client, tracks: list[dict[str, Any]]) -> None:
        for item in tracks:
            kind = "audio" if item["source"] in ("microphone", "screen-audio") else "video"
            info = {"id": f"{client.id}:{item['source']}", "clientId": client.id, "kind": kind, **item}
            info |= {"sfu": False, "encodings": []}
            self.announced.append(info)
            await self.broadcast(type="tracks", action="added", tracks=[info])
