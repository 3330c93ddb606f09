"""The one UDP socket of all media, on IPv6 and IPv4."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from sfu.plane.interface import Address

# A burst of many publishers' frames has to fit while Python is busy elsewhere.
SOCKET_BUFFER = 4 << 20

# Datagrams read per wake-up: enough to amortise it, few enough that timers and signaling get their turn.
MAX_BATCH = 64

MAX_DATAGRAM = 65535
IPV4_MAPPED = "::ffff:"


class UdpSocket:
    """A non-blocking socket that is read in batches.

    `on_batch(datagrams)` is called with each batch read; IPv4 addresses are in their own form on a dual-stack
    socket too.
    """

    def __init__(self, host: str, port: int, on_batch: Callable[[list[tuple[bytes, Address]]], None]) -> None:
        """Open and bind. Raises OSError where the address cannot be had."""
        self._loop = asyncio.get_running_loop()
        self._on_batch = on_batch
        self._socket = _open(host, port)
        self._dual = self._socket.family is socket.AF_INET6
        self.port: int = self._socket.getsockname()[1]
        self.ipv6 = self._dual
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, data: bytes, address: Address) -> bool | None:
        """Send one datagram. False: the send buffer is full; None: the network refused it. True otherwise."""
        host, port = address
        if self._dual and ":" not in host:
            host = IPV4_MAPPED + host
        try:
            self._socket.sendto(data, (host, port))
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            return False if error.errno == errno.ENOBUFS else None
        return True

    def _readable(self) -> None:
        batch: list[tuple[bytes, Address]] = []
        for _ in range(MAX_BATCH):
            try:
                data, address = self._socket.recvfrom(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # The ICMP error of an earlier send, reported here: the next datagram may be fine.
                continue
            host: str = address[0]
            if self._dual and host.startswith(IPV4_MAPPED):
                host = host[len(IPV4_MAPPED) :]
            batch.append((data, (host, address[1])))
        if batch:
            self._on_batch(batch)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET if host and ":" not in host else socket.AF_INET6
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError:
        if host:
            raise
        # A kernel without IPv6.
        family = socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
