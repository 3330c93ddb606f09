"""Allocator: how the bandwidth towards one participant is shared among what it receives.

Pure: rungs with bitrates, an estimate and the time go in; a rung for each consumer, and why, comes out.

Sound comes first and is never taken away. Then every picture gets its lowest rung, in the order of how much
it is wanted: screens, the one who speaks, what has priority, what is shown larger. Then they rise: a screen
as far as it can, then the speaker, then the others by one rung in turn. So the least wanted picture is paused
before all freeze, and what is left over goes to those that are looked at.

A picture goes down at once, and up by one rung at a time, with room to spare. Where it fell back soon after,
it waits longer before it is tried again, twice as long each time: a picture that changes back and forth is
worse than a small one. (The same idea as in jitsi-videobridge's doc/allocation.md.)
"""

from __future__ import annotations

import enum
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

# What a rung costs more when it is climbed than when it is kept: measured rates go up and down.
_ROOM = 1.15
# Seconds between two steps up of one picture, and after one down. The latter doubles while the picture keeps
# falling back within _SOON, and begins anew where it had stood for _STEADY. Once it has fallen, there has to
# be room for the step for so long without a break.
_STEP = 0.4
_PATIENCE = 1.0
_HOLD = 2.0
_LONGEST_HOLD = 32.0
_SOON = 6.0
_STEADY = 30.0


class Rank(enum.IntEnum):
    """Why a picture is wanted; the lower one is served first."""

    SCREEN = 0
    SPEAKER = 1
    OTHER = 2


class Reason(enum.StrEnum):
    """Why a consumer gets what it gets."""

    WANTED = "wanted"
    """It is all that it wants."""
    BANDWIDTH = "bandwidth"
    """More does not go through, or others are served first."""
    HELD = "held"
    """More would go through; it waits, so that the picture does not change back and forth."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one consumer wants."""

    key: Hashable
    """Whose it is: the same one in each call."""
    rungs: Sequence[float]
    """Bits per second on the wire of each choice, the lowest first; the last one is all that is wanted. One
    that cannot be chosen between has one rung."""
    audio: bool = False
    rank: Rank = Rank.OTHER
    priority: int = 0
    """The higher one is served first within a rank."""
    pixels: int = 0
    """The larger one is served first within a priority."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one consumer gets."""

    rung: int | None
    """Index among the rungs of the request; None where it is paused."""
    bitrate: float
    """Bits per second that are set aside for it."""
    reason: Reason


@dataclass(slots=True)
class _History:
    """How one picture has fared."""

    rung: int | None = None
    rose: float = -math.inf
    fell: float = -math.inf
    hold: float = _HOLD
    could: float | None = None
    """Since when it could be higher, without a break."""


class Allocator:
    """One participant's. `now` is seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._pictures: dict[Hashable, _History] = {}

    def allocate(self, bitrate: float, requests: Iterable[Request], now: float) -> Mapping[Hashable, Share]:
        """Share bits per second on the wire. Every request has a share in the result."""
        requests = list(requests)
        shares = {
            request.key: Share(len(request.rungs) - 1, request.rungs[-1], Reason.WANTED)
            for request in requests
            if request.audio
        }
        left = bitrate - sum(share.bitrate for share in shares.values())
        pictures = sorted((r for r in requests if not r.audio and r.rungs), key=_order)
        self._forget({request.key for request in pictures})
        ideal = _climb(left, pictures, {p.key: self._pictures[p.key].rung for p in pictures})
        for request in pictures:
            shares[request.key] = self._step(request, ideal[request.key], now)
        return shares

    def _forget(self, keys: set[Hashable]) -> None:
        for key in self._pictures.keys() - keys:
            del self._pictures[key]
        for key in keys:
            self._pictures.setdefault(key, _History())

    def _step(self, request: Request, ideal: int | None, now: float) -> Share:
        """Go from what the picture has towards what it could have."""
        history = self._pictures[request.key]
        current = history.rung
        if current is not None and current >= len(request.rungs):
            # It wants less by itself, or its publisher has less: no fall.
            current = history.rung = len(request.rungs) - 1
        if _above(current, ideal):
            if now - history.rose < _SOON:
                history.hold = min(2 * history.hold, _LONGEST_HOLD)
            elif now - history.rose >= _STEADY:
                history.hold = _HOLD
            history.rung, history.fell = ideal, now
        elif _above(ideal, current):
            if history.could is None:
                history.could = now
            patient = now - history.could >= _PATIENCE or history.fell == -math.inf
            if patient and now - history.fell >= history.hold and now - history.rose >= _STEP:
                history.rung = 0 if current is None else current + 1
                history.rose = now
                history.could = None
        if not _above(ideal, history.rung):
            history.could = None
        rung = history.rung
        if rung == len(request.rungs) - 1:
            reason = Reason.WANTED
        else:
            reason = Reason.HELD if _above(ideal, rung) else Reason.BANDWIDTH
        return Share(rung, request.rungs[rung] if rung is not None else 0.0, reason)


def _order(request: Request) -> tuple[int, int, int]:
    return (request.rank, -request.priority, -request.pixels)


def _above(one: int | None, other: int | None) -> bool:
    return (-1 if one is None else one) > (-1 if other is None else other)


def _climb(
    left: float, pictures: Sequence[Request], current: Mapping[Hashable, int | None]
) -> dict[Hashable, int | None]:
    """The rung of each picture that the bitrate allows; `pictures` in the order in which they are served."""
    rungs: dict[Hashable, int | None] = {request.key: None for request in pictures}

    def climb(request: Request) -> bool:
        nonlocal left
        rung = rungs[request.key]
        following = 0 if rung is None else rung + 1
        if following == len(request.rungs):
            return False
        cost = request.rungs[following] - (request.rungs[rung] if rung is not None else 0.0)
        room = 0.0
        if _above(following, current[request.key]):
            room = (_ROOM - 1) * request.rungs[following]
        if cost + room > left:
            return False
        left -= cost
        rungs[request.key] = following
        return True

    for request in pictures:
        climb(request)
    for request in pictures:
        if request.rank is not Rank.OTHER:
            while rungs[request.key] is not None and climb(request):
                pass
    rising = [r for r in pictures if r.rank is Rank.OTHER and rungs[r.key] is not None]
    while rising:
        rising = [request for request in rising if climb(request)]
    return rungs
