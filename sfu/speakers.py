"""Who speaks in a room, loudest first, by the audio levels that publishers tell (RFC 6464). Pure.

That a share of the packets of a window has to be audible, and how loud they are on average, is LiveKit's way
(pkg/sfu/audio); that a ranking is told when it changes, and only so often, is mediasoup's AudioLevelObserver.
A click is loud and no speech; a pause between two words ends none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from sfu.plane.interface import AudioLevels

START_WINDOW, START_SHARE = 0.4, 0.4
"""Seconds, and the share of the packets in them that has to be audible for somebody to begin to speak."""
START_PACKETS = 4
"""Audible ones at least: with DTX a silent sender sends so few that one is a large share."""
STOP_WINDOW, STOP_SHARE = 0.8, 0.1
"""Seconds, and the share that has to be audible for somebody to go on speaking."""
MARGIN = 3.0
"""Decibels by which a speaker has to be louder than the one before to take its place."""
INTERVAL = 0.3
"""Seconds between two changes that are told, at least."""
MAX_SPEAKERS = 10
"""That are told, the loudest."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A track on which somebody speaks."""

    track_id: str
    level: float
    """Of what is audible of it, in dBov: 0 is the loudest."""


class _Window:
    """What a track has told in the last STOP_WINDOW."""

    def __init__(self) -> None:
        self.speaking = False
        self.level = 0.0
        """dBov; of a speaker."""
        self._looks: deque[tuple[float, AudioLevels]] = deque()

    def update(self, heard: AudioLevels, now: float) -> None:
        self._looks.append((now, heard))
        while now - self._looks[0][0] >= STOP_WINDOW:
            self._looks.popleft()
        packets, audible, total = self._sum(now, STOP_WINDOW)
        if self.speaking:
            self.speaking = audible > 0 and audible >= STOP_SHARE * packets
        else:
            recent, begun, _ = self._sum(now, START_WINDOW)
            self.speaking = begun >= START_PACKETS and begun >= START_SHARE * recent
        if self.speaking:
            self.level = -total / audible

    def _sum(self, now: float, seconds: float) -> tuple[int, int, int]:
        looks = [heard for at, heard in self._looks if now - at < seconds]
        return sum(h.packets for h in looks), sum(h.audible for h in looks), sum(h.total for h in looks)


class SpeakerDetector:
    """One room's."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}
        self._order: list[str] = []
        self._told: list[str] | None = []
        """None where who was told has gone, so that whoever speaks now is told again."""
        self._next_tell = 0.0

    def update(self, heard: Mapping[str, AudioLevels], now: float) -> tuple[Speaker, ...] | None:
        """Who speaks, if that is to be told now; None where nothing has changed or the last time is too near.

        `heard`: track id → what its packets told since the last update. Who is not in it does not speak.
        """
        self._windows = {track_id: self._windows.get(track_id) or _Window() for track_id in heard}
        for track_id, levels in heard.items():
            self._windows[track_id].update(levels, now)
        self._rank()
        loudest = self._order[:MAX_SPEAKERS]
        if loudest == self._told or now < self._next_tell:
            return None
        self._told = loudest
        self._next_tell = now + INTERVAL
        return tuple(Speaker(track_id, self._windows[track_id].level) for track_id in loudest)

    def forget(self, track_id: str) -> None:
        """Whoever was told of a track that has gone counts it as silent: it has to begin anew."""
        self._windows.pop(track_id, None)
        if self._told is not None and track_id in self._told:
            self._told = None

    def _rank(self) -> None:
        """The order as it was, but for those who are louder by more than the margin, and the new ones."""
        speaking = [track_id for track_id, window in self._windows.items() if window.speaking]
        order = [track_id for track_id in self._order if track_id in speaking]
        order += [track_id for track_id in speaking if track_id not in order]
        for place in range(1, len(order)):
            while place and self._louder(order[place], order[place - 1]):
                order[place - 1], order[place] = order[place], order[place - 1]
                place -= 1
        self._order = order

    def _louder(self, track_id: str, other: str) -> bool:
        return self._windows[track_id].level > self._windows[other].level + MARGIN
