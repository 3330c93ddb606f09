"""Prometheus metrics of rooms and media, read when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chatter.media import AppMedia
from sfu.plane.interface import Drop
from signaling.rooms import Rooms

# There from the start, so that the first of each is seen as an increase.
_NO_DROPS = {reason.value: 0 for reason in Drop}


class CallMetrics(Collector):
    """What goes on in the rooms and in the media server."""

    def __init__(self, rooms: Rooms, media: AppMedia) -> None:
        self._rooms = rooms
        self._media = media

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: the media server runs only later."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of this moment. To be called on the event loop that serves the rooms."""
        counters = self._rooms.counters
        yield GaugeMetricFamily("chatter_rooms", "Rooms that exist", value=len(self._rooms))
        yield GaugeMetricFamily(
            "chatter_participants", "Participants in all rooms", value=self._rooms.participant_count
        )
        yield CounterMetricFamily("chatter_joins", "Participants that joined", value=counters.joins)
        yield CounterMetricFamily("chatter_leaves", "Participants that left", value=counters.leaves)
        yield CounterMetricFamily(
            "chatter_mode_switches", "Rooms that went from p2p to SFU", value=counters.mode_switches
        )
        yield _counter("chatter_messages_received", "Messages accepted", "type", counters.received)
        yield _counter("chatter_messages_refused", "Messages refused", "code", counters.errors)
        yield _counter("chatter_joins_refused", "Joins refused", "code", counters.refused)
        yield _counter("chatter_connections_closed", "WebSockets that ended", "reason", counters.closed)
        yield GaugeMetricFamily(
            "chatter_participants_detached",
            "Participants whose WebSocket broke and may be resumed",
            value=self._rooms.detached_count,
        )
        yield CounterMetricFamily(
            "chatter_connections_resumed", "WebSockets that took a broken one's place", value=counters.resumed
        )
        yield _counter("chatter_resumes_refused", "Resumptions refused", "reason", counters.resumes_refused)
        yield GaugeMetricFamily(
            "chatter_tasks", "Tasks of the event loop that serves the rooms", value=len(asyncio.all_tasks())
        )
        server = self._media.server
        held = GaugeMetricFamily("chatter_media_held", "What the media server holds", labels=["what"])
        for what, count in server.sizes().items():
            held.add_metric([what], count)
        yield held
        yield _counter(
            "chatter_media_drops",
            "Datagrams and packets that went no further",
            "reason",
            _NO_DROPS | server.drops(),
        )
        yield _counter(
            "chatter_media_repairs", "What has been done against loss of media", "action", server.repairs()
        )
        yield _counter(
            "chatter_data_messages", "Data messages by what became of them", "outcome", server.data_counts()
        )


def _counter(name: str, documentation: str, label: str, values: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
