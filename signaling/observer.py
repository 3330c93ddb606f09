"""Who wants to know how people come: for metrics and traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from signaling.participant import Participant
from signaling.room import Room


@dataclass(frozen=True, slots=True)
class Arrival:
    """A join that was let in. Times are seconds of the event loop's clock."""

    room: Room
    participant: Participant
    requested: float
    """The request for the WebSocket came."""
    welcomed: float
    """The welcome was ready to be sent."""


class Observer(Protocol):
    """Told of arrivals, in the task and the context of the request."""

    def arrived(self, arrival: Arrival) -> None: ...


class NoObserver:
    """Nobody wants to know."""

    def arrived(self, arrival: Arrival) -> None:
        """Do nothing."""
