"""Speaker: a track on which somebody speaks, as the media server hears it."""

from __future__ import annotations

from dataclasses import dataclass

_DECIBELS_PER_DECADE = 20


@dataclass(frozen=True, slots=True)
class Speaker:
    """One of those who speak."""

    track_id: str
    level: float
    """In dBov: 0 is the loudest."""

    @property
    def client_id(self) -> str:
        return self.track_id.rpartition(":")[0]

    def to_json(self) -> dict[str, object]:
        """As in the message `speakers`; `audioLevel` is linear, as in W3C's webrtc-stats."""
        level = 10 ** (self.level / _DECIBELS_PER_DECADE)
        return {"clientId": self.client_id, "trackId": self.track_id, "audioLevel": round(level, 4)}
