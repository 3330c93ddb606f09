"""The connection to one participant, as long as the room is peer-to-peer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from aiortc import RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError

from bots import rtc
from bots.errors import MediaFailed
from bots.messages import KIND_OF, ORDER_OF, Json, Kind
from bots.publication import Outlet, Publication
from bots.track import Frame

_BROKEN = (InvalidAccessError, InvalidStateError, OperationError, ValueError, AssertionError)
"""What aiortc raises for a description that it cannot take."""

KINDS: tuple[Kind, ...] = ("audio", "video")


class PeerLink:
    """Media from and to one participant.

    Every m-line sends and receives: a bot that publishes later needs no new offer, and so there is rarely
    glare. The n-th line of a kind carries its n-th source (microphone, screen-audio; camera, screen), unless
    the other side names sources in `publish`.
    """

    def __init__(
        self,
        peer_id: str,
        *,
        polite: bool,
        receive: Collection[Kind],
        ice_servers: Iterable[Mapping[str, Any]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
        on_frame: Callable[[str, str, Frame], None],
        on_lost: Callable[[PeerLink, str], None],
    ) -> None:
        """`polite`: the other side was there first, so its offers win over one's own.

        `on_frame(peer_id, source, frame)` is told every decoded frame; `on_lost` once that the connection
        ended.
        """
        self.peer_id = peer_id
        self.connected = asyncio.Event()
        self._polite = polite
        self._receive = receive
        self._send = send
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._outlets: dict[RTCRtpTransceiver, Outlet] = {}
        self._sources: dict[str, str] = {}
        self._pumps: dict[RTCRtpTransceiver, asyncio.Task[None]] = {}
        self._publications: Sequence[Publication] = ()
        self._lock = asyncio.Lock()
        self._offer_pending = False
        self._closed = False
        self._lost = False
        self._peer = rtc.connection(ice_servers)
        self._peer.on("connectionstatechange", self._state_changed)

    async def offer(self, publications: Sequence[Publication]) -> None:
        """Offer a line for every source, and one of each kind to receive on. Raises MediaFailed."""
        async with self._lock:
            if not self._closed:
                self._publications = tuple(publications)
                self._ensure_all_lines()
                self._bind()
                await self._offer()

    async def publish(self, publications: Sequence[Publication]) -> None:
        """Send exactly these from now on; offers again only if a line is missing. Raises MediaFailed."""
        async with self._lock:
            if self._closed:
                return
            self._publications = tuple(publications)
            negotiated = bool(self._peer.getTransceivers())
            missing = negotiated and self._ensure_all_lines()
            self._bind()
            if missing and self._peer.signalingState == "stable":
                await self._offer()

    async def take(self, message: Json) -> None:
        """An `offer`, `answer` or `ice` of the peer. Raises MediaFailed when it cannot be used."""
        async with self._lock:
            if self._closed:
                return
            try:
                match message.get("action"):
                    case "offer":
                        await self._take_offer(message)
                    case "answer" if self._offer_pending:
                        await self._apply(message, "answer")
                        self._offer_pending = False
                    case "ice":
                        candidate = rtc.remote_candidate(message)
                        if candidate is not None and self._peer.remoteDescription is not None:
                            await self._peer.addIceCandidate(candidate)
            except _BROKEN as error:
                raise MediaFailed(
                    f"{message.get('action')} of {self.peer_id} cannot be used: {error}"
                ) from error

    async def close(self) -> None:
        """Close the connection; publications live on."""
        if self._closed:
            return
        self._closed = True
        self.connected.set()
        for outlet in self._outlets.values():
            outlet.stop()
        for pump in self._pumps.values():
            pump.cancel()
        await asyncio.gather(*self._pumps.values(), return_exceptions=True)
        await rtc.close(self._peer)

    def has_packets(self, source: str) -> bool:
        return any(rtc.has_packets(t) for t in self._peer.getTransceivers() if self._source_of(t) == source)

    async def _take_offer(self, message: Json) -> None:
        if self._offer_pending:
            if not self._polite:
                return  # The other side takes its offer back and answers ours (W3C WebRTC 1.0 section 10.7).
            rtc.roll_back(self._peer)
            self._offer_pending = False
        await self._apply(message, "offer")
        for transceiver in self._peer.getTransceivers():
            self._equip(transceiver)
        self._bind()
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        await self._tell("answer")
        if self._ensure_all_lines(receive=False):
            self._bind()
            await self._offer()

    async def _offer(self) -> None:
        await self._peer.setLocalDescription(await self._peer.createOffer())
        self._offer_pending = True
        await self._tell("offer")

    async def _tell(self, action: str) -> None:
        sdp = self._peer.localDescription.sdp
        rtc.require_candidates(sdp)
        publish = {
            t.mid: {"source": self._source_by_order(t)}
            for t in self._peer.getTransceivers()
            if self._sends(t)
        }
        await self._send(
            {"type": "webrtc", "action": action, "to": self.peer_id, "sdp": sdp, "publish": publish}
        )

    async def _apply(self, message: Json, kind: str) -> None:
        sdp = message.get("sdp")
        if not isinstance(sdp, str):
            raise ValueError("sdp is missing")
        await self._peer.setRemoteDescription(
            RTCSessionDescription(rtc.with_candidates(rtc.without_mdns(sdp)), kind)
        )
        named = message.get("publish")
        if isinstance(named, dict):
            for mid, what in named.items():
                if isinstance(what, dict) and what.get("source") in KIND_OF:
                    self._sources[mid] = what["source"]
        for transceiver in self._peer.getTransceivers():
            media = transceiver.receiver.track
            if media is not None and transceiver not in self._pumps:
                task = asyncio.create_task(self._pump(transceiver, media), name=f"bot-pump-{self.peer_id}")
                self._pumps[transceiver] = task

    def _lines_wanted(self, kind: Kind) -> int:
        """How many lines of a kind one's own sources need."""
        return max((ORDER_OF[p.source] + 1 for p in self._publications if p.kind == kind), default=0)

    def _ensure_all_lines(self, receive: bool = True) -> bool:
        """Add the missing lines, with `receive` one of each kind to receive on; True if some were added."""
        added = False
        for kind in KINDS:
            have = sum(t.kind == kind for t in self._peer.getTransceivers())
            want = max(self._lines_wanted(kind), 1 if receive and kind in self._receive else 0)
            for _ in range(want - have):
                outlet = Outlet(kind)
                transceiver = self._peer.addTransceiver(outlet, direction=self._direction(kind))
                self._outlets[transceiver] = outlet
                added = True
        return added

    def _equip(self, transceiver: RTCRtpTransceiver) -> None:
        """Make a line that the peer offered send, too."""
        if transceiver not in self._outlets:
            kind: Kind = "audio" if transceiver.kind == "audio" else "video"
            outlet = Outlet(kind)
            self._outlets[transceiver] = outlet
            transceiver.sender.replaceTrack(outlet)
            transceiver.direction = self._direction(kind)

    def _direction(self, kind: Kind) -> str:
        return "sendrecv" if kind in self._receive else "sendonly"

    def _bind(self) -> None:
        by_source = {publication.source: publication for publication in self._publications}
        for transceiver, outlet in self._outlets.items():
            publication = by_source.get(self._source_by_order(transceiver))
            if outlet.publication is not publication:
                outlet.bind(publication)

    def _sends(self, transceiver: RTCRtpTransceiver) -> bool:
        outlet = self._outlets.get(transceiver)
        return outlet is not None and outlet.publication is not None

    def _source_by_order(self, transceiver: RTCRtpTransceiver) -> str:
        same = [t for t in self._peer.getTransceivers() if t.kind == transceiver.kind]
        index = min(same.index(transceiver), 1)
        return next(s for s, kind in KIND_OF.items() if kind == transceiver.kind and ORDER_OF[s] == index)

    def _source_of(self, transceiver: RTCRtpTransceiver) -> str:
        """What the peer sends on this line."""
        return self._sources.get(transceiver.mid or "") or self._source_by_order(transceiver)

    async def _pump(self, transceiver: RTCRtpTransceiver, media: Any) -> None:
        """Take every frame at once: aiortc queues them without bound."""
        try:
            while True:
                frame = await media.recv()
                self._on_frame(self.peer_id, self._source_of(transceiver), frame)
        except MediaStreamError:
            return

    def _state_changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self.connected.set()
        elif state in ("failed", "closed") and not self._closed and not self._lost:
            self._lost = True
            self._on_lost(self, f"the connection to {self.peer_id} {state}")
