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
    closed: Counter[str] = field(default_factory=Counter)
    """Connections ended, by error code where the server ended them; otherwise `client`, `lost`, `too_big`."""
    frames_dropped: int = 0
    """Frames that waited for a client whose connection was ended."""
