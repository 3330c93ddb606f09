"""What a receiver has got lately: the acknowledged bitrate, on the receiver's own clock."""

from __future__ import annotations

from collections import deque

from sfu.bwe.sent import Bandwidth

# Seconds over which the rate is taken; over less than a part of it nothing is said. libwebrtc's robust
# throughput estimator looks back as far.
_WINDOW = 0.5
_LEAST = 0.2
# Longer than this without a packet is a pause of the sender, not the rate of the link.
_GAP = 1.0


class Throughput:
    """Bits per second that arrive."""

    __slots__ = ("_samples", "bitrate")

    def __init__(self) -> None:
        self.bitrate: float | None = None
        """Of the newest half second with packets; None before there was one."""
        self._samples: deque[tuple[float, int]] = deque()  # (arrival of the newest packet, bytes until then)

    def update(self, state: Bandwidth) -> None:
        """Take the counters of this moment."""
        samples = self._samples
        arrival, size = state.last_arrival, state.bytes_acknowledged
        if samples and arrival <= samples[-1][0]:
            return
        if samples and arrival - samples[-1][0] > _GAP:
            samples.clear()
        samples.append((arrival, size))
        while len(samples) > 2 and arrival - samples[1][0] >= _WINDOW:
            samples.popleft()
        elapsed = arrival - samples[0][0]
        if elapsed >= _LEAST:
            self.bitrate = 8 * (size - samples[0][1]) / elapsed
