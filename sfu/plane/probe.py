"""A probe that runs: how much padding is due, so that all that is sent goes at its rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sfu.bwe.sent import Probe

MAXIMUM_AT_ONCE = 64
"""Packets of padding that one tick sends to a subscriber: a tick that comes late makes no flood."""
PADDING = 255
"""Bytes: the most that the count in a packet's last byte tells (RFC 3550 section 5.1)."""

# What a probe has to send to show a rate (sfu.bwe.probing): five packets, none longer than this on the wire.
_LEAST_BYTES = 5 * 350
# Times its duration after which a probe ends that could not send so much.
_LONGEST = 10.0


def check_probe(probe: int, bitrate: float, duration: float) -> None:
    """Raise ValueError for what is no probe."""
    if not 0 < probe < 1 << 32:
        raise ValueError(f"probe is {probe}, it should be 1 to 4294967295")
    if not (0 < bitrate < math.inf and 0 < duration < math.inf):
        raise ValueError(f"probe of {bitrate} bit/s for {duration} s: both should be above 0, and finite")


@dataclass(frozen=True, slots=True)
class RunningProbe:
    """Bits per second, and seconds. The compiled twin is in native/probe.c."""

    bitrate: float
    duration: float
    began: float

    def lacks(self, probe: Probe, now: float) -> bool:
        """Whether a packet is due, after what the probe has sent. The first one is due at once."""
        return probe.bytes_sent <= min(self.bitrate * (now - self.began) / 8, self._whole)

    def ended(self, probe: Probe, now: float) -> bool:
        """Whether all has been sent, or never will."""
        elapsed = now - self.began
        if elapsed < self.duration:
            return False
        return probe.bytes_sent > self._whole or elapsed >= _LONGEST * self.duration

    @property
    def _whole(self) -> float:
        return max(self.bitrate * self.duration / 8, _LEAST_BYTES)
