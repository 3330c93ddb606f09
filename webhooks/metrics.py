"""Prometheus metrics of webhooks, read when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from webhooks.counters import DROP_REASONS
from webhooks.delivery import utc_now
from webhooks.outbox import Outbox

# What waits for endpoints that are not configured any more.
REMOVED = "removed"


class WebhookMetrics(Collector):
    """Endpoints are told apart by their origin; those that share one count together."""

    def __init__(self, outbox: Outbox, clock: Callable[[], datetime] = utc_now) -> None:
        self._outbox = outbox
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """Yield the names alone."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of this moment."""
        counters = self._outbox.counters
        endpoints = {endpoint.key: endpoint.origin for endpoint in self._outbox.settings.endpoints}
        delivered = CounterMetricFamily(
            "chatter_webhooks_delivered", "Webhooks that receivers took", labels=["endpoint"]
        )
        pending: Counter[str] = Counter(dict.fromkeys(endpoints.values(), 0))
        ages = dict.fromkeys(endpoints.values(), 0.0)
        for key, backlog in self._outbox.backlog.items():
            origin = endpoints.get(key, REMOVED)
            pending[origin] += backlog.pending
            age = (self._clock() - backlog.oldest_at).total_seconds()
            ages[origin] = max(ages.get(origin, 0.0), age)
        for origin in ages:
            if origin != REMOVED:
                delivered.add_metric([origin], counters.delivered[origin])
        yield delivered
        failed = CounterMetricFamily(
            "chatter_webhooks_failed", "Attempts at webhooks that failed", labels=["endpoint", "reason"]
        )
        for (origin, reason), count in counters.failed.items():
            failed.add_metric([origin, reason], count)
        yield failed
        dropped = CounterMetricFamily(
            "chatter_webhooks_dropped", "Webhooks that were given up", labels=["reason"]
        )
        for drop in DROP_REASONS:
            dropped.add_metric([drop], self._outbox.dropped.get(drop, 0))
        yield dropped
        waiting = GaugeMetricFamily(
            "chatter_webhooks_pending", "Webhooks that wait in the database", labels=["endpoint"]
        )
        oldest = GaugeMetricFamily(
            "chatter_webhooks_oldest_seconds", "Age of the oldest of them", labels=["endpoint"]
        )
        for origin, age in ages.items():
            waiting.add_metric([origin], pending[origin])
            oldest.add_metric([origin], age)
        yield waiting
        yield oldest
