"""Samples and what is said of them. No IO."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` % of the samples do not exceed (nearest rank).

    Raises ValueError when there are no samples.
    """
    if not samples:
        raise ValueError("no samples")
    rank = max(1, math.ceil(percent / 100 * len(samples)))
    return sorted(samples)[rank - 1]


@dataclass(frozen=True, slots=True)
class Figure:
    """What the samples of one quantity say."""

    count: int
    median: float
    p95: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, samples: Iterable[float]) -> Figure | None:
        """None when there are no samples."""
        found = list(samples)
        if not found:
            return None
        return cls(len(found), percentile(found, 50), percentile(found, 95), min(found), max(found))


def by_stage(joins: Sequence[Mapping[str, float]]) -> dict[str, Figure]:
    """One figure per stage, in the order in which the stages are first met; a join may lack some."""
    stages = list(dict.fromkeys(stage for join in joins for stage in join))
    figures = ((stage, Figure.of(join[stage] for join in joins if stage in join)) for stage in stages)
    return {stage: figure for stage, figure in figures if figure is not None}


def doubled(base_p95: float, p95: float, failed: int) -> bool:
    """Whether a rate of joins is too high: its p95 is twice that of the lowest rate, or a join failed."""
    return failed > 0 or p95 > 2 * base_p95


def rates(first: float, last: float, factor: float = 1.5) -> list[float]:
    """Growing rates of joins per second from `first` up to `last`, both included."""
    found = [first]
    while found[-1] * factor < last:
        found.append(found[-1] * factor)
    return [*found, last] if last > first else found
