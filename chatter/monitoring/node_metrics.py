"""Prometheus metrics of this node: its media port and its database."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.pool import QueuePool

from auth.database import Database
from chatter.media import AppMedia

_PORT = (
    ("received", "chatter_plane_packets_received", "Datagrams received on the media port"),
    ("sent", "chatter_plane_packets_sent", "Datagrams sent from the media port"),
    ("segmented", "chatter_plane_packets_segmented", "Packets sent in runs (UDP_SEGMENT)"),
    ("refused", "chatter_plane_runs_refused", "Runs that the kernel would not segment"),
    ("send_calls", "chatter_plane_send_calls", "Calls of sendmmsg"),
)


class NodeMetrics(Collector):
    """Read when asked for: counters that nothing waits for."""

    def __init__(self, media: AppMedia, database: Database, version: str) -> None:
        self._media = media
        self._database = database
        self._version = version

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: the media server runs only later."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of this moment."""
        counters = self._media.server.port_counters()
        for key, name, help_text in _PORT:
            yield CounterMetricFamily(name, help_text, value=counters.get(key, 0))
        yield CounterMetricFamily(
            "chatter_plane_busy_seconds",
            "Work of the plane's threads; by packets sent it is the time per packet",
            value=counters.get("busy_ns", 0) / 1e9,
        )
        yield _batches(counters)
        yield from self._pool()
        build = GaugeMetricFamily("chatter_build_info", "Version and plane", labels=["version", "plane"])
        build.add_metric([self._version, "fast" if "busy_ns" in counters else "reference"], 1)
        yield build

    def _pool(self) -> Iterator[Metric]:
        pool = self._database.engine.pool
        if not isinstance(pool, QueuePool):
            return
        family = GaugeMetricFamily(
            "chatter_database_connections", "Connections of the database pool", labels=["state"]
        )
        family.add_metric(["used"], pool.checkedout())
        family.add_metric(["idle"], pool.checkedin())
        yield family
        yield GaugeMetricFamily(
            "chatter_database_connections_limit", "What the pool may have", value=pool.size()
        )


def _batches(counters: dict[str, int]) -> Metric:
    sizes = sorted(
        (int(key.removeprefix("batches_")), count)
        for key, count in counters.items()
        if key.startswith("batches_")
    )
    if not sizes:
        sizes = [(64, counters.get("batches", 0))]
    buckets, total = [], 0
    for size, count in sizes:
        total += count
        buckets.append((str(float(size)), total))
    family = HistogramMetricFamily("chatter_plane_batch_size", "Datagrams that were read at once")
    family.add_metric([], [*buckets, ("+Inf", total)], sum_value=counters.get("received", 0))
    return family
