"""How loud a source has been, counted per packet."""

from __future__ import annotations

from sfu.plane.interface import AudioLevels
from sfu.wire.audio_level import read_level

AUDIBLE = 50
"""-dBov up to which a packet counts as audible: a voice nearby is at 15 to 40, a quiet room above 60."""


class Level:
    """Counters of one source; see `AudioLevels`."""

    __slots__ = ("audible", "packets", "total")

    def __init__(self) -> None:
        self.packets = 0
        self.audible = 0
        self.total = 0

    def note(self, data: bytes) -> None:
        """Count the data of a packet's audio level. What tells none is left out."""
        try:
            level = read_level(data)
        except ValueError:
            return
        self.packets += 1
        if level <= AUDIBLE:
            self.audible += 1
            self.total += level

    def state(self) -> AudioLevels:
        """A copy of the counters."""
        return AudioLevels(self.packets, self.audible, self.total)
