"""MediaServer: the socket, the clock, the timer and the DTLS tasks around a Worker. It decides nothing."""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import structlog

from sfu.config import MediaConfig
from sfu.data import SendOutcome
from sfu.events import Event
from sfu.identifiers import Identifiers
from sfu.net import tcp
from sfu.net.addresses import host_candidates, interface_addresses
from sfu.net.dtls import Certificate, DtlsEndpoint
from sfu.net.port import MediaPort, NativePort, PythonPort
from sfu.net.sctp import DataAssociation
from sfu.net.tcp import TcpListener
from sfu.offer import Answer, Offer, Permissions
from sfu.plane import create_plane
from sfu.plane.interface import Address, Drop, Plane, SrtpKeys
from sfu.plane.reference import ReferencePlane
from sfu.stats import JoinMarks, RoomStats
from sfu.transport import Transport
from sfu.wire.envelope import Message
from sfu.wish import Wish
from sfu.worker import Worker

if TYPE_CHECKING:
    from sfu.plane._fast import FastPlane

# The grain of everything that is timed: keyframe retries, reports, consent.
TICK = 0.1
# Of the reference plane, which has no threads that would look for lost packets by themselves.
REPAIR_TICK = 0.02

# Tries to find a number that is free for UDP and TCP, where any will do.
PORT_ATTEMPTS = 8

# How long a DTLS goodbye may take.
STOP_TIMEOUT = 2.0

log = structlog.get_logger("sfu")


class MediaServer:
    """All rooms' media on one UDP port. To be called on the event loop that started it."""

    @classmethod
    async def start(cls, config: MediaConfig) -> MediaServer:
        """Open the port and serve. Raises OSError where the port cannot be had."""
        server = cls(config)
        if server._tcp is not None:
            try:
                await server._tcp.start()
            except OSError:
                await server.close()
                raise
        return server

    def __init__(self, config: MediaConfig) -> None:
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._certificate = Certificate()
        self._endpoints: dict[int, DtlsEndpoint] = {}
        self._associations: dict[int, DataAssociation] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[Event], None]] = []
        self._events: deque[Event] = deque()
        plane = create_plane(config.plane)
        self._worker = Worker(
            config,
            plane=plane,
            dtls=self,
            identifiers=Identifiers(random.SystemRandom()),
            emit=self._emit,
        )
        self._tcp: TcpListener | None = None
        self._port = self._open(plane)
        self._timer = self._loop.call_later(TICK, self._tick)
        self._repair_timer = (
            self._loop.call_later(REPAIR_TICK, self._repair) if isinstance(plane, ReferencePlane) else None
        )

    def _open(self, plane: Plane) -> MediaPort:
        """Open the ports, TCP first: of the free numbers for UDP some are taken for TCP."""
        config = self._config
        for attempt in range(PORT_ATTEMPTS):
            sock = tcp.bind(config.host, config.port) if config.tcp else None
            number = sock.getsockname()[1] if sock is not None else config.port
            try:
                if isinstance(plane, ReferencePlane):
                    port: MediaPort = PythonPort(self._worker, config.host, number)
                else:
                    port = NativePort(
                        self._worker, cast("FastPlane", plane), config.host, number, _threads(config)
                    )
            except OSError:
                if sock is not None:
                    sock.close()
                if config.port or attempt + 1 == PORT_ATTEMPTS:
                    raise
                continue
            if sock is not None:
                self._tcp = TcpListener(
                    _TcpOwner(self._worker, self._loop, self._flush),
                    sock,
                    config.host,
                    max_connections=config.max_transports,
                    idle_timeout=config.consent_timeout,
                )
            return port
        raise AssertionError("the last attempt returns or raises")

    @property
    def port(self) -> int:
        """The UDP port of all media, and its TCP port."""
        return self._port.number

    # What the owner asks

    def on_event(self, callback: Callable[[Event], None]) -> None:
        """Have every event from now on, in order, each in a callback of its own on the event loop."""
        self._listeners.append(callback)

    def offer(self, room_id: str, participant_id: str, offer: Offer, *, local: bool = False) -> Answer:
        """Answer a participant's offer; the room is opened with its first one.

        `local`: the client reached the server over loopback. Raises MediaError (NegotiationError where the
        offer is at fault); what there was goes on then.
        """
        try:
            return self._worker.offer(
                room_id, participant_id, offer, self._candidates(local), self._loop.time()
            )
        finally:
            self._flush()

    def leave(self, room_id: str, participant_id: str) -> None:
        """End a participant's media. Idempotent."""
        self._worker.close_transport(room_id, participant_id, "left", self._loop.time())
        self._flush()

    def permit(self, room_id: str, participant_id: str, permissions: Permissions) -> None:
        """Change what a participant may do from now on; nothing happens for one without a connection."""
        self._worker.permit(room_id, participant_id, permissions, self._loop.time())
        self._flush()

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool) -> None:
        """Stop or resume a track that a participant receives. Raises MediaError unknown_track."""
        self._worker.pause(room_id, participant_id, track_id, paused, self._loop.time())
        self._flush()

    def wish(self, room_id: str, participant_id: str, track_id: str, wish: Wish) -> None:
        """Take note of what a participant needs of a track it receives. Raises MediaError unknown_track."""
        self._worker.wish(room_id, participant_id, track_id, wish, self._loop.time())
        self._flush()

    def close_room(self, room_id: str) -> None:
        """End the media of everybody in a room. Idempotent."""
        self._worker.close_room(room_id, self._loop.time())
        self._flush()

    def permit_data(self, may_send: Callable[[str, str], bool]) -> None:
        """Have `may_send(room_id, participant_id)` asked for every data message. Without it all may send."""
        self._worker.data.may_send = may_send

    def data_counts(self) -> dict[str, int]:
        """Data messages since the start by what became of them (see DataRelay.counts)."""
        return dict(self._worker.data.counts)

    def stats(self, room_id: str) -> RoomStats | None:
        """The counters of a room at this moment; None where it has no media."""
        return self._worker.stats(room_id)

    @property
    def rooms(self) -> tuple[str, ...]:
        """Ids of the rooms that have media."""
        return self._worker.rooms

    def join_marks(self, room_id: str, participant_id: str) -> JoinMarks | None:
        """How far a participant's connection has come; None where it has none."""
        return self._worker.join_marks(room_id, participant_id)

    def port_counters(self) -> dict[str, int]:
        """What the media port has done since the start: see MediaPort.counters."""
        return self._port.counters()

    def drops(self) -> dict[str, int]:
        """Datagrams and packets that went no further since the start, by reason."""
        return self._worker.drops()

    def repairs(self) -> dict[str, int]:
        """What has been done against loss since the start; see plane.interface.Repair."""
        return self._worker.repairs()

    def sizes(self) -> dict[str, int]:
        """How much is held: the worker's tables, and DTLS endpoints alive and ending."""
        return {
            **self._worker.sizes(),
            "history_bytes": self._worker.history_bytes(),
            "dtls_endpoints": len(self._endpoints),
            "data_associations": len(self._associations),
            **(self._tcp.sizes() if self._tcp is not None else {}),
            "dtls_endings": len(self._stopping),
        }

    async def close(self) -> None:
        """End all media and free the port."""
        for room_id in self._worker.rooms:
            self.close_room(room_id)
        if self._stopping:
            _, late = await asyncio.wait(self._stopping, timeout=STOP_TIMEOUT)
            for task in late:
                task.cancel()
        self._timer.cancel()
        if self._repair_timer is not None:
            self._repair_timer.cancel()
        self._flush()
        if self._tcp is not None:
            self._tcp.close()
        self._port.close()

    # What the worker asks (worker.DtlsSide)

    @property
    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        return self._certificate.fingerprints

    def opened(self, transport: Transport) -> None:
        self._endpoints[transport.row] = DtlsEndpoint(
            self._certificate,
            transport.remote.fingerprints,
            send=lambda data: self._send_dtls(transport, data),
            on_connected=lambda keys: self._connected(transport, keys),
            on_closed=lambda reason: self._dtls_closed(transport, reason),
        )

    def received(self, transport: Transport, datagram: bytes) -> bool:
        return self._endpoints[transport.row].receive(datagram)

    def closed(self, transport: Transport) -> None:
        endpoint = self._endpoints.pop(transport.row)
        self._end(self._associations.pop(transport.row, None), endpoint)

    def negotiated(self, transport: Transport) -> None:
        line = transport.remote.data
        association = self._associations.get(transport.row)
        if association is not None and (line is None or line.mid != association.mid):
            self._end(self._associations.pop(transport.row))
            association = None
        if association is None and line is not None and transport.connected:
            self._associations[transport.row] = DataAssociation(
                self._endpoints[transport.row].transport,
                line,
                on_message=lambda message, lossy: self._data_received(transport, message, lossy),
                on_malformed=lambda: self._worker.drop(Drop.MALFORMED_SCTP),
            )

    def send_data(self, transport: Transport, message: Message, lossy: bool) -> SendOutcome:
        association = self._associations.get(transport.row)
        return association.send(message, lossy) if association is not None else SendOutcome.NO_CHANNEL

    def _end(self, *parts: DataAssociation | DtlsEndpoint | None) -> None:
        """Stop what a transport had, in this order."""

        async def stop() -> None:
            for part in parts:
                if part is not None:
                    await part.stop()

        task = self._loop.create_task(stop(), name="dtls-stop")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def _data_received(self, transport: Transport, message: Message, lossy: bool) -> None:
        self._worker.data_received(transport, message, lossy, self._loop.time())
        self._flush()

    def _send_dtls(self, transport: Transport, data: bytes) -> None:
        self._worker.send_dtls(transport, data)
        self._flush()

    def _connected(self, transport: Transport, keys: SrtpKeys) -> None:
        self._worker.connected(transport, keys, self._loop.time())
        if not transport.closed:
            self.negotiated(transport)
        self._flush()

    def _dtls_closed(self, transport: Transport, reason: str) -> None:
        self._worker.dtls_closed(transport, reason, self._loop.time())
        self._flush()

    # The socket and the clock

    def _repair(self) -> None:
        self._repair_timer = self._loop.call_later(REPAIR_TICK, self._repair)
        self._worker.repair(self._loop.time())
        self._flush()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)
        self._worker.tick(self._loop.time())
        if self._tcp is not None:
            self._tcp.sweep(self._loop.time())
        self._flush()

    def _flush(self) -> None:
        """After every call of the worker: nothing that it sends waits for the next one."""
        self._port.flush()

    def _candidates(self, local: bool) -> tuple[tuple[str, int], ...]:
        addresses = host_candidates(
            interface_addresses(),
            host=self._config.host,
            announced=self._config.announced_addresses,
            ipv6=self._port.ipv6,
            local=local,
        )
        return tuple((address, self.port) for address in addresses)

    def _emit(self, event: Event) -> None:
        self._events.append(event)
        self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        event = self._events.popleft()
        # Who speaks is about a room, and no participant.
        client = getattr(event, "participant_id", None)
        log.debug("media event", event_type=type(event).__name__, room=event.room_id, client=client)
        for listener in self._listeners:
            listener(event)


class _TcpOwner:
    """What TCP connections ask of the worker, at the time at which they do."""

    def __init__(self, worker: Worker, loop: asyncio.AbstractEventLoop, flush: Callable[[], None]) -> None:
        self._worker = worker
        self._loop = loop
        self._flush = flush

    def check(self, datagram: bytes, path: Address, peer: Address) -> bytes | None:
        try:
            return self._worker.check(datagram, path, self._loop.time(), peer)
        finally:
            self._flush()

    def path_closed(self, path: Address) -> None:
        self._worker.path_closed(path)

    def drop(self, reason: Drop, count: int = 1) -> None:
        self._worker.drop(reason, count)


def _threads(config: MediaConfig) -> int:
    return config.threads or len(os.sched_getaffinity(0))
