"""Rooms and statistics as the media server would tell them, made by hand."""

from __future__ import annotations

from dataclasses import replace

from chatter.monitoring.sampling import RoomSampling
from chatter.monitoring.snapshot import Snapshot
from sfu.stats import ConsumerStats, ProducerStats, RoomStats, StreamStats, TransportStats
from signaling.outbox import Outbox
from signaling.rooms import Rooms
from signaling.settings import RoomSettings
from signaling.track import Track

STREAM = StreamStats(
    ssrc=1,
    packets_received=0,
    bytes_received=0,
    packets_lost=0,
    jitter=0.001,
    keyframes=0,
    keyframe_requests=0,
    last_packet=0.0,
)
CONSUMER = ConsumerStats(
    participant_id="bob",
    mid="v",
    kind="video",
    track_id="ann:camera",
    paused=False,
    awaiting_keyframe=False,
    packets_offered=0,
    packets_sent=0,
    bytes_sent=0,
    drops={},
    fraction_lost=0.0,
    packets_lost=0,
    jitter=0.0,
    round_trip_time=0.02,
    keyframe_requests=0,
    spatial_layer=0,
    temporal_layer=2,
)


def make_room(*names, muted=()):
    """A room of these people; who is named in `muted` has the camera off."""
    rooms = Rooms(RoomSettings(mode="sfu"), new_id=iter(names).__next__)
    room = rooms.create(0.0)
    for name in names:
        rooms.join(room.id, Outbox(10_000, 10_000_000), 0.0, display_name=name.title())
    for participant in room.participants:
        if participant.id in muted:
            participant.tracks["camera"] = Track(participant.id, "camera", declared=True, muted=True)
    return room


def producer(name="ann", kind="video", source="camera", **figures):
    return ProducerStats(
        track_id=f"{name}:{source}",
        participant_id=name,
        kind=kind,
        source=source,
        codec="VP8" if kind == "video" else "opus",
        consumers=1,
        streams=(replace(STREAM, **figures),),
    )


def consumer(**figures):
    return replace(CONSUMER, **figures)


def stats(producers=(), consumers=(), transports=("ann", "bob")):
    return RoomStats(
        transports=tuple(
            TransportStats(name, True, "connected", ("::1", 9), 0.02, 1e6) for name in transports
        ),
        producers=tuple(producers),
        consumers=tuple(consumers),
    )


def snapshot(at=1.0):
    """A room in which Bob sees Ann, with one packet dropped."""
    look = RoomSampling().sample(
        make_room("ann", "bob"), stats([producer(last_packet=at)], [consumer(drops={"no_keys": 1})]), 2, at
    )
    return Snapshot(at=at, rooms=(look,))
