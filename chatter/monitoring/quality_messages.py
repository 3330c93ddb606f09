"""Tells rooms how the calls in them go: from the looks of the sampler, as far as it is news."""

from __future__ import annotations

from chatter.monitoring.quality_news import QualityNews
from chatter.monitoring.score import room_quality
from chatter.monitoring.snapshot import Snapshot
from signaling.rooms import Rooms


class QualityMessages:
    """All rooms of a server."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._news: dict[str, QualityNews] = {}
        self._present: dict[str, frozenset[str]] = {}
        """Who has been told what is known, by room."""

    def update(self, snapshot: Snapshot) -> None:
        """Take a new look, and send what has changed."""
        looked_at = {room.id for room in snapshot.rooms}
        for gone in self._news.keys() - looked_at:
            del self._news[gone]
            self._present.pop(gone, None)
        for look in snapshot.rooms:
            room = self._rooms.get(look.id)
            qualities = room_quality(look)
            if room is None or (not qualities and look.id not in self._news):
                continue
            news = self._news.setdefault(look.id, QualityNews())
            changed = news.update(qualities, snapshot.at)
            present = frozenset(participant.id for participant in room.participants)
            newcomers = present - self._present.get(look.id, frozenset())
            self._present[look.id] = present
            room.tell_quality(changed, news.told, newcomers)
