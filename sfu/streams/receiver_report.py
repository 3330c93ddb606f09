"""What a publisher is told of how its stream arrives (RFC 3550 section 6.4.1 and appendix A.3)."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.plane.interface import SourceState


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """The content of one report block."""

    fraction_lost: int
    """0 to 255: 256 × lost / expected since the last report."""
    packets_lost: int
    """Since the start, in the 24 signed bits that the block has."""
    highest_sequence_number: int
    """Extended, 32 bits."""
    jitter: int
    """Timestamp units."""
    last_sr: int
    delay_since_last_sr: int
    """Units of 1/65536 s."""


class ReceiverReports:
    """What was reported of one stream so far: each report is about the time since the one before."""

    def __init__(self) -> None:
        self._expected = 0
        self._received = 0
        self._last_sr = 0
        self._last_sr_arrival: float | None = None

    def sender_report(self, middle_ntp: int, now: float) -> None:
        """A sender report of the stream came; the next report block echoes it."""
        self._last_sr = middle_ntp
        self._last_sr_arrival = now

    def next(self, state: SourceState, now: float) -> ReceptionReport:
        """The report that is due now on a stream with these counters."""
        expected = state.highest_sequence_number - state.first_sequence_number + 1 if state.packets else 0
        expected_interval = expected - self._expected
        lost_interval = expected_interval - (state.packets - self._received)
        self._expected = expected
        self._received = state.packets
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min(255, (lost_interval << 8) // expected_interval)
        delay = 0 if self._last_sr_arrival is None else round((now - self._last_sr_arrival) * 65536)
        return ReceptionReport(
            fraction_lost=fraction,
            packets_lost=max(-0x800000, min(0x7FFFFF, expected - state.packets)),
            highest_sequence_number=state.highest_sequence_number & 0xFFFFFFFF,
            jitter=round(state.jitter) & 0xFFFFFFFF,
            last_sr=self._last_sr,
            delay_since_last_sr=min(delay, 0xFFFFFFFF),
        )
