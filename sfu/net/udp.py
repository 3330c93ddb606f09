"""The one UDP socket of all media, on IPv6 and IPv4."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable

from sfu.plane.interface import Address

# A burst of many publishers' frames has to fit while Python is busy elsewhere.
SOCKET_BUFFER = 4 << 20

# Datagrams read per wake-up: enough to amortise it, few enough that timers and signaling get their turn.
MAX_BATCH = 64

MAX_DATAGRAM = 65535
STUN_LAST_FIRST_BYTE = b"\x03"
IPV4_MAPPED = "::ffff:"


# Clients whose path is remembered; the one longest unheard of makes way, and the kernel chooses for it again.
MAX_PATHS = 4096

# struct in6_pktinfo (RFC 3542 section 6.1) and struct in_pktinfo (ip(7)), with their types on Linux.
_PKTINFO6 = struct.Struct("@16sI")
_PKTINFO4 = struct.Struct("@I4s4s")
_IP_PKTINFO = 8
_ANCILLARY_SIZE = socket.CMSG_SPACE(_PKTINFO6.size)

Ancillary = list[tuple[int, int, bytes]]
OnBatch = Callable[[list[tuple[bytes, Address]]], None]


class UdpSocket:
    """A non-blocking socket that is read in batches.

    `on_batch(datagrams)` is called with each batch read; IPv4 addresses are in their own form on a dual-stack
    socket too. What is sent to a client leaves by the address that its last STUN message came to: on a host
    with several, the kernel may choose another, and the client would not know it.
    """

    def __init__(self, host: str, port: int, on_batch: OnBatch) -> None:
        """Open and bind. Raises OSError where the address cannot be had."""
        self._loop = asyncio.get_running_loop()
        self._on_batch = on_batch
        self._socket = _open(host, port)
        self._dual = self._socket.family is socket.AF_INET6
        self._paths: OrderedDict[Address, Ancillary] = OrderedDict()
        self.port: int = self._socket.getsockname()[1]
        self.ipv6 = self._dual
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, data: bytes, address: Address) -> bool | None:
        """Send one datagram. False: the send buffer is full; None: the network refused it. True otherwise."""
        host, port = address
        if self._dual and ":" not in host:
            host = IPV4_MAPPED + host
        try:
            self._socket.sendmsg((data,), self._paths.get(address, ()), 0, (host, port))
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            return False if error.errno == errno.ENOBUFS else None
        return True

    def _readable(self) -> None:
        batch: list[tuple[bytes, Address]] = []
        for _ in range(MAX_BATCH):
            try:
                data, ancillary, _, name = self._socket.recvmsg(MAX_DATAGRAM, _ANCILLARY_SIZE)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # The ICMP error of an earlier send, reported here: the next datagram may be fine.
                continue
            host: str = name[0]
            if self._dual and host.startswith(IPV4_MAPPED):
                host = host[len(IPV4_MAPPED) :]
            address = (host, name[1])
            if ancillary and data[:1] <= STUN_LAST_FIRST_BYTE:
                self._learn(address, ancillary)
            batch.append((data, address))
        if batch:
            self._on_batch(batch)

    def _learn(self, address: Address, ancillary: Ancillary) -> None:
        """Remember by which of our addresses a client reaches us."""
        level, kind, value = ancillary[0]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            local, _ = _PKTINFO6.unpack(value)
            reply = _PKTINFO6.pack(local, 0)
        elif (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            _, local, _ = _PKTINFO4.unpack(value)
            reply = _PKTINFO4.pack(0, local, bytes(4))
        else:
            return
        self._paths[address] = [(level, kind, reply)]
        self._paths.move_to_end(address)
        if len(self._paths) > MAX_PATHS:
            self._paths.popitem(last=False)

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
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
