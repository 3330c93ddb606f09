"""The publisher's clock, as its sender reports tell it and subscribers are told (RFC 3550 section 6.4.1)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

NTP_UNITS_PER_SECOND = 1 << 32
NTP_MASK = (1 << 64) - 1
TIMESTAMP_MASK = (1 << 32) - 1

# Sender reports whose answer is still waited for, per stream.
MAX_REPORTS = 8


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One sender report of a publisher: this RTP timestamp was sampled at that time of its wall clock."""

    ntp: int
    """64-bit NTP timestamp (RFC 5905): seconds since 1900 in the upper half."""
    rtp: int
    arrival: float
    """When it came, in seconds of our monotonic clock."""

    def at(self, now: float, clock_rate: int) -> tuple[int, int]:
        """(NTP, RTP timestamp) of the publisher's clocks at `now`.

        Both advance by the same time, so that the line on which a receiver aligns audio with video stays the
        publisher's own, whatever our clock does.
        """
        elapsed = max(0.0, now - self.arrival)
        ntp = (self.ntp + round(elapsed * NTP_UNITS_PER_SECOND)) & NTP_MASK
        rtp = (self.rtp + round(elapsed * clock_rate)) & TIMESTAMP_MASK
        return ntp, rtp


def middle_of_ntp(ntp: int) -> int:
    """The 32 bits in the middle of an NTP timestamp, as LSR carries them."""
    return (ntp >> 16) & 0xFFFFFFFF


class SentReports:
    """Which sender reports went out when, to measure the round trip from the answers."""

    def __init__(self) -> None:
        self._sent: OrderedDict[int, float] = OrderedDict()

    def sent(self, ntp: int, now: float) -> None:
        self._sent[middle_of_ntp(ntp)] = now
        if len(self._sent) > MAX_REPORTS:
            self._sent.popitem(last=False)

    def round_trip(self, last_sr: int, delay_since_last_sr: int, now: float) -> float | None:
        """Seconds of round trip told by a report block, None where it answers no report of ours.

        `delay_since_last_sr` is in units of 1/65536 s (RFC 3550 section 6.4.1).
        """
        at = self._sent.get(last_sr)
        if at is None:
            return None
        return max(0.0, now - at - delay_since_last_sr / 65536)
