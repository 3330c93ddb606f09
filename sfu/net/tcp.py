"""ICE over TCP for networks that let no UDP through: the media port's number, passive (RFC 6544)."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Protocol, cast

from sfu.net.bridge import Bridge, reachable
from sfu.net.udp import IPV4_MAPPED
from sfu.plane.interface import Address, Drop
from sfu.wire.demux import Protocol as Demultiplexed
from sfu.wire.demux import classify
from sfu.wire.framing import FrameReader, frame

# Bytes that wait for a client beyond what its kernel buffer holds; media beyond is dropped, as UDP would.
SEND_BUFFER = 128 * 1024
# Of the kernel: what is in there is late already.
KERNEL_SEND_BUFFER = 128 * 1024
# Checks and DTLS go on where media is dropped, or the path would be given up for being slow.
CONTROL_ALLOWANCE = 16 * 1024

# Connections that have not shown a verified check, of one address and in all. Browsers try TCP beside UDP, a
# connection for each pair of addresses, and an office may be one address.
MAX_HALF_OPEN_PER_ADDRESS = 64
MAX_HALF_OPEN = 256
# Seconds for the first verified check.
HALF_OPEN_TIMEOUT = 10.0

_BACKLOG = 128


class TcpOwner(Protocol):
    """What connections ask of the control side (`sfu.worker.Worker`, with the time filled in)."""

    def check(self, datagram: bytes, path: Address, peer: Address) -> bytes | None:
        """A STUN datagram came from `peer`, for whom `path` stands. The answer; None where there is none."""

    def path_closed(self, path: Address) -> None:
        """Nothing can be sent to `path` any more."""

    def drop(self, reason: Drop, count: int = 1) -> None:
        """Count what went no further."""


class TcpListener:
    """Listens beside the UDP port. `sweep` is to be called now and then."""

    def __init__(
        self, owner: TcpOwner, sock: socket.socket, host: str, *, max_connections: int, idle_timeout: float
    ) -> None:
        """`sock` is bound to the number of the media port, whose `host` (empty for all) is given.

        `idle_timeout`: seconds without a verified check after which a connection is closed.
        """
        self._owner = owner
        self._socket = sock
        self._media = reachable(host, sock.getsockname()[1])
        self._max_connections = max_connections
        self._idle_timeout = idle_timeout
        self._connections: set[_Connection] = set()
        self._half_open: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises OSError where the port cannot be listened on."""
        self._server = await self._loop.create_server(
            lambda: _Connection(self), sock=self._socket, backlog=_BACKLOG
        )

    def sizes(self) -> dict[str, int]:
        """Connections, and how many of them have not shown a verified check."""
        return {"tcp_connections": len(self._connections), "tcp_half_open": self._half_open.total()}

    def sweep(self, now: float) -> None:
        """End the connections on which no verified check has come for too long (`now`: loop time)."""
        for connection in list(self._connections):
            limit = self._idle_timeout if connection.verified else HALF_OPEN_TIMEOUT
            if now - connection.last_check >= limit:
                connection.abort()

    def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()
        for connection in list(self._connections):
            connection.abort()

    # What connections ask

    def admits(self, host: str) -> bool:
        """Whether one more connection from that address may be had."""
        return (
            len(self._connections) < self._max_connections
            and self._half_open.total() < MAX_HALF_OPEN
            and self._half_open[host] < MAX_HALF_OPEN_PER_ADDRESS
        )

    def opened(self, connection: _Connection) -> None:
        self._connections.add(connection)
        self._half_open[connection.peer[0]] += 1

    def verified(self, connection: _Connection) -> None:
        self._settle(connection.peer[0])

    def closed(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if not connection.verified:
            self._settle(connection.peer[0])

    def _settle(self, host: str) -> None:
        self._half_open[host] -= 1
        if not self._half_open[host]:
            del self._half_open[host]

    @property
    def owner(self) -> TcpOwner:
        return self._owner

    @property
    def media(self) -> Address:
        """Where the media port is, for bridges."""
        return self._media

    def now(self) -> float:
        return self._loop.time()


class _Connection(asyncio.Protocol):
    """One client's TCP connection."""

    def __init__(self, listener: TcpListener) -> None:
        self._listener = listener
        self._reader = FrameReader()
        self._bridge: Bridge | None = None
        self._stream: asyncio.Transport | None = None
        self._counted = False
        self.peer: Address = ("", 0)
        self.verified = False
        self.last_check = listener.now()

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        host, port = stream.get_extra_info("peername")[:2]
        self.peer = (host.removeprefix(IPV4_MAPPED), port)
        if not self._listener.admits(self.peer[0]):
            self._listener.owner.drop(Drop.TCP_REFUSED)
            stream.abort()
            return
        stream.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_SEND_BUFFER)
        self._stream = stream
        self._listener.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            datagrams = self._reader.feed(data)
        except ValueError:
            self._refuse()
            return
        for datagram in datagrams:
            if self._stream is None:
                return
            if classify(datagram) is Demultiplexed.STUN:
                self._checked(datagram)
            elif not self.verified or self._bridge is None:
                self._refuse()
            elif not self._bridge.send(datagram):
                self._listener.owner.drop(Drop.SEND_WOULD_BLOCK)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stream is None:
            return
        self._stream = None
        if self._bridge is not None:
            self._listener.owner.path_closed(self._bridge.address)
            self._bridge.close()
        self._listener.closed(self)

    # What it does

    def abort(self) -> None:
        """End it at once; `connection_lost` follows."""
        if self._stream is not None:
            self._stream.abort()

    def _refuse(self) -> None:
        """Whoever is there does not speak ICE, or not to us."""
        self._listener.owner.drop(Drop.TCP_MALFORMED)
        self.abort()

    def _checked(self, datagram: bytes) -> None:
        if self._bridge is None:
            try:
                self._bridge = Bridge(self._listener.media, self._send_batch, self._lost)
            except OSError:
                self._listener.owner.drop(Drop.TCP_REFUSED)
                self.abort()
                return
        answer = self._listener.owner.check(datagram, self._bridge.address, self.peer)
        if answer is None:
            if not self.verified:
                self.abort()
            return
        self.last_check = self._listener.now()
        if not self.verified:
            self.verified = True
            self._listener.verified(self)
        self._send_batch([answer])

    def _send_batch(self, datagrams: list[bytes]) -> None:
        if self._stream is None:
            return
        waiting = self._stream.get_write_buffer_size()
        frames: list[bytes] = []
        for datagram in datagrams:
            control = classify(datagram) in (Demultiplexed.STUN, Demultiplexed.DTLS)
            if waiting + len(datagram) > SEND_BUFFER + (CONTROL_ALLOWANCE if control else 0):
                self._listener.owner.drop(Drop.SEND_WOULD_BLOCK)
                continue
            frames.append(frame(datagram))
            waiting += len(frames[-1])
        if frames:
            self._stream.write(b"".join(frames))

    def _lost(self, count: int) -> None:
        self._listener.owner.drop(Drop.SEND_WOULD_BLOCK, count)


def bind(host: str, port: int) -> socket.socket:
    """Return a TCP socket bound to the port (0: a free one). Raises OSError where it cannot be had."""
    family = socket.AF_INET if host and ":" not in host else socket.AF_INET6
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if host:
            raise
        # A kernel without IPv6.
        family = socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # The connections of a server that has just ended are no reason not to start.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
