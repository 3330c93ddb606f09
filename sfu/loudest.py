"""Which tracks of a room are forwarded where only the N loudest are. Pure.

After the ranking by energy of jitsi-videobridge ("loudest speakers only"), with a hysteresis, and a hold so
that no word is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from sfu.plane.interface import AudioLevels
from sfu.wire.audio_level import SILENCE

DECAY = 20.0
"""Decibels per second by which who is not heard any more counts as less loud: a pause costs little."""
BONUS = 6.0
"""Decibels by which one has to be louder than who is forwarded."""
HOLD = 1.0
"""Seconds that who came in stays in, however loud others are."""


@dataclass(slots=True)
class _Loudness:
    level: float = -SILENCE
    """dBov: up at once, down slowly."""
    since: float | None = None
    """When it came in; None while it is out."""


class Loudest:
    """One room's choice."""

    def __init__(self, count: int) -> None:
        """`count`: how many are forwarded; 1 or more."""
        self._count = count
        self._tracks: dict[str, _Loudness] = {}
        self._updated = 0.0

    def update(self, heard: Mapping[str, AudioLevels], now: float) -> Set[str]:
        """The tracks that are held back from now on.

        `heard`: track id → what its packets told since the last update, of all that compete.
        """
        decay = DECAY * (now - self._updated)
        self._updated = now
        self._tracks = {track_id: self._tracks.get(track_id) or _Loudness() for track_id in heard}
        for track_id, levels in heard.items():
            track = self._tracks[track_id]
            track.level = max(-SILENCE, track.level - decay)
            if levels.audible:
                track.level = max(track.level, -levels.total / levels.audible)
        # Of equals the one that has been there longer.
        ranked = sorted(self._tracks, key=lambda track_id: self._rank(self._tracks[track_id], now))
        for place, track_id in enumerate(ranked):
            track = self._tracks[track_id]
            if place >= self._count:
                track.since = None
            elif track.since is None:
                track.since = now
        return set(ranked[self._count :])

    def _rank(self, track: _Loudness, now: float) -> tuple[bool, float]:
        """The smaller, the earlier."""
        if track.since is None:
            return True, -track.level
        return now - track.since >= HOLD, -track.level - BONUS
