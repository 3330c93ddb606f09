"""Prometheus metrics of rooms, connections and tracks: those in most trouble, few enough to be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chatter.monitoring.fields import ROOM_DROPS, ROOMS, SUBSCRIPTIONS, TRACKS, TRANSPORTS
from chatter.monitoring.sampling import all_subscriptions, all_tracks, all_transports
from chatter.monitoring.snapshot import (
    RoomSnapshot,
    Snapshot,
    SubscriptionSnapshot,
    TrackSnapshot,
    TransportSnapshot,
)
from observability.fields import labels_text
from observability.selection import Selection


class RoomMetrics(Collector):
    """What the last snapshot has. The number of series is bounded by the two limits."""

    def __init__(self, max_rooms: int, max_tracks: int) -> None:
        """Expose at most `max_rooms` rooms, and of tracks, subscriptions and transports `max_tracks` each;
        none of them with 0."""
        self._rooms = Selection[str, RoomSnapshot](max_rooms)
        self._tracks = Selection[str, TrackSnapshot](max_tracks)
        self._subscriptions = Selection[tuple[str, str, str], SubscriptionSnapshot](max_tracks)
        self._transports = Selection[tuple[str, str], TransportSnapshot](max_tracks)
        self._snapshot = Snapshot(at=0.0)

    def update(self, snapshot: Snapshot) -> None:
        """Choose what is exposed from now on."""
        now, rooms = snapshot.at, snapshot.rooms
        self._snapshot = snapshot
        self._rooms.update({r.id: (_room_rank(r), r) for r in rooms if r.participants}, now)
        self._tracks.update({f"{t.room}/{t.track}": (t.quality.trouble, t) for t in all_tracks(rooms)}, now)
        self._subscriptions.update(
            {(s.room, s.participant, s.track): (s.quality.trouble, s) for s in all_subscriptions(rooms)}, now
        )
        self._transports.update(
            {(t.room, t.participant): (t.quality.trouble, t) for t in all_transports(rooms)}, now
        )

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: the rows come later."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield the totals of the last snapshot."""
        yield from self._totals()

    def text(self) -> str:
        """Return what has series of its own, in the text format."""
        return (
            ROOMS.text(self._rooms.rows)
            + ROOM_DROPS.text(_room_drops(self._rooms.rows))
            + TRACKS.text(self._tracks.rows)
            + SUBSCRIPTIONS.text(self._subscriptions.rows)
            + TRANSPORTS.text(self._transports.rows)
        )

    def _totals(self) -> Iterator[Metric]:
        rooms = self._snapshot.rooms
        tracks = GaugeMetricFamily("chatter_tracks", "Tracks sent to the media server", labels=["kind"])
        for kind in ("audio", "video"):
            tracks.add_metric([kind], sum(track.kind == kind for track in all_tracks(rooms)))
        yield tracks
        subscriptions = all_subscriptions(rooms)
        yield GaugeMetricFamily(
            "chatter_subscriptions", "Tracks that the media server sends on", value=len(subscriptions)
        )
        grades = GaugeMetricFamily(
            "chatter_subscriptions_by_quality", "Subscriptions by how they arrive", labels=["grade"]
        )
        for grade in ("good", "fair", "poor", "bad"):
            grades.add_metric([grade], sum(s.quality.grade == grade for s in subscriptions))
        yield grades
        for direction, value in (
            ("received", sum(room.bitrate_received for room in rooms)),
            ("sent", sum(room.bitrate_sent for room in rooms)),
        ):
            yield GaugeMetricFamily(
                f"chatter_media_{direction}_bps", f"Bits per second {direction}", value=value
            )
        yield GaugeMetricFamily(
            "chatter_snapshot_seconds",
            "Work that the last look at the calls cost",
            value=self._snapshot.seconds,
        )
        shown = GaugeMetricFamily(
            "chatter_rows_exposed", "Rooms, tracks and so on that have series of their own", labels=["what"]
        )
        for what, selection in (
            ("rooms", self._rooms),
            ("tracks", self._tracks),
            ("subscriptions", self._subscriptions),
            ("transports", self._transports),
        ):
            shown.add_metric([what], len(selection))
        yield shown


def _room_drops(rooms: Iterable[RoomSnapshot]) -> list[tuple[str, float]]:
    return [
        (labels_text(("room", "reason"), (room.id, reason)), count)
        for room in rooms
        for reason, count in room.totals.drops.items()
    ]


def _room_rank(room: RoomSnapshot) -> float:
    """Trouble first, then size."""
    return room.quality.trouble + min(len(room.participants), 1000) / 1e6
