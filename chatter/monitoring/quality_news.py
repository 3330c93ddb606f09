"""When a change of quality is worth telling: for the worse soon, for the better once it has held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from signaling.quality import CallQuality

# Points of the score that are no news within the same grade and cause.
STEP = 10
# Seconds that a better score must hold: who looks at bars that go up and down believes none of them.
HOLD = 8.0
# Seconds between two tellings about one participant.
INTERVAL = 4.0


@dataclass(slots=True)
class _Told:
    quality: CallQuality
    at: float
    better_since: float | None = None


class QualityNews:
    """What one room has been told. `now` is seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    @property
    def told(self) -> Mapping[str, CallQuality]:
        """As everybody knows it, by participant id."""
        return {participant: told.quality for participant, told in self._told.items()}

    def update(self, qualities: Mapping[str, CallQuality], now: float) -> dict[str, CallQuality]:
        """Return those to be told now, by participant id; who is not in `qualities` is forgotten."""
        for gone in self._told.keys() - qualities.keys():
            del self._told[gone]
        return {
            participant: quality
            for participant, quality in qualities.items()
            if self._is_news(participant, quality, now)
        }

    def _is_news(self, participant: str, quality: CallQuality, now: float) -> bool:
        told = self._told.get(participant)
        if told is not None and not _differs(told.quality, quality):
            told.better_since = None
            return False
        if told is not None:
            if quality.score > told.quality.score:
                if told.better_since is None:
                    told.better_since = now
                if now - told.better_since < HOLD:
                    return False
            else:
                told.better_since = None
            if now - told.at < INTERVAL:
                return False
        self._told[participant] = _Told(quality, now)
        return True


def _differs(told: CallQuality, quality: CallQuality) -> bool:
    if abs(told.score - quality.score) >= STEP or told.grade != quality.grade:
        return True
    return _what(told) != _what(quality)


def _what(quality: CallQuality) -> tuple[str, str | None]:
    cause = quality.cause
    return (cause.code, cause.track_id) if cause is not None else ("", None)
