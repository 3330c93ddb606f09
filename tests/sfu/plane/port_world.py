"""Peers around a plane that has its media port: real sockets on loopback, real SRTP on both ends."""

import contextlib
import ctypes
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from plane_world import Peer, rtp_packet
from pylibsrtp import Error

from sfu.plane import srtp
from sfu.plane._fast import FastPlane
from sfu.plane.interface import Feed, RouteRow, SourceRow, SrtpProfile

TIMEOUT = 5.0
"""Seconds after which what should have come will not come."""
BUFFER = 1 << 20
PAUSE = 0.0007
"""Seconds between the bursts of a hammer."""
MOST = 16_000
"""Packets of a hammer; two of them stay below half of the sequence numbers."""


def until(condition: Callable[[], object]) -> None:
    """Wait until what the plane's threads do has come about."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.001)


class Client:
    """A peer with a socket of its own."""

    def __init__(self, peer: Peer, plane_address: tuple[str, int]) -> None:
        self.peer = peer
        self.plane_address = plane_address
        self.socket = self._open()

    def _open(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.plane_address[0] else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        opened.bind((self.plane_address[0], 0))
        opened.settimeout(TIMEOUT)
        return opened

    def move(self) -> None:
        """Go on from another port."""
        self.socket.close()
        self.socket = self._open()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()[:2]
        return host, port

    def send_raw(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self.plane_address)

    def send(self, packet: bytes) -> None:
        self.send_raw(self.peer.sending.protect(packet))

    def take(self, count: int) -> list[bytes]:
        """The datagrams that come next; the peer has unprotected them."""
        return [self._took(self.socket.recv(2048)) for _ in range(count)]

    def take_all(self) -> list[bytes]:
        """What has come already, within reason: more may come faster than it is taken."""
        taken = []
        while len(taken) < 1000 and select.select([self.socket], [], [], 0)[0]:
            taken.append(self._took(self.socket.recv(2048)))
        return taken

    def _took(self, datagram: bytes) -> bytes:
        if datagram and datagram[0] >> 6 == 2:
            self.peer.take(datagram)
        return datagram


class PortWorld:
    """A plane with its port, and clients on the same host."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        *,
        threads: int = 1,
        segment: bool = True,
        pad: bool | None = None,
        profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM,
    ) -> None:
        self.plane = FastPlane()
        self.profile = profile
        self.clients: dict[int, Client] = {}
        self.plane.open_port(host, 0, threads, segment, pad)
        number = self.plane.port_number
        assert number is not None
        self.number = number
        self.host = host

    def __enter__(self) -> "PortWorld":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.plane.close_port()
        for client in self.clients.values():
            client.socket.close()

    def join(self, transport: int, host: str = "", *, generation: int = 0) -> Client:
        peer = Peer(transport, ("", 0), self.profile, generation)
        client = Client(peer, (host or self.host or "127.0.0.1", self.number))
        self.clients[transport] = client
        self.plane.open_transport(transport)
        self.plane.bind(transport, client.address)
        self.plane.set_keys(transport, peer.keys)
        return client

    def leave(self, transport: int) -> None:
        self.plane.close_transport(transport)
        self.clients.pop(transport).socket.close()

    def publish(self, source: int, transport: int, *, ssrc: int = 1) -> None:
        self.plane.add_source(SourceRow(source, transport, ssrc, 90000, {96: "VP8"}, True))

    def subscribe(self, route: int, transport: int, source: int, *, ssrc: int = 1000, mid: str = "") -> None:
        self.plane.add_route(RouteRow(route, transport, ssrc, 90000, 100, mid, 4 if mid else 0))
        self.feed(route, source)

    def feed(self, route: int, source: int) -> None:
        self.plane.feed_route(route, Feed(source, {96: 97}, {}, False))

    def drops(self) -> dict[str, int]:
        return {reason.value: count for reason, count in self.plane.drops().items()}

    def woken(self, timeout: float = TIMEOUT) -> bool:
        return bool(select.select([self.plane.wake_descriptor], [], [], timeout)[0])

    def check_port(self, routes: list[int], control: int = 0) -> None:
        """The law at the port: what routes sent has gone out or was dropped by a reason.

        `control`: datagrams that the control side has sent.
        """
        states = [self.plane.route_state(route) for route in routes]
        for state in states:
            assert state.offered == state.packets + sum(state.drops.values())
        drops = self.drops()
        sent = self.plane.port_counters()["sent"]
        failed = drops.get("send_would_block", 0) + drops.get("send_failed", 0)
        assert sum(state.packets for state in states) + control == sent + failed


class Gate:
    """Holds the plane's thread in the middle of its work: what is sent meanwhile is its next batch."""

    SSRC = 0xDEADBEEF
    _UNPROTECT = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_int)
    )

    def __init__(self) -> None:
        self.closed, self.opened = threading.Event(), threading.Event()
        self.real = self._UNPROTECT(srtp.functions()["srtp_unprotect"])
        self.callback = self._UNPROTECT(self._unprotect)

    def functions(self, given: dict[str, int]) -> dict[str, int]:
        """What the plane is to call."""
        address = ctypes.cast(self.callback, ctypes.c_void_p).value
        assert address is not None
        return {**given, "srtp_unprotect": address}

    def _unprotect(self, session: int, data: "ctypes._Pointer[ctypes.c_uint8]", size: object) -> int:
        if bytes(data[8:12]) != self.SSRC.to_bytes(4, "big"):
            status: int = self.real(session, data, size)
            return status
        self.closed.set()
        assert self.opened.wait(TIMEOUT)
        return 7  # authentication failed

    @contextlib.contextmanager
    def hold(self, client: Client) -> Iterator[None]:
        """What is sent in here is one batch."""
        self.closed.clear()
        self.opened.clear()
        client.send_raw(rtp_packet(1, ssrc=self.SSRC))
        assert self.closed.wait(TIMEOUT)
        try:
            yield
        finally:
            self.opened.set()


class Hammer(threading.Thread):
    """A publisher that sends in bursts until it is stopped, or has sent so many that a peer that missed
    them all could not tell the roll-over counter any more."""

    def __init__(self, client: Client, *, ssrc: int = 1, burst: int = 16) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.ssrc = ssrc
        self.burst = burst
        self.sent = 0
        self.error: Exception | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        try:
            while not self._stopping.wait(PAUSE) and self.sent < MOST:
                for _ in range(self.burst):
                    self.sent += 1
                    payload = b"\x10\x00" + bytes(900 + self.sent % 3)
                    timestamp = self.sent // 4 * 3000 & 0xFFFFFFFF
                    self.client.send(rtp_packet(self.sent, timestamp, payload, ssrc=self.ssrc))
        except (OSError, Error) as error:
            self.error = error

    def stop(self) -> None:
        self._stopping.set()
        self.join(TIMEOUT)
        assert not self.is_alive()
        assert self.error is None

    def __enter__(self) -> "Hammer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
