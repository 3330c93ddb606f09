"""Does a queue grow on the way to a receiver? Told from when packets were sent and when they arrived.

The filter of draft-ietf-rmcat-gcc-02 sections 5.2 and 5.4, with libwebrtc's trendline in place of the Kalman
filter (modules/congestion_controller/goog_cc: inter_arrival_delta.cc, trendline_estimator.cc); the adaptive
threshold is that of Carlucci et al., "Analysis and Design of the Google Congestion Control for WebRTC", 2016.
 Times are in milliseconds here, as the constants are.
"""

from __future__ import annotations

import enum
from collections import deque

# Inter-arrival groups (section 5.2): packets sent within this time, or that came in a burst, are one.
_GROUP_LENGTH = 5.0
_BURST_GAP = 5.0
_BURST_LENGTH = 100.0
# A clock that jumps, or an order that is broken this often in a row, starts everything anew.
_CLOCK_JUMP = 3000.0
_REORDERED = 3

# The trend is the slope of a line through this many smoothed delays.
WINDOW = 20
_SMOOTHING = 0.9
_GAIN = 4.0
# The slope says little while there are few deltas.
_MAXIMUM_DELTAS = 60

# The adaptive threshold: it follows what is measured, faster down than up, but not lone peaks.
_INITIAL_THRESHOLD = 12.5
_MINIMUM_THRESHOLD, _MAXIMUM_THRESHOLD = 6.0, 600.0
_UP, _DOWN = 0.0087, 0.039
_PEAK = 15.0
_MAXIMUM_STEP = 100.0
# Over the threshold for so long, and still rising, is overuse.
_OVERUSE_TIME = 10.0


class Usage(enum.IntEnum):
    """What the delays say of the link."""

    NORMAL = 0
    OVERUSING = 1
    """A queue grows: more is sent than goes through."""
    UNDERUSING = 2
    """A queue empties."""


class DelayDetector:
    """Gets each acknowledged packet; `usage` is the verdict. The compiled twin is native/delay.c."""

    __slots__ = (
        "_accumulated",
        "_arrivals",
        "_deltas",
        "_first_arrival",
        "_groups",
        "_over_count",
        "_over_time",
        "_previous_trend",
        "_smoothed",
        "_threshold",
        "_updated",
        "overuses",
        "trend",
        "usage",
    )

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        self.overuses = 0
        """Verdicts of overuse so far: one may have come and gone between two looks."""
        self.trend = 0.0
        """What is held against the threshold: the slope, times gain and number of deltas."""
        self._groups = _Groups()
        self._reset()

    def _reset(self) -> None:
        self._deltas = 0
        self._first_arrival = 0.0
        self._accumulated = self._smoothed = 0.0
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._previous_trend = 0.0
        self._threshold = _INITIAL_THRESHOLD
        self._updated: float | None = None
        self._over_time: float | None = None
        self._over_count = 0
        self.usage = Usage.NORMAL
        self.trend = 0.0

    def reset(self) -> None:
        """Forget everything, as after a silence."""
        self._groups.reset()
        self._reset()

    def add(self, sent: float, arrival: float, now: float) -> None:
        """An acknowledged packet: when it was sent (ms), when it came on the receiver's clock (ms); the
        feedback that says so came at `now` (ms)."""
        deltas = self._groups.add(sent, arrival, now)
        if deltas is not None:
            self._update(*deltas, arrival)

    def _update(self, send_delta: float, arrival_delta: float, arrival: float) -> None:
        if not self._deltas:
            self._first_arrival = arrival
        self._deltas = min(self._deltas + 1, 1000)
        self._accumulated += arrival_delta - send_delta
        self._smoothed = _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * self._accumulated
        self._arrivals.append((arrival - self._first_arrival, self._smoothed))
        slope = self._previous_trend
        if len(self._arrivals) == WINDOW:
            slope = self._slope(slope)
        self._detect(slope, send_delta, arrival)

    def _slope(self, otherwise: float) -> float:
        """Least squares."""
        mean_x = mean_y = 0.0
        for x, y in self._arrivals:
            mean_x += x
            mean_y += y
        mean_x /= WINDOW
        mean_y /= WINDOW
        numerator = denominator = 0.0
        for x, y in self._arrivals:
            numerator += (x - mean_x) * (y - mean_y)
            denominator += (x - mean_x) * (x - mean_x)
        return numerator / denominator if denominator else otherwise

    def _detect(self, slope: float, send_delta: float, arrival: float) -> None:
        if self._deltas < 2:
            return
        self.trend = min(self._deltas, _MAXIMUM_DELTAS) * slope * _GAIN
        if self.trend > self._threshold:
            # The first time, half of the way is taken to have been over it.
            self._over_time = send_delta / 2 if self._over_time is None else self._over_time + send_delta
            self._over_count += 1
            if self._over_time > _OVERUSE_TIME and self._over_count > 1 and slope >= self._previous_trend:
                self._over_time = 0.0
                self._over_count = 0
                self.usage = Usage.OVERUSING
                self.overuses += 1
        else:
            self._over_time = None
            self._over_count = 0
            self.usage = Usage.UNDERUSING if self.trend < -self._threshold else Usage.NORMAL
        self._previous_trend = slope
        self._adapt(arrival)

    def _adapt(self, arrival: float) -> None:
        updated = self._updated if self._updated is not None else arrival
        self._updated = arrival
        size = abs(self.trend)
        if size > self._threshold + _PEAK:
            return
        rate = _DOWN if size < self._threshold else _UP
        step = min(max(arrival - updated, 0.0), _MAXIMUM_STEP)
        threshold = self._threshold + rate * (size - self._threshold) * step
        self._threshold = min(max(threshold, _MINIMUM_THRESHOLD), _MAXIMUM_THRESHOLD)


class _Groups:
    """Packets that were sent together, and the differences between one such group and the next."""

    __slots__ = (
        "_arrival",
        "_first_arrival",
        "_first_sent",
        "_has_current",
        "_has_previous",
        "_noted",
        "_previous_arrival",
        "_previous_noted",
        "_previous_sent",
        "_reordered",
        "_sent",
    )

    def __init__(self) -> None:
        self.reset()
        self._first_sent = self._sent = self._first_arrival = self._arrival = self._noted = 0.0
        self._previous_sent = self._previous_arrival = self._previous_noted = 0.0

    def reset(self) -> None:
        self._has_current = self._has_previous = False
        self._reordered = 0

    def add(self, sent: float, arrival: float, now: float) -> tuple[float, float] | None:
        """What lies between the two groups before this packet, if it begins a new one: in sending, and in
        arriving."""
        deltas = None
        if not self._has_current:
            self._begin(sent, arrival)
        elif sent < self._first_sent:
            return None  # reordered
        elif self._is_next(sent, arrival):
            if self._has_previous:
                send_delta = self._sent - self._previous_sent
                arrival_delta = self._arrival - self._previous_arrival
                if arrival_delta - (self._noted - self._previous_noted) >= _CLOCK_JUMP:
                    self.reset()
                    return None
                if arrival_delta < 0:
                    self._reordered += 1
                    if self._reordered >= _REORDERED:
                        self.reset()
                    return None
                self._reordered = 0
                deltas = send_delta, arrival_delta
            self._has_previous = True
            self._previous_sent, self._previous_arrival = self._sent, self._arrival
            self._previous_noted = self._noted
            self._begin(sent, arrival)
        else:
            self._sent = max(self._sent, sent)
        self._arrival = arrival
        self._noted = now
        return deltas

    def _begin(self, sent: float, arrival: float) -> None:
        self._has_current = True
        self._first_sent = self._sent = sent
        self._first_arrival = arrival

    def _is_next(self, sent: float, arrival: float) -> bool:
        send_gap = sent - self._sent
        arrival_gap = arrival - self._arrival
        if send_gap == 0:
            return False
        # A burst: it waited somewhere, and came out at once.
        if (
            arrival_gap - send_gap < 0
            and arrival_gap <= _BURST_GAP
            and arrival - self._first_arrival < _BURST_LENGTH
        ):
            return False
        return sent - self._first_sent > _GROUP_LENGTH
