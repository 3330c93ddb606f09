"""The connection to the media server: one peer connection, negotiated by offers of the client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from aiortc import RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import InvalidStateError
from aiortc.mediastreams import MediaStreamError

from bots import rtc
from bots.data import DataChannels, DataMessage
from bots.errors import MediaFailed
from bots.messages import SFU, Json, Kind
from bots.publication import Outlet, Publication
from bots.track import RemoteTrack

CONNECT_TIMEOUT = 15.0
"""Seconds from the answer until ICE and DTLS must be done."""

STALE_FRAMES: dict[str, int] = {"video": 1, "audio": 4}
"""Frames that aiortc's jitter buffer still holds of the track that a reused line had before."""

Request = Callable[[dict[str, Any]], Awaitable[Json]]
"""Sends a message with an id and returns the answer to it; raises RequestRefused, TimeoutError, RoomLeft."""


@dataclass(slots=True, eq=False)
class _SendLine:
    transceiver: RTCRtpTransceiver
    outlet: Outlet


@dataclass(slots=True, eq=False)
class _ReceiveLine:
    transceiver: RTCRtpTransceiver
    kind: Kind
    track: RemoteTrack | None = None
    pump: asyncio.Task[None] | None = None
    used: bool = False
    open: bool = False
    """The answer has come: what is received now is of the track."""
    skip: int = 0
    dead: bool = False


class SfuConnection:
    """Publishes and subscribes through the media server until it is closed or lost."""

    def __init__(
        self,
        request: Request,
        on_frame: Callable[[RemoteTrack], None],
        on_lost: Callable[[SfuConnection, str], None],
        on_data: Callable[[DataMessage], None] | None = None,
    ) -> None:
        """`on_frame` is told the first frame of a track, `on_lost` once that the connection has ended,
        `on_data` every data message; without it there are no data channels."""
        self.stale = 0
        """Frames let go because they belonged to the track that a line had before."""
        self._request = request
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._sending: list[_SendLine] = []
        self._receiving: list[_ReceiveLine] = []
        self._connected = asyncio.Event()
        self._failure: str | None = None
        self._closed = False
        self._peer = rtc.connection()
        self.data = DataChannels(self._peer, on_data) if on_data is not None else None
        """The data channels, where they are wanted."""
        self._peer.on("connectionstatechange", self._state_changed)

    @property
    def connected(self) -> bool:
        return self._connected.is_set() and self._failure is None and not self._closed

    def carries(self, publication: Publication) -> bool:
        return any(line.outlet.publication is publication for line in self._sending)

    def has_packets(self, track: RemoteTrack) -> bool:
        """Whether packets of the track have come, decodable or not."""
        return any(line.track is track and rtc.has_packets(line.transceiver) for line in self._receiving)

    async def negotiate(self, publications: Sequence[Publication], wanted: Collection[RemoteTrack]) -> bool:
        """One offer and its answer: send exactly `publications`, receive exactly `wanted`.

        Returns True when the answer is applied, False when there was nothing to negotiate; media may still be
        connecting (see wait_connected). Raises RequestRefused when the server refuses the offer, MediaFailed
        when its answer cannot be used.
        """
        self._plan_sending(publications)
        self._plan_receiving(wanted)
        if not self._sending and not self._receiving and self.data is None:
            return False
        try:
            await self._peer.setLocalDescription(await self._peer.createOffer())
            offer = self._peer.localDescription.sdp
            rtc.require_candidates(offer)
            answer = await self._request(self._offer(offer))
            await self._apply(answer)
        except (InvalidStateError, ValueError, AssertionError) as error:
            raise MediaFailed(f"the answer of the media server cannot be used: {error}") from error
        return True

    async def wait_connected(self) -> None:
        """Wait for ICE and DTLS. Raises MediaFailed after CONNECT_TIMEOUT seconds, or when they failed."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._connected.wait()
        except TimeoutError:
            raise MediaFailed(
                f"no media connection within {CONNECT_TIMEOUT:g} s: is the server's media port reachable?"
            ) from None
        if self._failure is not None:
            raise MediaFailed(self._failure)

    async def close(self) -> None:
        """Close the connection; publications and tracks live on."""
        if self._closed:
            return
        self._closed = True
        self._connected.set()
        pumps = [line.pump for line in self._receiving if line.pump is not None]
        for pump in pumps:
            pump.cancel()
        for line in self._sending:
            line.outlet.stop()
        await asyncio.gather(*pumps, return_exceptions=True)
        await rtc.close(self._peer)

    def _plan_sending(self, publications: Sequence[Publication]) -> None:
        for line in self._sending:
            if line.outlet.publication not in publications:
                line.outlet.bind(None)
                line.transceiver.direction = "inactive"
        for publication in publications:
            if self.carries(publication):
                continue
            idle = [
                x for x in self._sending if x.outlet.publication is None and x.outlet.kind == publication.kind
            ]
            if idle:
                line = idle[0]
            else:
                outlet = Outlet(publication.kind)
                line = _SendLine(self._peer.addTransceiver(outlet, direction="sendonly"), outlet)
                self._sending.append(line)
            line.transceiver.direction = "sendonly"
            line.outlet.bind(publication)

    def _plan_receiving(self, wanted: Collection[RemoteTrack]) -> None:
        for line in self._receiving:
            if line.track is not None and line.track not in wanted:
                line.track = None
            if line.track is None:
                # A recvonly line that names nothing would be given a track by the server.
                line.transceiver.direction = "inactive"
        has_line = {id(line.track) for line in self._receiving if line.track is not None}
        for track in wanted:
            if id(track) in has_line:
                continue
            free = [x for x in self._receiving if x.track is None and x.kind == track.kind and not x.dead]
            if free:
                line = free[0]
                line.transceiver.direction = "recvonly"
            else:
                line = _ReceiveLine(self._peer.addTransceiver(track.kind, direction="recvonly"), track.kind)
                self._receiving.append(line)
            line.track = track
            line.open = False
            track.rewind()

    def _offer(self, sdp: str) -> dict[str, Any]:
        publish = {
            line.transceiver.mid: {"source": line.outlet.publication.source}
            for line in self._sending
            if line.outlet.publication is not None
        }
        subscribe = {
            line.transceiver.mid: line.track.id for line in self._receiving if line.track is not None
        }
        message = {"type": "webrtc", "action": "offer", "to": SFU, "sdp": sdp}
        return {**message, "publish": publish, "subscribe": subscribe}

    async def _apply(self, answer: Json) -> None:
        sdp = answer.get("sdp")
        if not isinstance(sdp, str):
            raise MediaFailed("the media server answered without SDP")
        await self._peer.setRemoteDescription(RTCSessionDescription(rtc.with_candidates(sdp), "answer"))
        given = answer.get("subscribe")
        for line in self._receiving:
            if isinstance(given, dict) and line.track is not None and given.get(line.transceiver.mid) is None:
                line.track = None
            if line.track is not None and not line.open:
                line.open = True
                line.skip = STALE_FRAMES[line.kind] if line.used else 0
                line.used = True
            media = line.transceiver.receiver.track
            if line.pump is None and media is not None:
                line.pump = asyncio.create_task(
                    self._pump(line, media), name=f"bot-pump-{line.transceiver.mid}"
                )

    async def _pump(self, line: _ReceiveLine, media: Any) -> None:
        """Take every frame at once: aiortc queues them without bound."""
        try:
            while True:
                frame = await media.recv()
                if line.track is None or not line.open:
                    self.stale += 1
                elif line.skip:
                    line.skip -= 1
                    self.stale += 1
                elif line.track.deliver(frame, "sfu"):
                    self._on_frame(line.track)
        except MediaStreamError:
            # Ended by the sender (RTCP BYE): aiortc cannot start this receiver again.
            line.dead = True
            line.track = None

    def _state_changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed") and not self._closed and self._failure is None:
            self._failure = "the connection to the media server " + (
                "was closed" if self._connected.is_set() and state == "closed" else "failed"
            )
            self._connected.set()
            self._on_lost(self, self._failure)
