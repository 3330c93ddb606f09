"""What receivers are told: an event of a room as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from signaling.room_event import RoomEvent
from signaling.track import KIND_OF_SOURCE

TOLD = frozenset(
    {
        "room.started",
        "room.ended",
        "participant.joined",
        "participant.left",
        "track.published",
        "track.unpublished",
    }
)
"""Types of events that are told; what people say to each other is not."""


@dataclass(frozen=True, slots=True)
class Message:
    """One event on its way to all endpoints."""

    id: str
    """The same at every attempt and for every endpoint: receivers tell repeated ones by it."""
    at: datetime
    """When it happened, in UTC."""
    event: RoomEvent

    @property
    def body(self) -> str:
        """The JSON text that is signed and sent (docs/webhooks.md)."""
        told: dict[str, object] = {
            "type": self.event.type,
            "time": self.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "room": {"id": self.event.room_id, "sessionId": self.event.session_id},
        }
        data = self.event.data
        if self.event.type.startswith("participant."):
            told["participant"] = {"id": data["participantId"]} | {
                key: data[key] for key in ("displayName", "userId", "role", "hidden", "bot")
            }
        elif self.event.type.startswith("track."):
            told["participant"] = {"id": data["participantId"]}
            kind = next(kind for source, kind in KIND_OF_SOURCE.items() if source == data["source"])
            told["track"] = {"id": data["trackId"], "source": data["source"], "kind": kind}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
