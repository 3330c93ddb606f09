"""A UDP relay on loopback with a link in each direction: what a client's path to the server is made of."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from random import Random
from typing import Any

from benchmarks.links.link import Conditions, Link

Address = tuple[str, int]
HOST = "127.0.0.1"

MAX_WAITING = 20_000
"""Datagrams on their way at once; more are an error of the benchmark."""


class Relay:
    """Gives each client address a socket of its own towards the server, as a NAT does."""

    @classmethod
    async def start(cls, server: Address, up: Conditions, down: Conditions, *, seed: int) -> Relay:
        """Raises OSError where no port can be had."""
        relay = cls(server, up, down, seed)
        loop = asyncio.get_running_loop()
        relay._inside, _ = await loop.create_datagram_endpoint(
            lambda: _Socket(relay._from_client), local_addr=(HOST, 0)
        )
        return relay

    def __init__(self, server: Address, up: Conditions, down: Conditions, seed: int) -> None:
        self.up = Link(up, Random(f"{seed} up"))
        self.down = Link(down, Random(f"{seed} down"))
        self.bytes_down = 0
        """Of datagrams that reached the client."""
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._inside: asyncio.DatagramTransport
        self._outside: dict[Address, asyncio.Task[asyncio.DatagramTransport]] = {}
        self._waiting: list[tuple[float, int, Callable[[bytes], None], bytes]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """Where the client is to send."""
        return int(self._inside.get_extra_info("sockname")[1])

    def rebind(self) -> None:
        """Give every client a new address towards the server, as when a NAT forgets or Wi-Fi changes."""
        for task in self._outside.values():
            task.add_done_callback(_close)
        self._outside.clear()

    def close(self) -> None:
        self.rebind()
        self._inside.close()
        if self._timer is not None:
            self._timer.cancel()

    def _from_client(self, data: bytes, client: Address) -> None:
        task = self._outside.get(client)
        if task is None:
            task = self._outside[client] = self._loop.create_task(self._open(client))
        opened = task

        def deliver(data: bytes) -> None:
            if opened.done() and not opened.get_loop().is_closed() and not opened.result().is_closing():
                opened.result().sendto(data)

        self._pass(self.up, data, deliver)

    async def _open(self, client: Address) -> asyncio.DatagramTransport:
        def deliver(data: bytes) -> None:
            if not self._inside.is_closing():
                self.bytes_down += len(data)
                self._inside.sendto(data, client)

        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Socket(lambda data, _: self._pass(self.down, data, deliver)), remote_addr=self._server
        )
        return transport

    def _pass(self, link: Link, data: bytes, deliver: Callable[[bytes], None]) -> None:
        arrives = link.send(len(data), self._loop.time())
        if arrives is None:
            return
        if len(self._waiting) >= MAX_WAITING:
            raise RuntimeError(f"more than {MAX_WAITING} datagrams wait on a link")
        heapq.heappush(self._waiting, (arrives, next(self._order), deliver, data))
        if self._waiting[0][0] == arrives:
            self._rearm()

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._waiting[0][0], self._due) if self._waiting else None

    def _due(self) -> None:
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, deliver, data = heapq.heappop(self._waiting)
            deliver(data)
        self._rearm()


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._received(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """The other side is not there (any more): what was sent is lost, as it would be on a network."""


def _close(task: asyncio.Task[asyncio.DatagramTransport]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
