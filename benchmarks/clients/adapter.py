"""What a benchmark asks of a server under load. One small class per server implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.clients.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Sending:
    """A stream that a connection sends."""

    kind: str
    ssrc: int
    payload_type: int


@dataclass(slots=True)
class Connection:
    """A connected endpoint and what goes over it."""

    endpoint: Endpoint
    sends: list[Sending] = field(default_factory=list)
    receives: int = 0
    """Streams."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who joins: what they send, and how much of each kind they receive."""

    sends: Sequence[str] = ()
    receives: Mapping[str, int] = field(default_factory=dict)


class Adapter(Protocol):
    """A running server."""

    name: str
    pid: int | None
    """Of its process; None where it is not ours and its CPU cannot be told."""

    async def open_room(self) -> str:
        """Make a room, and return what `join` takes for it."""

    async def join(self, room: str, member: Member) -> list[Connection]:
        """Join and connect; the connections are those there are by now. Raises ConnectFailed."""

    async def complete(self, room: str) -> list[Connection]:
        """Everybody has joined who is to: connect what waited for that. Raises ConnectFailed."""

    async def close_room(self, room: str) -> None:
        """Everybody leaves."""
