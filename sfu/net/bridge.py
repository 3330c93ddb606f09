"""A UDP socket on loopback that stands for a client on TCP: to the plane all clients speak UDP.

So a packet on TCP costs a way through the kernel more, and one on UDP nothing: where nearly all packets go,
nobody asks whether this one is for TCP.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Callable

from sfu.plane.interface import Address

# What may wait here while Python is busy: a second of a good video.
BRIDGE_BUFFER = 1 << 20

MAX_BATCH = 64
MAX_DATAGRAM = 65535

# socket(7): how many datagrams the kernel has dropped on a socket whose buffer was full.
_SO_RXQ_OVFL = 40
_COUNT = struct.Struct("=I")
_ANCILLARY_SIZE = socket.CMSG_SPACE(_COUNT.size)


class Bridge:
    """One client's socket, connected to the media port; nobody else can send to it."""

    def __init__(
        self,
        port: Address,
        on_datagrams: Callable[[list[bytes]], None],
        on_dropped: Callable[[int], None],
    ) -> None:
        """Open it. Raises OSError, e.g. where there are no more file descriptors.

        `port` is where the media port is reached on this machine (see `reachable`). `on_datagrams` is called
        with what the plane sends, `on_dropped` with how much of it the kernel dropped.
        """
        self._on_datagrams = on_datagrams
        self._on_dropped = on_dropped
        self._dropped = 0
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in port[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BRIDGE_BUFFER)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
            self._socket.connect(port)
        except OSError:
            self._socket.close()
            raise
        self.address: Address = self._socket.getsockname()[:2]
        """Where the plane sends what is for the client."""
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, datagram: bytes) -> bool:
        """Give the plane a datagram of the client's. False where it could not be taken."""
        try:
            self._socket.send(datagram)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Idempotent."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        batch: list[bytes] = []
        for _ in range(MAX_BATCH):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(MAX_DATAGRAM, _ANCILLARY_SIZE)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # The ICMP error of an earlier send, reported here: the next datagram may be fine.
                continue
            if ancillary:
                self._count(ancillary[0][2])
            batch.append(data)
        if batch:
            self._on_datagrams(batch)

    def _count(self, value: bytes) -> None:
        (dropped,) = _COUNT.unpack(value)
        new = (dropped - self._dropped) & 0xFFFFFFFF
        self._dropped = dropped
        if new:
            self._on_dropped(new)


def reachable(host: str, port: int) -> Address:
    """Return where a port that is bound to `host` (empty for all) is reached on this machine."""
    if host and not ipaddress.ip_address(host).is_unspecified:
        return host, port
    return "127.0.0.1", port
