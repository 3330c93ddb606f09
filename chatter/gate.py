"""The gate before HTTP: how many connections one address may have, and how long a first request may take.

What is let through belongs to aiohttp from then on, at no further cost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from api.address import TrustedProxies, network_of
from api.errors import PROBLEM_JSON, ErrorKind

TOO_MANY_CONNECTIONS = ErrorKind(429, "too_many_connections", "There are too many connections")

HEAD_LIMIT = 10.0
"""Seconds from the connection to the end of the first request's head; who drips it is cut off."""

HEAD_BYTES = 32 * 1024
"""As much of a head is kept; aiohttp refuses what is longer."""

END_OF_HEAD = b"\r\n\r\n"


class Gate:
    """Counts connections by where they come from."""

    def __init__(self, limit: int, proxies: TrustedProxies, registry: CollectorRegistry) -> None:
        """`proxies` have no limit: everybody comes from there, and they bound their clients themselves."""
        self.limit = limit
        self._proxies = proxies
        self._held: dict[str, set[asyncio.BaseTransport]] = {}
        self._refused = Counter(
            "chatter_http_connections_refused",
            "Connections that were closed before a request, by reason",
            ("reason",),
            registry=registry,
        )
        for reason in ("too_many", "slow"):
            self._refused.labels(reason)

    def __len__(self) -> int:
        """Return how many places are being counted."""
        return len(self._held)

    def admit(self, host: str, transport: asyncio.BaseTransport) -> bool:
        """Whether one more may come from there; it counts until it is closed."""
        if self._proxies.trusts(host):
            return True
        place = network_of(host)
        held = {other for other in self._held.get(place, ()) if not other.is_closing()}
        admitted = len(held) < self.limit
        if admitted:
            held.add(transport)
        else:
            self._refused.labels("too_many").inc()
        self._held[place] = held
        self._forget_one()
        return admitted

    def too_slow(self) -> None:
        """Count a connection on which no request came."""
        self._refused.labels("slow").inc()

    def _forget_one(self) -> None:
        # One is looked at for each that comes, so that places do not pile up.
        place = next(iter(self._held))
        held = {other for other in self._held.pop(place) if not other.is_closing()}
        if held:
            self._held[place] = held


class Doorkeeper(asyncio.Protocol):
    """Stands on a new connection until the head of a request is there."""

    def __init__(self, gate: Gate, make_handler: Callable[[], asyncio.BaseProtocol]) -> None:
        self._gate = gate
        self._make_handler = make_handler
        self._head = bytearray()
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple) and not self._gate.admit(peer[0], transport):
            transport.write(too_many(self._gate.limit))
            transport.close()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_LIMIT, self._too_slow)

    def data_received(self, data: bytes) -> None:
        if self._timer is None:
            return
        # The end may have come in two parts.
        start = max(0, len(self._head) - len(END_OF_HEAD) + 1)
        self._head += data
        if self._head.find(END_OF_HEAD, start) < 0 and len(self._head) < HEAD_BYTES:
            return
        self._stop()
        handler = self._make_handler()
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        assert isinstance(handler, asyncio.Protocol)
        handler.data_received(bytes(self._head))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()

    def _too_slow(self) -> None:
        self._gate.too_slow()
        self._stop()
        self._transport.abort()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def too_many(limit: int) -> bytes:
    """Return the answer to a connection too many."""
    error = TOO_MANY_CONNECTIONS(
        f"Your address has {limit} connections open, as many as it may: close some and try again."
    )
    body = json.dumps(error.body()).encode()
    head = (
        f"HTTP/1.1 {error.status} Too Many Requests\r\n"
        f"Content-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Retry-After: 10\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
