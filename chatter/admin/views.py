"""What operators are told, as it is sent: made of snapshots and joins."""

from __future__ import annotations

from pydantic import Field

from api.models import Answer
from chatter.monitoring.joins import Join
from chatter.monitoring.quality import Quality, worst
from chatter.monitoring.snapshot import (
    ParticipantSnapshot,
    RoomSnapshot,
    Snapshot,
    SubscriptionSnapshot,
    TrackSnapshot,
)

# Rooms in the list; those in most trouble, then the largest ones, come first.
MAX_ROOMS = 200
# Joins in the list, the newest first.
MAX_JOINS = 40


class QualityView(Answer):
    """How well something arrives."""

    trouble: float = Field(description="0 (good) to 1 (nothing arrives)")
    grade: str = Field(description="good, fair, poor or bad")
    cause: str = Field(description="why, as a sentence without its end; empty where it is good")


class RoomRow(Answer):
    """A room in the list."""

    id: str
    mode: str = Field(description="p2p or sfu")
    participants: int
    tracks: int = Field(description="sent to the media server")
    subscriptions: int = Field(description="tracks that it sends on")
    bitrate_received: float = Field(description="bits per second")
    bitrate_sent: float = Field(description="bits per second")
    quality: QualityView


class TrackView(Answer):
    """A track as the server receives it."""

    id: str
    kind: str
    source: str
    codec: str
    muted: bool
    subscriptions: int
    bitrate: float = Field(description="bits per second")
    loss: float = Field(description="part of the packets, over the last interval")
    jitter: float = Field(description="seconds")
    silence: float = Field(description="seconds since the newest packet")
    keyframes: int
    keyframe_requests: int
    quality: QualityView


class SubscriptionView(Answer):
    """A track as a participant is sent it."""

    track: str
    kind: str
    paused: bool
    awaiting_keyframe: bool
    bitrate: float = Field(description="bits per second")
    loss: float = Field(description="part of the packets, as the receiver reported last")
    jitter: float = Field(description="seconds, as the receiver reported last")
    round_trip_time: float | None = Field(description="seconds")
    dropped: int
    freezes: int
    frozen_seconds: float
    keyframe_requests: int
    spatial_layer: int | None = Field(description="the highest that is sent")
    temporal_layer: int | None = Field(description="the highest that is sent")
    quality: QualityView


class ParticipantView(Answer):
    """Somebody in the chosen room."""

    id: str
    name: str
    user_id: int | None = Field(description="the account; null for a guest")
    connection: str = Field(description="new, checking, handshaking or connected; empty without media server")
    address: str = Field(description="where their media goes, host:port")
    round_trip_time: float | None = Field(description="seconds")
    estimate: float | None = Field(description="bits per second that seem to go through to them")
    quality: QualityView
    tracks: list[TrackView]
    subscriptions: list[SubscriptionView]


class RoomView(Answer):
    """The chosen room."""

    id: str
    mode: str
    participants: list[ParticipantView]
    packets_received: int
    packets_sent: int
    drops: dict[str, int] = Field(description="packets that were not sent to a subscriber, by reason")


class StageView(Answer):
    """A stage of a join."""

    stage: str
    begin: float = Field(description="milliseconds since the join began")
    milliseconds: float


class JoinView(Answer):
    """How somebody's join went."""

    room: str
    participant: str
    name: str
    client: str = Field(description="what the client says it is, such as web or bot")
    outcome: str
    reason: str
    began: float = Field(description="seconds since 1970")
    milliseconds: float
    trace_id: str
    stages: list[StageView]


class Point(Answer):
    """The node at one moment: what the charts are made of."""

    at: float = Field(description="seconds since 1970")
    rooms: int
    participants: int
    subscriptions: int
    troubled: int = Field(description="subscriptions that are poor or bad")
    bitrate_received: float = Field(description="bits per second")
    bitrate_sent: float = Field(description="bits per second")
    packets_sent: float = Field(description="per second")
    cpu: float = Field(description="1 is one core")
    memory: int = Field(description="bytes")
    loop_lag: float = Field(description="seconds")


class DrainView(Answer):
    """The end of this server."""

    ends_at: float = Field(description="seconds since 1970, at the latest")
    url: str | None = Field(description="where people are told to go meanwhile")


class NodeView(Answer):
    """This server."""

    version: str
    plane: str = Field(description="fast or reference")
    uptime: float = Field(description="seconds")
    log_level: str
    draining: DrainView | None
    drops: dict[str, int] = Field(description="datagrams and packets that went no further, by reason")


class State(Answer):
    """Everything that the page shows, at one moment."""

    node: NodeView
    point: Point
    rooms: list[RoomRow]
    room_count: int = Field(description="of all rooms, also those that are not in the list")
    room: RoomView | None = Field(description="the chosen room; null where none is chosen or it has gone")
    joins: list[JoinView]


def quality_view(quality: Quality) -> QualityView:
    return QualityView(trouble=round(quality.trouble, 3), grade=quality.grade, cause=quality.cause)


def room_rows(snapshot: Snapshot) -> list[RoomRow]:
    """The rooms with somebody in them."""
    rooms = sorted(
        (room for room in snapshot.rooms if room.participants),
        key=lambda room: (-room.quality.trouble, -len(room.participants), room.id),
    )
    return [
        RoomRow(
            id=room.id,
            mode=room.mode,
            participants=len(room.participants),
            tracks=len(room.tracks),
            subscriptions=len(room.subscriptions),
            bitrate_received=room.bitrate_received,
            bitrate_sent=room.bitrate_sent,
            quality=quality_view(room.quality),
        )
        for room in rooms[:MAX_ROOMS]
    ]


def room_view(room: RoomSnapshot) -> RoomView:
    """A room with everybody in it."""
    return RoomView(
        id=room.id,
        mode=room.mode,
        participants=[_participant(person, room) for person in room.participants],
        packets_received=room.totals.packets_received,
        packets_sent=room.totals.packets_sent,
        drops=room.totals.drops,
    )


def _participant(person: ParticipantSnapshot, room: RoomSnapshot) -> ParticipantView:
    tracks = [track for track in room.tracks if track.participant == person.id]
    subscriptions = [line for line in room.subscriptions if line.participant == person.id]
    transport = person.transport
    judged = [*(track.quality for track in tracks), *(line.quality for line in subscriptions)]
    if transport is not None:
        judged.append(transport.quality)
    return ParticipantView(
        id=person.id,
        name=person.name,
        user_id=person.user_id,
        connection=transport.state if transport is not None else "",
        address=transport.address if transport is not None else "",
        round_trip_time=transport.round_trip_time if transport is not None else None,
        estimate=transport.available_outgoing_bitrate if transport is not None else None,
        quality=quality_view(worst(judged)),
        tracks=[_track(track) for track in tracks],
        subscriptions=[_subscription(line) for line in subscriptions],
    )


def _track(track: TrackSnapshot) -> TrackView:
    return TrackView(
        id=track.track,
        kind=track.kind,
        source=track.source,
        codec=track.codec,
        muted=track.muted,
        subscriptions=track.subscriptions,
        bitrate=track.bitrate,
        loss=track.loss,
        jitter=track.jitter,
        silence=track.silence,
        keyframes=track.keyframes,
        keyframe_requests=track.keyframe_requests,
        quality=quality_view(track.quality),
    )


def _subscription(line: SubscriptionSnapshot) -> SubscriptionView:
    return SubscriptionView(
        track=line.track,
        kind=line.kind,
        paused=line.paused,
        awaiting_keyframe=line.awaiting_keyframe,
        bitrate=line.bitrate,
        loss=line.loss,
        jitter=line.jitter,
        round_trip_time=line.round_trip_time,
        dropped=line.dropped,
        freezes=line.freezes,
        frozen_seconds=line.frozen_seconds,
        keyframe_requests=line.keyframe_requests,
        spatial_layer=line.spatial_layer,
        temporal_layer=line.temporal_layer,
        quality=quality_view(line.quality),
    )


def join_views(finished: list[Join], following: list[Join]) -> list[JoinView]:
    """The newest joins, those that are not over first."""
    return [_join(join) for join in [*reversed(following), *reversed(finished)][:MAX_JOINS]]


def _join(join: Join) -> JoinView:
    timeline = join.timeline
    return JoinView(
        room=timeline.room,
        participant=timeline.participant,
        name=join.name,
        client=join.client,
        outcome=timeline.outcome,
        reason=timeline.reason,
        began=timeline.begin + join.epoch,
        milliseconds=round(timeline.seconds * 1000, 1),
        trace_id=join.trace_id,
        stages=[
            StageView(
                stage=span.stage,
                begin=round((span.begin - timeline.begin) * 1000, 1),
                milliseconds=round(span.seconds * 1000, 1),
            )
            for span in timeline.spans
        ],
    )
