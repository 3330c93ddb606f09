"""MediaServer: the socket, the clock and the timers around the rooms' routers. It decides nothing."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from sfu import reports
from sfu.config import MediaConfig
from sfu.errors import MediaError
from sfu.events import Event
from sfu.ice import BindingRequest, CheckResult, read_binding_request
from sfu.identifiers import Identifiers
from sfu.net.addresses import host_candidates, interface_addresses
from sfu.net.dtls import Certificate, DtlsEndpoint
from sfu.net.udp import UdpSocket
from sfu.offer import Answer, Offer
from sfu.plane import create_plane
from sfu.plane.interface import Address, Drop, Plane, Punt, PuntKind, SrtpKeys
from sfu.router import Router
from sfu.stats import RoomStats, room_stats
from sfu.transport import Transport
from sfu.wire import rtcp

# The grain of everything that is timed here: keyframe retries, reports, consent.
TICK = 0.05

# How long a DTLS goodbye may take.
STOP_TIMEOUT = 2.0

log = structlog.get_logger("sfu")


@dataclass(slots=True)
class _Connection:
    """What the IO side holds for a transport."""

    router: Router
    transport: Transport
    dtls: DtlsEndpoint
    ufrags: tuple[str, ...]


class MediaServer:
    """All rooms' media on one UDP port. Every method is to be called on the event loop that started it."""

    @classmethod
    async def start(cls, config: MediaConfig) -> MediaServer:
        """Open the port and serve. Raises OSError where the port cannot be had."""
        return cls(config)

    def __init__(self, config: MediaConfig) -> None:
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._plane: Plane = create_plane()
        self._identifiers = Identifiers(random.SystemRandom())
        self._certificate = Certificate()
        self._socket = UdpSocket(config.host, config.port, self._receive)
        self._routers: dict[str, Router] = {}
        self._by_row: dict[int, _Connection] = {}
        self._by_ufrag: dict[str, _Connection] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[Event], None]] = []
        self._events: deque[Event] = deque()
        self._closed = False
        self._timer = self._loop.call_later(TICK, self._tick)

    @property
    def port(self) -> int:
        """The UDP port of all media."""
        return self._socket.port

    # What the owner asks

    def on_event(self, callback: Callable[[Event], None]) -> None:
        """Have every event from now on, in order, each in a callback of its own on the event loop."""
        self._listeners.append(callback)

    def offer(self, room_id: str, participant_id: str, offer: Offer, *, local: bool = False) -> Answer:
        """Answer a participant's offer; the room is opened with its first one.

        `local`: the client reached the server over loopback. Raises MediaError (NegotiationError where the
        offer is at fault); what there was goes on then.
        """
        router = self._routers.get(room_id)
        known = router is not None and participant_id in router.transports
        if not known and len(self._by_row) >= self._config.max_transports:
            raise MediaError(
                "media_unavailable",
                f"the media server is at its limit of {self._config.max_transports} connections; try later",
            )
        if router is None:
            router = Router(
                room_id,
                config=self._config,
                plane=self._plane,
                network=self,
                identifiers=self._identifiers,
                emit=self._emit,
            )
        now = self._loop.time()
        answer = router.offer(participant_id, offer, self._candidates(local), now)
        self._request_keyframes(router, now)
        self._flush()
        return answer

    def leave(self, room_id: str, participant_id: str) -> None:
        """End a participant's media. Idempotent."""
        self._close_transport(room_id, participant_id, "left")

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool) -> None:
        """Stop or resume a track that a participant receives. Raises MediaError unknown_track."""
        router = self._routers.get(room_id)
        if router is None:
            raise MediaError("unknown_track", f"you receive no track {track_id!r}: offer to sfu first")
        now = self._loop.time()
        router.pause(participant_id, track_id, paused, now)
        self._request_keyframes(router, now)
        self._flush()

    def close_room(self, room_id: str) -> None:
        """End the media of everybody in a room. Idempotent."""
        router = self._routers.get(room_id)
        for participant_id in list(router.transports) if router is not None else ():
            self._close_transport(room_id, participant_id, "server-closed")

    def stats(self, room_id: str) -> RoomStats | None:
        """The counters of a room at this moment; None where it has no media."""
        router = self._routers.get(room_id)
        return room_stats(router, self._plane) if router is not None else None

    def drops(self) -> dict[str, int]:
        """Datagrams and packets that went no further since the start, by reason."""
        return {reason.value: count for reason, count in self._plane.drops().items()}

    def sizes(self) -> dict[str, int]:
        """How much is held: rooms, connections, ICE names, tasks, and the plane's rows."""
        return {
            "rooms": len(self._routers),
            "connections": len(self._by_row),
            "ufrags": len(self._by_ufrag),
            "stopping": len(self._stopping),
            **self._plane.sizes(),
        }

    async def close(self) -> None:
        """End all media and free the port."""
        self._closed = True
        for room_id in list(self._routers):
            self.close_room(room_id)
        if self._stopping:
            _, late = await asyncio.wait(self._stopping, timeout=STOP_TIMEOUT)
            for task in late:
                task.cancel()
        self._timer.cancel()
        self._flush()
        self._socket.close()

    # What routers ask (router.Network)

    @property
    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        return self._certificate.fingerprints

    def opened(self, router: Router, transport: Transport) -> None:
        endpoint = DtlsEndpoint(
            self._certificate,
            transport.remote.fingerprints,
            send=lambda data: self._send_dtls(transport, data),
            on_connected=lambda keys: self._connected(router, transport, keys),
            on_closed=lambda reason: self._close_transport(router.room_id, transport.participant_id, reason),
        )
        connection = _Connection(router, transport, endpoint, ())
        self._routers[router.room_id] = router
        self._by_row[transport.row] = connection
        self._register_ufrags(connection)

    def restarted(self, transport: Transport) -> None:
        self._register_ufrags(self._by_row[transport.row])

    def closed(self, transport: Transport) -> None:
        connection = self._by_row.pop(transport.row)
        for ufrag in connection.ufrags:
            del self._by_ufrag[ufrag]
        task = self._loop.create_task(connection.dtls.stop(), name="dtls-stop")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
        router = connection.router
        if not router.transports:
            self._routers.pop(router.room_id, None)

    def _register_ufrags(self, connection: _Connection) -> None:
        current = connection.transport.ice.ufrags
        for ufrag in set(connection.ufrags).difference(current):
            del self._by_ufrag[ufrag]
        for ufrag in current:
            self._by_ufrag[ufrag] = connection
        connection.ufrags = current

    # What comes from the network

    def _receive(self, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        now = self._loop.time()
        for data, address in datagrams:
            self._plane.receive(data, address, now)
            for punt in self._plane.take_punts():
                self._handle(punt, now)
        self._flush()

    def _handle(self, punt: Punt, now: float) -> None:
        if punt.kind is PuntKind.STUN:
            self._handle_stun(punt, now)
            return
        connection = self._by_row.get(punt.transport or 0)
        if connection is None:
            return
        if punt.kind is PuntKind.DTLS:
            if not connection.dtls.receive(punt.data):
                self._plane.drop(Drop.DTLS_QUEUE_FULL)
        elif punt.kind is PuntKind.RTCP:
            self._handle_rtcp(connection, punt.data, now)
        elif punt.kind is PuntKind.UNKNOWN_SSRC:
            if connection.router.attribute(connection.transport, punt.data, now):
                self._plane.replay(connection.transport.row, punt.data, now)
                self._request_keyframes(connection.router, now)
            else:
                self._plane.drop(Drop.UNKNOWN_SSRC)
        elif punt.kind is PuntKind.KEYFRAME and punt.source is not None:
            connection.transport.keyframe_seen(punt.source)

    def _handle_stun(self, punt: Punt, now: float) -> None:
        request = read_binding_request(punt.data)
        connection = self._by_ufrag.get(request.local_ufrag) if isinstance(request, BindingRequest) else None
        if punt.address is None or not isinstance(request, BindingRequest):
            self._plane.drop(request if isinstance(request, Drop) else Drop.STUN_MALFORMED)
            return
        if connection is None:
            self._plane.drop(Drop.STUN_UNKNOWN_USER)
            return
        result = connection.transport.ice.check(request, punt.address, now)
        if not isinstance(result, CheckResult):
            self._plane.drop(result)
            return
        row = connection.transport.row
        for address in result.bind:
            self._plane.bind(row, address)
        if result.unbind is not None:
            self._plane.unbind(row, result.unbind)
        self._register_ufrags(connection)
        self._plane.send(result.response, punt.address)

    def _handle_rtcp(self, connection: _Connection, data: bytes, now: float) -> None:
        try:
            packets = rtcp.parse(data)
        except ValueError:
            self._plane.drop(Drop.MALFORMED_RTCP)
            return
        if reports.receive(connection.transport, packets, now):
            self._request_keyframes(connection.router, now)

    # DTLS

    def _send_dtls(self, transport: Transport, data: bytes) -> None:
        if transport.ice.selected is not None:
            self._plane.send(data, transport.ice.selected)
            self._flush()

    def _connected(self, router: Router, transport: Transport, keys: SrtpKeys) -> None:
        if transport.closed:
            return
        now = self._loop.time()
        self._plane.set_keys(transport.row, keys)
        router.connected(transport, now)
        self._request_keyframes(router, now)
        self._flush()

    def _close_transport(self, room_id: str, participant_id: str, reason: str) -> None:
        router = self._routers.get(room_id)
        if router is not None:
            router.close_transport(participant_id, reason, self._loop.time())
            self._flush()

    # Time

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)
        now = self._loop.time()
        for router in list(self._routers.values()):
            for transport in list(router.transports.values()):
                reason = transport.expired(now, self._config)
                if reason is not None:
                    router.close_transport(transport.participant_id, reason, now)
                elif transport.connected:
                    for packet in reports.due_reports(transport, self._plane, self._config, now):
                        self._plane.send_rtcp(transport.row, packet)
            self._request_keyframes(router, now)
        self._flush()

    def _request_keyframes(self, router: Router, now: float) -> None:
        for transport in router.transports.values():
            if transport.connected:
                packet = reports.keyframe_requests(transport, now)
                if packet is not None:
                    self._plane.send_rtcp(transport.row, packet)

    # Out

    def _candidates(self, local: bool) -> tuple[tuple[str, int], ...]:
        addresses = host_candidates(
            interface_addresses(),
            host=self._config.host,
            announced=self._config.announced_addresses,
            ipv6=self._socket.ipv6,
            local=local,
        )
        return tuple((address, self.port) for address in addresses)

    def _flush(self) -> None:
        """Send what the plane has made. After every mutation: nothing waits for the next event."""
        for data, address in self._plane.take_datagrams():
            sent = self._socket.send(data, address)
            if not sent:
                self._plane.drop(Drop.SEND_WOULD_BLOCK if sent is False else Drop.SEND_FAILED)

    def _emit(self, event: Event) -> None:
        self._events.append(event)
        self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        event = self._events.popleft()
        log.debug(
            "media event", event_type=type(event).__name__, room=event.room_id, client=event.participant_id
        )
        for listener in self._listeners:
            listener(event)
