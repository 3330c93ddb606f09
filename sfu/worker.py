"""Worker: the rooms of one media port. Datagrams, offers and the time go in; datagrams and events come out.

It does no IO: the side that does hands it what came and sends what `take_datagrams` gives, after every call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sfu import demand, reports
from sfu.config import MediaConfig
from sfu.data import DataRelay, SendOutcome
from sfu.errors import MediaError
from sfu.events import Event
from sfu.ice import BindingRequest, CheckResult, answer_stranger, read_binding_request
from sfu.identifiers import Identifiers
from sfu.offer import Answer, Offer, Permissions
from sfu.plane.interface import Address, Drop, Plane, Punt, PuntKind, SrtpKeys
from sfu.router import Router
from sfu.stats import JoinMarks, RoomStats, join_marks, room_stats
from sfu.transport import Transport
from sfu.wire import rtcp
from sfu.wire.envelope import Message
from sfu.wish import Wish


class DtlsSide(Protocol):
    """What does the DTLS of the transports, and the SCTP on top of it."""

    @property
    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        """Of the server's certificate."""

    def opened(self, transport: Transport) -> None:
        """Await a handshake from the client, and tell `connected` or `dtls_closed` of its end."""

    def negotiated(self, transport: Transport) -> None:
        """An offer was answered: data channels may have come or gone (`transport.remote.data`)."""

    def send_data(self, transport: Transport, message: Message, lossy: bool) -> SendOutcome:
        """Queue a data message to the client."""

    def received(self, transport: Transport, datagram: bytes) -> bool:
        """A DTLS datagram came. False where it had to be dropped, as too many wait."""

    def closed(self, transport: Transport) -> None:
        """Let go of everything held for the transport."""


@dataclass(slots=True)
class _Connection:
    """A transport, its room, and the ICE names that lead to it."""

    router: Router
    transport: Transport
    ufrags: tuple[str, ...] = ()


class Worker:
    """All rooms of one plane. `now` is seconds on one monotonic clock."""

    def __init__(
        self,
        config: MediaConfig,
        *,
        plane: Plane,
        dtls: DtlsSide,
        identifiers: Identifiers,
        emit: Callable[[Event], None],
    ) -> None:
        self._config = config
        self._plane = plane
        plane.limit_history(config.history_seconds, config.history_bytes)
        self._dtls = dtls
        self._identifiers = identifiers
        self._emit = emit
        self.data = DataRelay(config, dtls, emit)
        self._routers: dict[str, Router] = {}
        self._by_row: dict[int, _Connection] = {}
        self._by_ufrag: dict[str, _Connection] = {}
        self._by_path: dict[Address, _Connection] = {}
        """Of the clients on TCP: by the address that stands for each."""

    # What the owner asks

    def offer(
        self,
        room_id: str,
        participant_id: str,
        offer: Offer,
        candidates: tuple[tuple[str, int], ...],
        now: float,
    ) -> Answer:
        """Answer a participant's offer; the room is opened with its first one.

        `candidates`: (IP address, port) of the server. Raises MediaError (NegotiationError where the offer
        is at fault); what there was goes on then.
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
        answer = router.offer(participant_id, offer, candidates, now)
        self._dtls.negotiated(router.transports[participant_id])
        self._request_keyframes(router, now)
        return answer

    def permit(self, room_id: str, participant_id: str, permissions: Permissions, now: float) -> None:
        """Change what a participant may do from now on; nothing happens for one without a connection."""
        router = self._routers.get(room_id)
        if router is not None:
            router.permit(participant_id, permissions, now)
            self._request_keyframes(router, now)

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool, now: float) -> None:
        """Stop or resume a track that a participant receives. Raises MediaError unknown_track."""
        router = self._routers.get(room_id)
        if router is None:
            raise MediaError("unknown_track", f"you receive no track {track_id!r}: offer to sfu first")
        router.pause(participant_id, track_id, paused, now)
        self._request_keyframes(router, now)

    def wish(self, room_id: str, participant_id: str, track_id: str, wish: Wish, now: float) -> None:
        """Take note of what a participant needs of a track it receives. Raises MediaError unknown_track."""
        router = self._routers.get(room_id)
        if router is None:
            raise MediaError("unknown_track", f"you receive no track {track_id!r}: offer to sfu first")
        router.wish(participant_id, track_id, wish, now)
        self._request_keyframes(router, now)

    def close_transport(self, room_id: str, participant_id: str, reason: str, now: float) -> None:
        """End a participant's media. Idempotent."""
        router = self._routers.get(room_id)
        if router is not None:
            router.close_transport(participant_id, reason, now)

    def close_room(self, room_id: str, now: float) -> None:
        """End the media of everybody in a room. Idempotent."""
        router = self._routers.get(room_id)
        for participant_id in list(router.transports) if router is not None else ():
            self.close_transport(room_id, participant_id, "server-closed", now)

    @property
    def rooms(self) -> tuple[str, ...]:
        return tuple(self._routers)

    def stats(self, room_id: str) -> RoomStats | None:
        """The counters of a room at this moment; None where it has no media."""
        router = self._routers.get(room_id)
        return room_stats(router, self._plane) if router is not None else None

    def join_marks(self, room_id: str, participant_id: str) -> JoinMarks | None:
        """How far a participant's connection has come; None where it has none."""
        router = self._routers.get(room_id)
        transport = router.transports.get(participant_id) if router is not None else None
        return join_marks(transport, self._plane) if transport is not None else None

    def drops(self) -> dict[str, int]:
        """Datagrams and packets that went no further since the start, by reason."""
        return {reason.value: count for reason, count in self._plane.drops().items()}

    def repairs(self) -> dict[str, int]:
        """What has been done against loss since the start; see plane.interface.Repair."""
        return {repair.value: count for repair, count in self._plane.repairs().items()}

    def history_bytes(self) -> int:
        """What is held to send packets again."""
        return self._plane.history_bytes()

    def sizes(self) -> dict[str, int]:
        """How much is held: rooms, connections, ICE names, and the plane's rows."""
        return {
            "rooms": len(self._routers),
            "connections": len(self._by_row),
            "ufrags": len(self._by_ufrag),
            **self._plane.sizes(),
        }

    # What routers ask (router.Network)

    @property
    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        return self._dtls.fingerprints

    def opened(self, router: Router, transport: Transport) -> None:
        connection = _Connection(router, transport)
        self._routers[router.room_id] = router
        self._by_row[transport.row] = connection
        self._register_ufrags(connection)
        self._dtls.opened(transport)

    def restarted(self, transport: Transport) -> None:
        self._register_ufrags(self._by_row[transport.row])

    def closed(self, transport: Transport) -> None:
        connection = self._by_row.pop(transport.row)
        for ufrag in connection.ufrags:
            del self._by_ufrag[ufrag]
        for path in [path for path, other in self._by_path.items() if other is connection]:
            del self._by_path[path]
        self.data.closed(transport)
        self._dtls.closed(transport)
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

    def receive(self, datagram: bytes, address: Address, now: float) -> None:
        """A datagram from the media port, whatever it is."""
        self._plane.receive(datagram, address, now)
        self.handle_punts(now)

    def handle_punts(self, now: float) -> None:
        """Do what the plane has left to us."""
        for punt in self._plane.take_punts():
            self._handle(punt, now)

    def take_datagrams(self) -> Sequence[tuple[bytes, Address]]:
        """What is to be sent now, in order."""
        return self._plane.take_datagrams()

    def drop(self, reason: Drop, count: int = 1) -> None:
        """Count what the IO side had to drop."""
        self._plane.drop(reason, count)

    def check(self, datagram: bytes, path: Address, now: float, peer: Address | None = None) -> bytes | None:
        """A STUN datagram came. The answer; None where there is none.

        `path` is where the client is sent to from now on, and `peer` where it really is: its TCP address.
        """
        request = read_binding_request(datagram)
        if not isinstance(request, BindingRequest):
            # Only by UDP: whoever connects by TCP has to show that it belongs here.
            answer = answer_stranger(datagram, path) if peer is None else None
            if answer is None:
                self._plane.drop(request)
            return answer
        connection = self._by_ufrag.get(request.local_ufrag)
        if connection is None:
            self._plane.drop(Drop.STUN_UNKNOWN_USER)
            return None
        former_path = connection.transport.ice.selected
        result = connection.transport.ice.check(request, path, now, peer)
        if not isinstance(result, CheckResult):
            self._plane.drop(result)
            return None
        row = connection.transport.row
        for address in result.bind:
            self._plane.bind(row, address)
        if result.unbind is not None:
            self._plane.unbind(row, result.unbind)
        if peer is not None:
            former = self._by_path.get(path, connection)
            if former is not connection:
                former.transport.ice.forget(path)
            self._by_path[path] = connection
        self._register_ufrags(connection)
        if connection.transport.connected and connection.transport.ice.selected != former_path:
            connection.router.path_changed(connection.transport, now)
            self._request_keyframes(connection.router, now)
        return result.response

    def path_closed(self, path: Address) -> None:
        """A TCP connection has ended: its client is reached by what other address it has, if any."""
        connection = self._by_path.pop(path, None)
        if connection is not None:
            connection.transport.ice.forget(path)
            self._plane.unbind(connection.transport.row, path)

    def _handle(self, punt: Punt, now: float) -> None:
        if punt.kind is PuntKind.STUN:
            self._handle_stun(punt, now)
            return
        connection = self._by_row.get(punt.transport or 0)
        if connection is None:
            return
        if punt.kind is PuntKind.DTLS:
            if connection.transport.handshake_at is None:
                connection.transport.handshake_at = now
            if not self._dtls.received(connection.transport, punt.data):
                self._plane.drop(Drop.DTLS_QUEUE_FULL)
        elif punt.kind is PuntKind.RTCP:
            self._handle_rtcp(connection, punt.data, now)
        elif punt.kind is PuntKind.UNKNOWN_SSRC:
            self._handle_unknown_ssrc(connection, punt.data, now)
        elif punt.kind is PuntKind.KEYFRAME and punt.source is not None:
            connection.router.keyframe_seen(connection.transport, punt.source, punt.data)
        elif punt.kind is PuntKind.REPAIR_FAILED and punt.source is not None:
            connection.router.repair_failed(connection.transport, punt.source, now)
            self._request_keyframes(connection.router, now)

    def _handle_stun(self, punt: Punt, now: float) -> None:
        assert punt.address is not None
        answer = self.check(punt.data, punt.address, now)
        if answer is not None:
            self._plane.send(answer, punt.address)

    def _handle_unknown_ssrc(self, connection: _Connection, packet: bytes, now: float) -> None:
        if not connection.router.attribute(connection.transport, packet, now):
            self._plane.drop(Drop.UNKNOWN_SSRC)
            return
        self._plane.replay(connection.transport.row, packet, now)
        self.handle_punts(now)
        self._request_keyframes(connection.router, now)

    def _handle_rtcp(self, connection: _Connection, data: bytes, now: float) -> None:
        try:
            packets = rtcp.parse(data)
        except ValueError:
            self._plane.drop(Drop.MALFORMED_RTCP)
            return
        if reports.receive(connection.transport, packets, now):
            self._request_keyframes(connection.router, now)

    # What comes from DTLS

    def send_dtls(self, transport: Transport, data: bytes) -> None:
        """Send a DTLS datagram; before a check has verified an address there is none to send to."""
        if transport.ice.selected is None:
            self._plane.drop(Drop.NO_ADDRESS)
        else:
            self._plane.send(data, transport.ice.selected)

    def connected(self, transport: Transport, keys: SrtpKeys, now: float) -> None:
        """The handshake is done and the client is who its offer said."""
        connection = self._by_row.get(transport.row)
        if connection is None:
            return
        self._plane.set_keys(transport.row, keys)
        connection.router.connected(transport, now)
        self._request_keyframes(connection.router, now)

    def dtls_closed(self, transport: Transport, reason: str, now: float) -> None:
        """The handshake failed, or the client has said goodbye."""
        connection = self._by_row.get(transport.row)
        if connection is not None:
            connection.router.close_transport(transport.participant_id, reason, now)

    def data_received(self, transport: Transport, message: Message, lossy: bool, now: float) -> None:
        """A data message came from the client."""
        connection = self._by_row.get(transport.row)
        if connection is not None:
            router = connection.router
            self.data.received(router.room_id, router.transports, transport, message, lossy, now)

    # Time

    def repair(self, now: float) -> None:
        """Ask publishers for what is lost. To be called every 20 ms or so, where the plane has no threads."""
        self._plane.tick(now)
        self.handle_punts(now)

    def tick(self, now: float) -> None:
        """Do what is due: expiry, reports, repeated keyframe requests. To be called every 100 ms or so."""
        self.repair(now)
        for router in list(self._routers.values()):
            for transport in list(router.transports.values()):
                reason = transport.expired(now, self._config)
                if reason is not None:
                    router.close_transport(transport.participant_id, reason, now)
                    continue
                if transport.connected and transport.consumers:
                    bandwidth = self._plane.bandwidth(transport.row)
                    if bandwidth is not None:
                        transport.estimator.update(bandwidth, now)
                        self._probe(transport, now)
                if transport.connected and now >= transport.next_report:
                    for packet in reports.due_reports(transport, self._plane, self._config, now):
                        self._plane.send_rtcp(transport.row, packet)
            router.look(now)
            self._request_keyframes(router, now)

    def _probe(self, transport: Transport, now: float) -> None:
        """Learn whether more could be sent, where more is wanted than what is known to go through."""
        if now < transport.next_probe:
            return
        transport.next_probe = now + demand.INTERVAL
        request = transport.estimator.probe(demand.wanted_bitrate(transport), now)
        if request is not None:
            # Where it cannot be sent, it is tried again later, as one whose answer does not come.
            self._plane.probe(transport.row, request.id, request.bitrate, request.duration, now)

    def _request_keyframes(self, router: Router, now: float) -> None:
        for transport in router.transports.values():
            # Most only receive, and this is asked twenty times a second.
            if transport.connected and transport.producers:
                packet = reports.keyframe_requests(transport, now)
                if packet is not None:
                    self._plane.send_rtcp(transport.row, packet)
