"""Prometheus metrics of what is written down about rooms."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rooms.recorder import Recorder


class RecorderMetrics(Collector):
    """Read when asked for."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of this moment."""
        recorder = self._recorder
        yield GaugeMetricFamily(
            "chatter_room_events_waiting",
            "Chat messages and changes of rooms that wait for the database",
            value=recorder.waiting,
        )
        yield CounterMetricFamily(
            "chatter_room_events_dropped",
            "Chat messages and changes of rooms that will never be in the database",
            value=recorder.dropped,
        )
