"""From the totals of the media server to snapshots: rates, losses and freezes between two looks. No IO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from chatter.monitoring.quality import subscription_quality, track_quality, transport_quality, worst
from chatter.monitoring.snapshot import (
    ParticipantSnapshot,
    RoomSnapshot,
    RoomTotals,
    SubscriptionSnapshot,
    TrackSnapshot,
    TransportSnapshot,
)
from sfu.plane.interface import Drop
from sfu.stats import ConsumerStats, ProducerStats, RoomStats, TransportStats
from signaling.room import Room

_NOT_LOUDEST = Drop.NOT_LOUDEST.value

Line = tuple[str, str]
"""A subscription's participant and mid."""


@dataclass(slots=True)
class _Seen:
    """A stream as it was at the last look."""

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    freezes: int = 0
    frozen_seconds: float = 0.0
    frozen: bool = False


class RoomSampling:
    """One room over time. `now` is seconds of the media server's clock."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._tracks: dict[str, _Seen] = {}
        self._lines: dict[Line, _Seen] = {}
        self._packets = Counter[str]()
        self._drops = Counter[str]()

    def sample(self, room: Room, stats: RoomStats | None, joins: int, now: float) -> RoomSnapshot:
        """Look at the room; `stats` is None where it has no media. `joins`: so many have come so far."""
        elapsed = now - self._at if self._at is not None else 0.0
        self._at = now
        muted = {track.id for track in room.tracks if track.muted}
        producers = stats.producers if stats is not None else ()
        lines = stats.consumers if stats is not None else ()
        tracks = {p.track_id: self._track(room.id, p, p.track_id in muted, elapsed, now) for p in producers}
        before = self._tracks
        self._tracks = {p.track_id: _seen_track(p) for p in producers}
        flowing = {
            id_ for id_, seen in self._tracks.items() if id_ in before and seen.packets > before[id_].packets
        }
        subscriptions = []
        for line in lines:
            if line.track_id is not None and line.track_id in tracks:
                sending = line.track_id in flowing
                subscriptions.append(
                    self._subscription(room.id, line, tracks[line.track_id], sending, elapsed)
                )
        known = {(line.participant_id, line.mid) for line in lines}
        self._lines = {key: seen for key, seen in self._lines.items() if key in known}
        transports = {t.participant_id: _transport(room.id, t) for t in (stats.transports if stats else ())}
        return RoomSnapshot(
            id=room.id,
            mode=room.mode,
            participants=tuple(
                ParticipantSnapshot(p.id, p.display_name, p.user_id, transports.get(p.id), p.grants.hidden)
                for p in room.participants
            ),
            tracks=tuple(tracks.values()),
            subscriptions=tuple(subscriptions),
            totals=RoomTotals(
                packets_received=self._packets["packets_received"],
                bytes_received=self._packets["bytes_received"],
                packets_sent=self._packets["packets_sent"],
                bytes_sent=self._packets["bytes_sent"],
                drops=dict(self._drops),
                joins=joins,
            ),
            bitrate_received=sum(track.bitrate for track in tracks.values()),
            bitrate_sent=sum(subscription.bitrate for subscription in subscriptions),
            quality=worst(
                [track.quality for track in tracks.values()]
                + [subscription.quality for subscription in subscriptions]
            ),
        )

    def _track(
        self, room: str, stats: ProducerStats, muted: bool, elapsed: float, now: float
    ) -> TrackSnapshot:
        before, seen = self._tracks.get(stats.track_id, _Seen()), _seen_track(stats)
        packets, size = _growth(before, seen)
        lost = max(seen.lost - before.lost, 0)
        self._packets["packets_received"] += packets
        self._packets["bytes_received"] += size
        newest = max((stream.last_packet for stream in stats.streams), default=0.0)
        jitter = max((stream.jitter for stream in stats.streams if stream.last_packet == newest), default=0.0)
        loss = lost / (packets + lost) if packets + lost else 0.0
        silence = max(now - newest, 0.0) if newest else 0.0
        return TrackSnapshot(
            room=room,
            participant=stats.participant_id,
            track=stats.track_id,
            kind=stats.kind,
            source=stats.source,
            codec=stats.codec,
            muted=muted,
            subscriptions=stats.consumers,
            packets=seen.packets,
            bytes=seen.bytes,
            packets_lost=seen.lost,
            jitter=jitter,
            keyframes=sum(stream.keyframes for stream in stats.streams),
            keyframe_requests=sum(stream.keyframe_requests for stream in stats.streams),
            bitrate=size * 8 / elapsed if elapsed else 0.0,
            loss=loss,
            silence=silence,
            quality=track_quality(muted=muted, silence=silence, loss=loss, jitter=jitter),
        )

    def _subscription(
        self, room: str, stats: ConsumerStats, track: TrackSnapshot, flowing: bool, elapsed: float
    ) -> SubscriptionSnapshot:
        key = (stats.participant_id, stats.mid)
        before = self._lines.get(key, _Seen())
        seen = _Seen(stats.packets_sent, stats.bytes_sent, drops=dict(stats.drops))
        packets, size = _growth(before, seen)
        self._packets["packets_sent"] += packets
        self._packets["bytes_sent"] += size
        for reason, count in seen.drops.items():
            dropped = before.drops.get(reason, 0)
            self._drops[reason] += count - dropped if count >= dropped else count
        # Of a large room the loudest microphones alone are sent on: the others are no freeze.
        held = seen.drops.get(_NOT_LOUDEST, 0) > before.drops.get(_NOT_LOUDEST, 0)
        awaited = flowing and not stats.paused and not held
        seen.frozen = bool(elapsed) and awaited and not packets and key in self._lines
        seen.freezes = before.freezes + (seen.frozen and not before.frozen)
        seen.frozen_seconds = before.frozen_seconds + (elapsed if seen.frozen else 0.0)
        self._lines[key] = seen
        return SubscriptionSnapshot(
            room=room,
            participant=stats.participant_id,
            track=track.track,
            kind=stats.kind,
            paused=stats.paused,
            awaiting_keyframe=stats.awaiting_keyframe,
            packets=stats.packets_sent,
            bytes=stats.bytes_sent,
            dropped=sum(stats.drops.values()),
            bitrate=size * 8 / elapsed if elapsed else 0.0,
            loss=stats.fraction_lost,
            packets_lost=stats.packets_lost,
            jitter=stats.jitter,
            round_trip_time=stats.round_trip_time,
            keyframe_requests=stats.keyframe_requests,
            freezes=seen.freezes,
            frozen_seconds=seen.frozen_seconds,
            frozen=seen.frozen,
            spatial_layer=stats.spatial_layer,
            temporal_layer=stats.temporal_layer,
            quality=subscription_quality(
                paused=stats.paused,
                frozen=seen.frozen,
                awaiting_keyframe=stats.awaiting_keyframe,
                loss=stats.fraction_lost,
                round_trip_time=stats.round_trip_time,
                track=track.quality,
            ),
        )


def _growth(before: _Seen, seen: _Seen) -> tuple[int, int]:
    """Packets and bytes since the last look; a new connection counts from 0."""
    if seen.packets < before.packets:
        return seen.packets, seen.bytes
    return seen.packets - before.packets, max(seen.bytes - before.bytes, 0)


def _seen_track(stats: ProducerStats) -> _Seen:
    return _Seen(
        packets=sum(stream.packets_received for stream in stats.streams),
        bytes=sum(stream.bytes_received for stream in stats.streams),
        lost=sum(stream.packets_lost for stream in stats.streams),
    )


def _transport(room: str, stats: TransportStats) -> TransportSnapshot:
    address = stats.address
    return TransportSnapshot(
        room=room,
        participant=stats.participant_id,
        state=stats.state,
        round_trip_time=stats.round_trip_time,
        address=_host_and_port(address) if address is not None else "",
        quality=transport_quality(stats.state, stats.round_trip_time),
        available_outgoing_bitrate=stats.available_outgoing_bitrate,
    )


def _host_and_port(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def all_tracks(rooms: Iterable[RoomSnapshot]) -> list[TrackSnapshot]:
    """Those of all rooms."""
    return [track for room in rooms for track in room.tracks]


def all_subscriptions(rooms: Iterable[RoomSnapshot]) -> list[SubscriptionSnapshot]:
    """Those of all rooms."""
    return [subscription for room in rooms for subscription in room.subscriptions]


def all_transports(rooms: Iterable[RoomSnapshot]) -> list[TransportSnapshot]:
    """Those of all rooms."""
    return [p.transport for room in rooms for p in room.participants if p.transport is not None]
