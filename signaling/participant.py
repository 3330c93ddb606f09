"""A participant: one connection's membership of one room."""

from __future__ import annotations

from dataclasses import dataclass, field

from signaling.outbox import Outbox
from signaling.track import Source, Track


@dataclass(slots=True, eq=False)
class Participant:
    """Who is in a room, and what for each waits to be sent."""

    id: str
    display_name: str
    outbox: Outbox
    user_id: int | None = None
    """The account; None for a guest."""
    local: bool = False
    """The client is on this machine: its address is a loopback address."""
    tracks: dict[Source, Track] = field(default_factory=dict)
