"""When to send more than is needed for a moment, to learn whether the link could carry it.

After libwebrtc's goog_cc/probe_controller.cc and probe_bitrate_estimator.cc: at the start, on and on while
the link carries what is tried, and from time to time while somebody wants more than the estimate allows.
"""

from __future__ import annotations

from dataclasses import dataclass

from sfu.bwe.sent import Probe

DURATION = 0.03
"""Seconds that a probe lasts. Twice the rate for so long makes a queue of so long at the worst."""

# At the start, these many times the first estimate.
_FIRST = (3.0, 6.0)
# What it carried of what was tried, for the next try.
_FURTHER = 0.7
_STEP = 2.0
# The next try is this much higher, or later.
_MORE = 1.05
# As long as the link carries what is tried, tries go on up to so many times what is wanted: pictures grow.
_ROOM = 2.0
# Seconds between tries, and after a queue was seen.
_INTERVAL = 4.0
_AFTER_OVERUSE = 2.0
# Feedback about a probe that has not come by then will not.
_TIMEOUT = 1.0

# A result takes most of what was sent, in a time that makes sense.
_LEAST_PACKETS = 5
_LEAST_PART = 0.8
_LONGEST = 1.0
# Where the packets came more slowly than they were sent, the link is full: its rate, and a little room.
_FULL = 0.9
_SAFE = 0.95


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """Send at this rate for a moment."""

    id: int
    bitrate: int
    """Bits per second, of all that is sent meanwhile."""
    duration: float = DURATION
    """Seconds."""


def probe_bitrate(probe: Probe) -> float | None:
    """The rate that a probe has shown, bits per second; None while, or where, it shows none."""
    if not probe.done or probe.packets_sent < _LEAST_PACKETS or probe.packets_received < _LEAST_PACKETS:
        return None
    if (
        probe.packets_received < _LEAST_PART * probe.packets_sent
        or probe.bytes_received < _LEAST_PART * probe.bytes_sent
    ):
        return None
    sending = probe.last_sent - probe.first_sent
    receiving = probe.last_received - probe.first_received
    if not (0 < sending <= _LONGEST and 0 < receiving <= _LONGEST):
        return None
    # The last packet's size took no part of the time in which they were sent, nor the first one's in that of
    # receiving.
    sent = 8 * (probe.bytes_sent - probe.size_last_sent) / sending
    received = 8 * (probe.bytes_received - probe.size_first_received) / receiving
    if received > 2 * sent:
        return None  # they came at once: something held them up, and the time tells nothing
    return _SAFE * received if received < _FULL * sent else min(sent, received)


class ProbeController:
    """Decides on probes for one link. Pure: `now` is seconds."""

    __slots__ = ("_count", "_due", "_first", "_going_well", "_pending", "_since", "_tried")

    def __init__(self) -> None:
        self._count = 0
        self._pending: ProbeRequest | None = None
        self._since = 0.0
        self._due = float("-inf")
        self._first: list[float] = list(_FIRST)
        self._going_well = False
        self._tried = 0.0

    def overused(self, now: float) -> None:
        """A queue was seen: no more for now."""
        self._due = max(self._due, now + _AFTER_OVERUSE)
        self._first.clear()
        self._going_well = False

    def result(self, probe: Probe, now: float) -> float | None:
        """What the newest probe has shown, once."""
        pending = self._pending
        if pending is None:
            return None
        measured = probe_bitrate(probe) if probe.id == pending.id else None
        if measured is not None and measured >= _FURTHER * pending.bitrate:
            self._pending = None
            self._due = now
            self._going_well = True
        elif now - self._since > _TIMEOUT or (
            measured is not None and probe.packets_received == probe.packets_sent
        ):
            self._pending = None
            self._due = now + _INTERVAL
            self._going_well = False
        else:
            return None
        return measured

    def next(self, estimate: float, wanted: float, now: float) -> ProbeRequest | None:
        """The probe that is to be sent now. `wanted`: what would be sent if the link carried it."""
        # What is shown is a little less than what was tried.
        enough = wanted * (_ROOM * _FULL if self._going_well else 1.0)
        if self._pending is not None or enough <= estimate or now < self._due:
            return None
        bitrate = min(estimate * (self._first[0] if self._first else _STEP), wanted * _ROOM)
        if self._going_well and bitrate < _MORE * self._tried:
            # The last one did not raise the estimate: something else holds it.
            self._going_well = False
            self._due = now + _INTERVAL
            return None
        del self._first[:1]
        self._tried = bitrate
        self._count += 1
        self._pending = ProbeRequest(self._count, round(bitrate))
        self._since = now
        return self._pending
