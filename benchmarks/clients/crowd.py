"""A crowd of clients in the rooms of one server, and what is measured while they send and receive."""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.clients.adapter import Adapter, Connection, Member
from benchmarks.clients.load import Counters, Load, Traffic
from benchmarks.cpu import process_seconds, resident_bytes, thread_seconds
from benchmarks.figures import percentile

JOINING = 8
"""Who joins at once."""
CONSENT_INTERVAL = 10.0
"""Seconds between checks: servers forget a client after 30 without one (RFC 7675)."""
SAMPLED = 10
"""One sink in so many measures latency, which takes its client an unprotect per packet."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was measured in a window of time."""

    seconds: float
    counters: Counters
    forwards: int
    """Packets that should have arrived: those sent, times who receives each."""
    in_flight: int
    """How many of them may be on their way at the end of the window: one burst of each source."""
    cpu: float | None
    """Seconds of the server's CPU."""
    threads: Mapping[int, float]
    """The same, by its thread."""
    latencies: Sequence[float]
    """Seconds, sorted; of a part of the sinks."""

    @property
    def cpu_per_packet(self) -> float | None:
        """Seconds of the server's CPU per packet that arrived."""
        return self.cpu / self.counters.received if self.cpu is not None and self.counters.received else None

    @property
    def loss(self) -> float:
        """The part of the packets that did not arrive."""
        # Some are on their way when the window begins and ends; gaps are seen exactly.
        lost = max(self.forwards - self.in_flight - self.counters.received, self.counters.missing)
        return max(0.0, lost / self.forwards) if self.forwards else 0.0

    @property
    def packets_per_second(self) -> float:
        """That arrived."""
        return self.counters.received / self.seconds

    @property
    def load(self) -> float | None:
        """Cores that the server used."""
        return self.cpu / self.seconds if self.cpu is not None else None

    def latency(self, percent: float) -> float | None:
        """Seconds that so many percent of the packets took at the most."""
        return percentile(self.latencies, percent) if self.latencies else None

    def to_json(self) -> dict[str, Any]:
        """Everything but the single latencies."""
        return {
            "seconds": self.seconds,
            **asdict(self.counters),
            "forwards": self.forwards,
            "loss": self.loss,
            "packets_per_second": self.packets_per_second,
            "cpu_seconds": self.cpu,
            "cpu_seconds_by_thread": dict(self.threads),
            "cpu_microseconds_per_packet": None if self.cpu_per_packet is None else self.cpu_per_packet * 1e6,
            "latency_ms": {
                str(percent): None if (found := self.latency(percent)) is None else found * 1e3
                for percent in (50, 99, 99.9, 100)
            },
        }


def middle(windows: Sequence[Window], name: str) -> float | None:
    """The median of a property over windows; None where one of them lacks it."""
    found = [getattr(window, name) for window in windows]
    return None if not found or None in found else float(median(found))


def middle_latency(windows: Sequence[Window], percent: float) -> float | None:
    """The median of a percentile over windows, in seconds."""
    found = [latency for window in windows if (latency := window.latency(percent)) is not None]
    return float(median(found)) if found else None


@dataclass(slots=True)
class Crowd:
    """Who has joined a server. Use as a context: at the end everybody leaves."""

    adapter: Adapter
    library: ctypes.CDLL
    traffic: Mapping[str, Traffic]
    """By kind."""
    size: int
    """Connections at the most."""
    sampled: int = SAMPLED
    whole_runs: bool = False
    """What a server sent by UDP_SEGMENT reaches clients uncut (UDP_GRO)."""
    connections: list[Connection] = field(default_factory=list)
    profiles: set[str] = field(default_factory=set)
    _rooms: list[str] = field(default_factory=list)
    _load: Load | None = None
    _consent: asyncio.Task[None] | None = None
    _sinks: int = 0
    _burst: int = 0

    async def __aenter__(self) -> Crowd:
        self._load = Load(self.library, self.size, self.size * 2, whole_runs=self.whole_runs)
        self._load.start()
        self._consent = asyncio.create_task(self._keep_consent())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consent is not None:
            self._consent.cancel()
            with suppress(asyncio.CancelledError):
                await self._consent
        if self._load is not None:
            self._load.close()
        for room in self._rooms:
            await self.adapter.close_room(room)
        await asyncio.gather(*(connection.endpoint.close() for connection in self.connections))

    @property
    def load(self) -> Load:
        """Sources and sinks."""
        assert self._load is not None
        return self._load

    async def open_room(self) -> str:
        """A new room."""
        room = await self.adapter.open_room()
        self._rooms.append(room)
        return room

    async def join(self, room: str, members: Sequence[Member]) -> None:
        """Let them join, some at once, and their media begin. Raises ConnectFailed."""
        places = asyncio.Semaphore(JOINING)

        async def one(member: Member) -> None:
            async with places:
                self._begin(await self.adapter.join(room, member))

        async with asyncio.TaskGroup() as group:
            for member in members:
                group.create_task(one(member))
        self._begin(await self.adapter.complete(room))

    def _begin(self, connections: Sequence[Connection]) -> None:
        for connection in connections:
            endpoint = connection.endpoint
            self.profiles.add(endpoint.profile)
            if connection.receives:
                # The first one measures, and one in `sampled` of all.
                measures = self._sinks % self.sampled == 0
                self._sinks += 1
            else:
                measures = False
            self.load.add_sink(endpoint.descriptor, endpoint.receiving if measures else None)
            for sending in connection.sends:
                self._burst += self.traffic[sending.kind].burst
                self.load.add_source(
                    endpoint.descriptor,
                    endpoint.sending,
                    sending.ssrc,
                    sending.payload_type,
                    self.traffic[sending.kind],
                )
            self.connections.append(connection)

    async def window(self, seconds: float, fanout: float) -> Window:
        """Measure for so long; each packet sent is to reach `fanout` others."""
        return await self.window_while(asyncio.create_task(asyncio.sleep(seconds)), fanout)

    async def window_while(self, task: asyncio.Task[None], fanout: float) -> Window:
        """Measure until the task is done. Raises what it does."""
        pid = self.adapter.pid
        self.load.mark()
        began, used = time.monotonic(), process_seconds(pid) if pid else 0.0
        threads = thread_seconds(pid) if pid else {}
        await task
        cpu = process_seconds(pid) - used if pid else None
        took = time.monotonic() - began
        counters = self.load.counters()
        after = thread_seconds(pid) if pid else {}
        return Window(
            took,
            counters,
            round(counters.sent * fanout),
            round(self._burst * fanout),
            cpu,
            {thread: after[thread] - threads.get(thread, 0.0) for thread in after},
            self.load.latencies(),
        )

    def memory(self) -> int | None:
        """Bytes that the server has in RAM."""
        return resident_bytes(self.adapter.pid) if self.adapter.pid else None

    async def _keep_consent(self) -> None:
        while True:
            await asyncio.sleep(CONSENT_INTERVAL)
            for connection in list(self.connections):
                connection.endpoint.check()
                # Not all at once: a burst of checks would delay media.
                await asyncio.sleep(0.005)
