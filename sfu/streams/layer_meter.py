"""How much of each layer a stream has carried lately."""

from __future__ import annotations

from sfu.plane.interface import SourceState

# Seconds over which a rate is taken: at least two pictures of a slow screen share.
WINDOW = 1.0
# What a new measurement weighs against the ones before it.
_WEIGHT = 0.5


class LayerMeter:
    """One stream's rates, in bits per second by (spatial, temporal) layer. A stream that rests keeps them."""

    __slots__ = ("_bytes", "_since", "last_packet", "rates")

    def __init__(self) -> None:
        self.rates: dict[tuple[int, int], float] = {}
        self.last_packet = 0.0
        """Of the stream; 0.0 before the first."""
        self._bytes: dict[tuple[int, int], int] = {}
        self._since: float | None = None

    def update(self, state: SourceState, now: float) -> None:
        """Take the stream's counters of this moment."""
        rested = state.last_packet == self.last_packet
        self.last_packet = state.last_packet
        if self._since is None:
            self._since, self._bytes = now, dict(state.layer_bytes)
            return
        elapsed = now - self._since
        if elapsed < WINDOW:
            return
        if not rested:
            for layer, count in state.layer_bytes.items():
                rate = 8 * (count - self._bytes.get(layer, 0)) / elapsed
                before = self.rates.get(layer)
                self.rates[layer] = rate if before is None else before + _WEIGHT * (rate - before)
        self._since, self._bytes = now, dict(state.layer_bytes)
