"""Additive increase, multiplicative decrease by what the delays say (draft-ietf-rmcat-gcc-02 section 5.5).

As libwebrtc has it (modules/remote_bitrate_estimator/aimd_rate_control.cc,
goog_cc/link_capacity_estimator.cc): near the capacity that overuse has shown the rate rises by about a packet
per response time, elsewhere by 8 % a second. Unlike there it does not rise at all while far less is sent than
it allows: that would tell nothing.
"""

from __future__ import annotations

import math

from sfu.bwe.delay import Usage

_DECREASE = 0.85
# A queue this short (seconds) is what bursts make, not the rate; up to the second one it takes less to end
# it. With a longer one the rate does not rise, and one that stands for so long (seconds) has to be run off.
_STANDING = 1.0
# So long (seconds) after a decrease, what arrives may still be of before it.
_CALM = 2.0
_NO_QUEUE, _SHORT_QUEUE = 0.02, 0.05
_SMALL_DECREASE = 0.93
_INCREASE_PER_SECOND = 1.08
_LEAST_INCREASE = 1_000.0
# What arrives has to be this part of the rate for it to rise.
_USED = 0.85
_PACKET_BITS = 8 * 1200.0
_FRAMES_PER_SECOND = 30.0
_SLOWEST_INCREASE = 4_000.0
# How far off the capacity may be, in deviations, before what was known of it is forgotten.
_DEVIATIONS = 3.0


class RateControl:
    """The delay-based rate of one link, bits per second."""

    __slots__ = ("_capacity", "_held", "_short", "_updated", "bitrate", "minimum")

    def __init__(self, bitrate: float, minimum: float) -> None:
        self.bitrate = bitrate
        self.minimum = minimum
        self._capacity = _LinkCapacity()
        self._updated: float | None = None
        self._held = -math.inf  # when it was decreased last
        self._short = -math.inf  # when the queue was short last

    def update(
        self,
        usage: int,
        overused: bool,
        throughput: float | None,
        now: float,
        *,
        round_trip_time: float,
        queue_delay: float,
    ) -> float:
        """Take the verdict of this moment; the rate now.

        `overused`: a queue grew since the last update. `throughput`: bits per second that arrive, as far as
        the link does not lose them at any rate. Times in seconds.
        """
        if queue_delay < _SHORT_QUEUE:
            self._short = now
        elapsed = min(now - self._updated, 1.0) if self._updated is not None else 0.0
        self._updated = now
        if overused:
            if (
                throughput is not None
                and queue_delay >= _NO_QUEUE
                and self._may_decrease(throughput, round_trip_time, now)
            ):
                self._decrease(throughput, _DECREASE if queue_delay > _SHORT_QUEUE else _SMALL_DECREASE, now)
        elif queue_delay >= _SHORT_QUEUE:
            if throughput is not None and now - max(self._short, self._held) > _STANDING:
                self._decrease(throughput, _SMALL_DECREASE, now)
        elif usage == Usage.NORMAL:
            self._increase(throughput, round_trip_time, elapsed, now)
        return self.bitrate

    def set(self, bitrate: float, now: float) -> None:
        """A probe has measured it."""
        self.bitrate = max(bitrate, self.minimum)
        self._capacity.probed(bitrate)
        self._updated = now

    def _may_decrease(self, throughput: float, round_trip_time: float, now: float) -> bool:
        """Once per round trip, for what was sent before the last decrease is still on its way."""
        if now - self._held >= min(max(round_trip_time, 0.01), 0.2):
            return True
        return throughput < self.bitrate / 2

    def _decrease(self, throughput: float, factor: float, now: float) -> None:
        decreased = throughput * factor
        if decreased > self.bitrate and self._capacity.estimate is not None:
            decreased = self._capacity.estimate * factor
        self.bitrate = max(min(self.bitrate, decreased), self.minimum)
        if throughput < self._capacity.lower:
            self._capacity.forget()
        self._capacity.overused(throughput)
        self._held = now

    def _increase(self, throughput: float | None, round_trip_time: float, elapsed: float, now: float) -> None:
        if throughput is None or throughput < _USED * self.bitrate:
            return
        if now - self._held > _CALM:
            # What arrives goes through, whoever has decided to send it.
            self.bitrate = max(self.bitrate, _USED * throughput)
        if throughput > self._capacity.upper:
            self._capacity.forget()
        if self._capacity.estimate is not None:
            step = self._near_capacity(round_trip_time) * elapsed
        else:
            step = max(self.bitrate * (_INCREASE_PER_SECOND**elapsed - 1), _LEAST_INCREASE * elapsed)
        self.bitrate = max(self.bitrate, min(self.bitrate + step, throughput / _USED))

    def _near_capacity(self, round_trip_time: float) -> float:
        """Bits per second and second: a packet in the time in which the link's answer can be seen."""
        frame = self.bitrate / _FRAMES_PER_SECOND
        packet = frame / math.ceil(frame / _PACKET_BITS)
        response = 2 * (round_trip_time + 0.1)
        return max(_SLOWEST_INCREASE, packet / response)


class _LinkCapacity:
    """Where overuse was seen, smoothed, in bits per second."""

    __slots__ = ("_deviation", "estimate")

    def __init__(self) -> None:
        self.estimate: float | None = None
        self._deviation = 0.4  # squared and divided by the estimate, in kbit/s

    @property
    def upper(self) -> float:
        return math.inf if self.estimate is None else self.estimate + self._spread

    @property
    def lower(self) -> float:
        return 0.0 if self.estimate is None else max(0.0, self.estimate - self._spread)

    @property
    def _spread(self) -> float:
        return _DEVIATIONS * math.sqrt(self._deviation * (self.estimate or 0.0) / 1000) * 1000

    def forget(self) -> None:
        self.estimate = None

    def overused(self, sample: float) -> None:
        self._take(sample, 0.05)

    def probed(self, sample: float) -> None:
        self._take(sample, 0.5)

    def _take(self, sample: float, weight: float) -> None:
        self.estimate = sample if self.estimate is None else (1 - weight) * self.estimate + weight * sample
        scale = max(self.estimate, 1000.0) / 1000
        error = (self.estimate - sample) / 1000
        self._deviation = (1 - weight) * self._deviation + weight * error * error / scale
        self._deviation = min(max(self._deviation, 0.4), 2.5)
