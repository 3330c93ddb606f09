"""What was shown of somebody: gaps between pictures, and when pictures became smaller or larger. No IO."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

Shown = Sequence[tuple[float, int]]
"""When each picture was shown, in milliseconds, and its width in pixels; in order of time."""


def longest_gap(shown: Shown, start: float, end: float) -> float:
    """The longest time without a new picture between two moments, in seconds, the edges included."""
    times = [start, *(at for at, _ in shown if start < at < end), end]
    return max(after - before for before, after in itertools.pairwise(times)) / 1000


def reached(shown: Shown, since: float, width: int, *, at_most: bool) -> float | None:
    """Seconds since a moment until every later picture is at most (or else at least) so wide; None if
    the last one is not."""
    wrong = [at for at, w in shown if at >= since and (w > width if at_most else w < width)]
    after = [at for at, _ in shown if at > (wrong[-1] if wrong else since)]
    if not after:
        return None
    return max(0.0, (after[0] - since) / 1000)


def frozen(shown: Shown, start: float, end: float) -> float:
    """The share of the time that was frozen: gaps that are longer than the mean by 150 ms and at least three
    times as long count in full (W3C webrtc-stats, totalFreezesDuration)."""
    times = [start, *(at for at, _ in shown if start < at < end), end]
    if len(times) == 2:
        return 1.0
    gaps = [after - before for before, after in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    return sum(gap for gap in gaps if gap >= max(3 * mean, mean + 150)) / (end - start)
