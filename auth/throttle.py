"""Bounds on how often something may be tried: token buckets, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

# Keys that are remembered, about 200 bytes each.
MAX_KEYS = 20_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Throttle:
    """At most `limit` tries per key at once, and `limit` more per `period` seconds. A limit of 0 is none.

    Beyond `max_keys` the key that was tried longest ago is forgotten: a flood of keys costs no memory.
    """

    def __init__(self, limit: int, period: float, max_keys: int = MAX_KEYS) -> None:
        self._limit = limit
        self._rate = limit / period
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, key: Hashable, now: float) -> float:
        """Return the seconds until `key` may try; 0 where it may now. `now` is of a monotonic clock."""
        bucket = self._buckets.get(key)
        if self._limit == 0 or bucket is None:
            return 0.0
        missing = 1 - self._filled(bucket, now)
        # A hair short of a whole one is rounding.
        return 0.0 if missing < 1e-9 else missing / self._rate

    def take(self, key: Hashable, now: float) -> None:
        """Count a try of `key`."""
        if self._limit == 0:
            return
        bucket = self._buckets.setdefault(key, _Bucket(self._limit, now))
        bucket.tokens = max(0.0, self._filled(bucket, now) - 1)
        bucket.at = now
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)

    def give_back(self, key: Hashable) -> None:
        """Uncount a try, which turned out well."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.tokens = min(self._limit, bucket.tokens + 1)

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(self._limit, bucket.tokens + max(0.0, now - bucket.at) * self._rate)
