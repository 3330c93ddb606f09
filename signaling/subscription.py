"""Subscription: which layer of a track somebody gets, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the media server sends of one track to one participant."""

    track_id: str
    rid: str
    """The simulcast stream; empty where there is one alone."""
    spatial: int
    temporal: int
    width: int | None
    """Pixels; None where the stream has not told."""
    height: int | None
    reason: str
    """docs/protocol.md, "Layers"."""

    def to_json(self) -> dict[str, object]:
        """The fields of the message `subscription`."""
        return {
            "trackId": self.track_id,
            "rid": self.rid,
            "spatial": self.spatial,
            "temporal": self.temporal,
            "width": self.width,
            "height": self.height,
            "reason": self.reason,
        }
