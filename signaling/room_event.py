"""What happens in rooms that others want to keep or to be told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RoomEventType = Literal[
    "room.started",
    "room.ended",
    "participant.joined",
    "participant.left",
    "track.published",
    "track.unpublished",
    "chat.sent",
    "policy.changed",
    "role.changed",
]


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """One thing that happened, in the order in which it did."""

    type: RoomEventType
    room_id: str
    session_id: str
    """Of the call: from the first who comes to the last who leaves."""
    data: Mapping[str, object]
    """In JSON's types."""


def ignore(_event: RoomEvent) -> None:
    """Nobody wants to know."""
