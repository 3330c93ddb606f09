"""The media port: the one UDP port, read by Python or by the compiled plane's own threads."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Protocol

from sfu.net.udp import UdpSocket
from sfu.plane.interface import Address, Drop
from sfu.worker import Worker

if TYPE_CHECKING:
    from sfu.plane._fast import FastPlane


class MediaPort(Protocol):
    """Where datagrams come from and go to."""

    number: int
    ipv6: bool

    def flush(self) -> None:
        """Send what the worker has made."""

    def counters(self) -> dict[str, int]:
        """Since the start: `batches` read from the socket, datagrams `received`, packets `sent`.

        The compiled plane also tells `send_calls`; packets `segmented` (sent in runs of UDP_SEGMENT); runs
        `refused` by the kernel and sent one by one; `busy_ns`, nanoseconds of work on batches; and batches
        by size: `batches_1`, `batches_2`, `batches_4` … `batches_64` have up to so many datagrams and more
        than the one before.
        """

    def close(self) -> None:
        """Free the port."""


class PythonPort:
    """Python reads and sends each datagram: for the reference plane."""

    def __init__(self, worker: Worker, host: str, port: int) -> None:
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._socket = UdpSocket(host, port, self._receive)
        self.number = self._socket.port
        self.ipv6 = self._socket.ipv6
        self._counters = {"batches": 0, "received": 0, "sent": 0}

    def _receive(self, datagrams: list[tuple[bytes, Address]]) -> None:
        now = self._loop.time()
        self._counters["batches"] += 1
        self._counters["received"] += len(datagrams)
        for data, address in datagrams:
            self._worker.receive(data, address, now)
        self.flush()

    def flush(self) -> None:
        for data, address in self._worker.take_datagrams():
            sent = self._socket.send(data, address)
            if sent:
                self._counters["sent"] += 1
            else:
                self._worker.drop(Drop.SEND_WOULD_BLOCK if sent is False else Drop.SEND_FAILED)

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def close(self) -> None:
        self._socket.close()


class NativePort:
    """The plane's threads receive, forward and send; Python wakes for what they leave to it."""

    def __init__(self, worker: Worker, plane: FastPlane, host: str, port: int, threads: int) -> None:
        plane.open_port(host, port, threads)
        number, wake = plane.port_number, plane.wake_descriptor
        assert number is not None
        assert wake is not None
        self._worker = worker
        self._plane = plane
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(wake, self._punted)
        self.number = number
        self.ipv6 = plane.ipv6

    def _punted(self) -> None:
        os.read(self._wake, 8)
        self._worker.handle_punts(self._loop.time())

    def flush(self) -> None:
        """Nothing waits: what the worker sends goes out in the call that makes it."""

    def counters(self) -> dict[str, int]:
        return self._plane.port_counters()

    def close(self) -> None:
        self._loop.remove_reader(self._wake)
        self._plane.close_port()
