"""Stats: where the room's figures come from. They are measured elsewhere; signaling only passes them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class StatsSource(Protocol):
    """Knows how the calls go."""

    def stats_of(self, room_id: str, participant_id: str) -> Mapping[str, object]:
        """Return what concerns one participant, as it is sent: the fields of `stats` in docs/protocol.md."""


class NoStats:
    """Nothing is measured."""

    def stats_of(self, room_id: str, participant_id: str) -> Mapping[str, object]:
        """Return the figures of a room in which nothing is measured."""
        return {
            "roomId": room_id,
            "mode": "p2p",
            "age": None,
            "participants": [],
            "producers": [],
            "consumers": [],
            "consumerCount": 0,
        }
