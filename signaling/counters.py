"""What signaling has done since it started, for metrics and tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Totals; they only grow."""

    joins: int = 0
    leaves: int = 0
    rooms_opened: int = 0
    rooms_expired: int = 0
    mode_switches: int = 0
    """Rooms that went from p2p to SFU."""
    received: Counter[str] = field(default_factory=Counter)
    """Messages accepted, by type."""
    errors: Counter[str] = field(default_factory=Counter)
    """Messages refused, by error code."""
    refused: Counter[str] = field(default_factory=Counter)
    """Joins refused, by error code."""
    resumed: int = 0
    """Connections that took the place of one before."""
    resumes_refused: Counter[str] = field(default_factory=Counter)
    """Connections that did not: the token was `unknown`, `late`, `used` or for an `other_room`."""
    closed: Counter[str] = field(default_factory=Counter)
    """Connections ended, by error code where the server ended them; otherwise `client`, `lost`, `too_big`."""
    frames_dropped: int = 0
    """Messages that waited for a participant and were not sent to it before it left."""
