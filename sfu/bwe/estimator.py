"""What may be sent to one receiver: the delay-based rate, the loss-based rate and probes, put together.

draft-ietf-rmcat-gcc-02 section 4: the lower one of the two rates counts. What stands in a queue is let run
off first, which libwebrtc does by its congestion window.
"""

from __future__ import annotations

from sfu.bwe.loss import LossControl
from sfu.bwe.probing import ProbeController, ProbeRequest
from sfu.bwe.rate_control import RateControl
from sfu.bwe.sent import Bandwidth
from sfu.bwe.throughput import Throughput

START_BITRATE = 300_000.0
"""Bits per second before anything is known, as in libwebrtc."""
MINIMUM_BITRATE = 30_000.0
"""An audio track gets through."""

# A queue of this long (seconds) is let run off, within this time, for as long after overuse.
_LONG_QUEUE = 0.1
_RUN_OFF = 1.0
_AFTER_OVERUSE = 5.0
# Seconds without feedback, while packets are sent, after which less is sent, and how much less each second.
_SILENCE = 1.5
_SILENT_STEP = 1.0
_SILENT_DECREASE = 0.5


class Estimator:
    """The bandwidth towards one receiver, from its transport-wide feedback or, where there is none, its
    REMB."""

    def __init__(self, start: float = START_BITRATE) -> None:
        self._throughput = Throughput()
        self._loss = LossControl()
        self._delay = RateControl(start, MINIMUM_BITRATE)
        self._probes = ProbeController()
        self._state = Bandwidth()
        self._overused_at = float("-inf")
        self._updated: float | None = None
        self._sent_bitrate = 0.0
        self._silent_since: float | None = None
        self._remb: float | None = None

    @property
    def bitrate(self) -> float:
        """The estimate: bits per second on the wire."""
        return max(min(self._delay.bitrate, self._loss.bitrate), MINIMUM_BITRATE)

    @property
    def target(self) -> float:
        """What to send now: less than the estimate while a queue runs off."""
        return max(self.bitrate - self._standing, MINIMUM_BITRATE)

    @property
    def known(self) -> bool:
        """The receiver has told something of what arrives."""
        return self._remb is not None or self._state.feedbacks > 0

    @property
    def acknowledged_bitrate(self) -> float | None:
        """What arrives, bits per second; None before that is known."""
        return self._throughput.bitrate

    @property
    def sent_bitrate(self) -> float:
        return self._sent_bitrate

    @property
    def round_trip_time(self) -> float | None:
        """Seconds; None before the first feedback."""
        return self._state.round_trip_time or None

    @property
    def loss(self) -> float:
        """Fraction of the newest packets."""
        return self._loss.fraction

    @property
    def queue_delay(self) -> float:
        """Seconds."""
        return self._state.queue_delay

    def update(self, state: Bandwidth, now: float) -> None:
        """Take the state of this moment. To be called about every 100 ms."""
        before, self._state = self._state, state
        if self._updated is not None and now > self._updated:
            rate = 8 * (state.bytes_sent - before.bytes_sent) / (now - self._updated)
            self._sent_bitrate += 0.3 * (rate - self._sent_bitrate)
        self._updated = now
        if state.feedbacks == before.feedbacks:
            self._silence(state, before, now)
            return
        self._silent_since = None
        self._throughput.update(state)
        overused = state.overuses != before.overuses
        if overused:
            self._overused_at = now
            self._probes.overused(now)
        arrives = self._throughput.bitrate
        self._delay.update(
            state.usage,
            overused,
            arrives / (1 - self._loss.inherent) if arrives is not None else None,
            now,
            round_trip_time=state.round_trip_time,
            queue_delay=state.queue_delay,
        )
        if arrives is not None:
            self._loss.update(
                state.packets_acknowledged,
                state.packets_lost,
                min(self._sent_bitrate or arrives, self.bitrate),
                now,
                round_trip_time=state.round_trip_time,
                queue_delay=state.queue_delay,
            )
        measured = self._probes.result(state.probe, now)
        if measured is not None and not overused and measured > self._delay.bitrate:
            self._delay.set(measured, now)
        if measured is not None:
            self._loss.probed(measured)

    def probe(self, wanted: float, now: float) -> ProbeRequest | None:
        """The probe that is to be sent now. `wanted`: bits per second that would be sent if they went
        through."""
        if not self._state.feedbacks or self._standing or self._silent_since is not None:
            return None
        return self._probes.next(self.bitrate, wanted, now)

    def remb(self, bitrate: float) -> None:
        """The receiver has told its own estimate, and gives no other feedback."""
        self._remb = bitrate
        self._delay.bitrate = max(bitrate, MINIMUM_BITRATE)

    @property
    def _standing(self) -> float:
        """Bits per second by which a queue has to be run off."""
        queue = self._state.queue_delay
        if queue < _LONG_QUEUE or self._updated is None or self._updated - self._overused_at > _AFTER_OVERUSE:
            return 0.0
        return self.bitrate * min(queue / _RUN_OFF, 0.9)

    def _silence(self, state: Bandwidth, before: Bandwidth, now: float) -> None:
        """Nothing comes back: the link may be gone, and more would only stand in its way when it is back."""
        if state.packets_sent == before.packets_sent or not state.feedbacks:
            return
        silent = now - state.last_feedback
        if silent >= _SILENCE and (self._silent_since is None or now - self._silent_since >= _SILENT_STEP):
            self._silent_since = now
            self._delay.bitrate = max(self._delay.bitrate * _SILENT_DECREASE, MINIMUM_BITRATE)
