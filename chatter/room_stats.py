"""The figures of a room for the people in it: by GET /rooms/{roomId}/stats, and by the message `stats`.

Names are those of W3C's webrtc-stats where it has them. All of it is the last look of the sampler: asking
measures nothing anew, but has the next looks come sooner for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web
from pydantic import Field

from api.errors import ErrorKind
from api.models import Answer, Parameters
from api.routes import Routes
from auth.http import ACCOUNT
from auth.tokens import Identity
from chatter.admin.http import NO_SUCH_ROOM
from chatter.admin.operators import OPERATORS
from chatter.monitoring.sampler import Sampler
from chatter.monitoring.score import room_quality, why
from chatter.monitoring.snapshot import ParticipantSnapshot, RoomSnapshot, SubscriptionSnapshot, TrackSnapshot
from signaling.http import ROOMS
from signaling.quality import CallQuality, Cause
from signaling.stats import NoStats

# Consumers in one answer, those in most trouble first: a room of 100 has 10,000.
MAX_CONSUMERS = 1000
# Seconds for which the looks come sooner after somebody has asked.
ATTENTION = 10.0

NOT_IN_ROOM = ErrorKind(403, "not_in_room", "Only people in the room may do this")

routes = Routes("rooms")


class RoomPath(Parameters):
    """A room."""

    room_id: str = Field(description="the id of a room")


class CauseView(Answer):
    """What is wrong."""

    code: str = Field(description="what programs tell it by", examples=["downlink_loss"])
    text: str = Field(
        description="a sentence to who receives", examples=["your downlink loses 6 % of packets"]
    )
    track_id: str | None = Field(description="the track it is about, where it is about one")


class ParticipantStats(Answer):
    """Somebody in the room, and the connection to the media server."""

    client_id: str
    display_name: str
    score: int | None = Field(
        description="0 to 100 (nothing is wrong); null where nothing goes by the server"
    )
    grade: str | None = Field(description="good, fair, poor or bad")
    cause: CauseView | None
    connection_state: str = Field(description="new, checking, handshaking or connected; empty without one")
    current_round_trip_time: float | None = Field(description="seconds")
    available_outgoing_bitrate: float | None = Field(
        description="bits per second that are estimated to go through to the participant"
    )


class ProducerFigures(Answer):
    """A track as the server receives it; all its encodings together."""

    track_id: str
    client_id: str
    kind: str
    source: str
    codec: str
    muted: bool
    packets_received: int
    bytes_received: int
    packets_lost: int
    fraction_lost: float = Field(description="over the last interval, 0 to 1")
    jitter: float = Field(description="seconds")
    bitrate: float = Field(description="bits per second over the last interval")
    key_frames: int
    pli_count: int = Field(description="keyframes that the server asked for")
    silence: float = Field(description="seconds since the newest packet")
    consumers: int


class ConsumerFigures(Answer):
    """A track as a participant is sent it."""

    client_id: str = Field(description="who receives")
    track_id: str
    kind: str
    paused: bool
    packets_sent: int
    bytes_sent: int
    packets_discarded: int = Field(description="meant for the receiver and not sent, for whatever reason")
    packets_lost: int = Field(description="as the receiver reported last")
    fraction_lost: float = Field(description="as the receiver reported last, 0 to 1")
    jitter: float = Field(description="seconds, as the receiver reported last")
    round_trip_time: float | None = Field(description="seconds")
    bitrate: float = Field(description="bits per second over the last interval")
    pli_count: int = Field(description="keyframes that the receiver asked for")
    freeze_count: int = Field(description="times that nothing was sent though the publisher sent")
    total_freezes_duration: float = Field(description="seconds")
    spatial_layer: int | None = Field(description="the highest that is sent")
    temporal_layer: int | None = Field(description="the highest that is sent")
    grade: str
    cause: CauseView | None = Field(description="why it looks or sounds worse than it could")


class RoomStatsAnswer(Answer):
    """A room at the last look."""

    room_id: str
    mode: str = Field(description="p2p or sfu")
    age: float | None = Field(description="seconds since the look; null before the first")
    participants: list[ParticipantStats]
    producers: list[ProducerFigures]
    consumers: list[ConsumerFigures] = Field(
        description=f"at most {MAX_CONSUMERS}, those in most trouble first"
    )
    consumer_count: int = Field(description="how many there are")


class RoomFigures:
    """Answers from the sampler's last look; a `signaling.stats.StatsSource`."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._at = 0.0
        self._answers: dict[tuple[str, str | None, bool], RoomStatsAnswer] = {}
        """Of the last look: whoever asks twice between two looks costs nothing."""

    def stats_of(self, room_id: str, participant_id: str) -> Mapping[str, object]:
        """Return what concerns one participant: everybody's score, and what it sends and receives."""
        return self.answer(room_id, participant_id).model_dump(by_alias=True)

    def answer(
        self, room_id: str, participant_id: str | None = None, *, hidden: bool = False
    ) -> RoomStatsAnswer:
        """Return the room's figures, or those that concern one participant; `hidden`: of hidden ones too."""
        self._sampler.attend(ATTENTION)
        snapshot = self._sampler.snapshot
        if snapshot.at != self._at:
            self._answers.clear()
            self._at = snapshot.at
        room = next((room for room in snapshot.rooms if room.id == room_id), None)
        if room is None:
            return RoomStatsAnswer.model_validate(NoStats().stats_of(room_id, ""))
        key = (room_id, participant_id, hidden)
        if key not in self._answers:
            self._answers[key] = room_answer(room, participant_id, hidden=hidden)
        age = round(asyncio.get_running_loop().time() - snapshot.at, 1)
        return self._answers[key].model_copy(update={"age": age})


ROOM_STATS = web.AppKey("room_stats", RoomFigures)


def room_answer(
    room: RoomSnapshot, participant_id: str | None = None, *, hidden: bool = False
) -> RoomStatsAnswer:
    """Turn a look into an answer; for one participant only what concerns it."""
    unseen = {p.id for p in room.participants if p.hidden and not hidden and p.id != participant_id}
    qualities = room_quality(room)
    names = {participant.id: participant.name for participant in room.participants}
    tracks = {track.track: track for track in room.tracks}
    lines = [
        line
        for line in room.subscriptions
        if participant_id in (None, line.participant) and line.participant not in unseen
    ]
    worst_first = sorted(lines, key=lambda line: -line.quality.trouble)[:MAX_CONSUMERS]
    received = {line.track for line in lines}
    shown = [
        track
        for track in room.tracks
        if participant_id in (None, track.participant) or track.track in received
    ]
    return RoomStatsAnswer(
        room_id=room.id,
        mode=room.mode,
        age=0.0,
        participants=[
            _participant(participant, qualities.get(participant.id), participant_id)
            for participant in room.participants
            if participant.id not in unseen
        ],
        producers=[_producer(track) for track in shown],
        consumers=[
            _consumer(line, tracks[line.track], names.get(tracks[line.track].participant, ""))
            for line in worst_first
        ],
        consumer_count=len(lines),
    )


def _participant(
    participant: ParticipantSnapshot, quality: CallQuality | None, asker: str | None
) -> ParticipantStats:
    # What is wrong with somebody's line is told to nobody else in the room.
    transport = participant.transport if asker in (None, participant.id) else None
    cause = quality.cause if quality is not None and asker in (None, participant.id) else None
    return ParticipantStats(
        client_id=participant.id,
        display_name=participant.name,
        score=quality.score if quality is not None else None,
        grade=quality.grade if quality is not None else None,
        cause=_cause(cause),
        connection_state=transport.state if transport is not None else "",
        current_round_trip_time=transport.round_trip_time if transport is not None else None,
        available_outgoing_bitrate=transport.available_outgoing_bitrate if transport is not None else None,
    )


def _producer(track: TrackSnapshot) -> ProducerFigures:
    return ProducerFigures(
        track_id=track.track,
        client_id=track.participant,
        kind=track.kind,
        source=track.source,
        codec=track.codec,
        muted=track.muted,
        packets_received=track.packets,
        bytes_received=track.bytes,
        packets_lost=track.packets_lost,
        fraction_lost=round(track.loss, 4),
        jitter=track.jitter,
        bitrate=round(track.bitrate),
        key_frames=track.keyframes,
        pli_count=track.keyframe_requests,
        silence=round(track.silence, 2),
        consumers=track.subscriptions,
    )


def _consumer(line: SubscriptionSnapshot, track: TrackSnapshot, name: str) -> ConsumerFigures:
    return ConsumerFigures(
        client_id=line.participant,
        track_id=line.track,
        kind=line.kind,
        paused=line.paused,
        packets_sent=line.packets,
        bytes_sent=line.bytes,
        packets_discarded=line.dropped,
        packets_lost=line.packets_lost,
        fraction_lost=round(line.loss, 4),
        jitter=line.jitter,
        round_trip_time=line.round_trip_time,
        bitrate=round(line.bitrate),
        pli_count=line.keyframe_requests,
        freeze_count=line.freezes,
        total_freezes_duration=round(line.frozen_seconds, 1),
        spatial_layer=line.spatial_layer,
        temporal_layer=line.temporal_layer,
        grade=line.quality.grade,
        cause=None if line.paused else _cause(why(line, track, name)),
    )


def _cause(cause: Cause | None) -> CauseView | None:
    return CauseView(code=cause.code, text=cause.text, track_id=cause.track_id) if cause is not None else None


def setup(app: web.Application, sampler: Sampler) -> None:
    """Add the route to `app`, and answer the message `stats`."""
    figures = app[ROOM_STATS] = RoomFigures(sampler)
    app[ROOMS].stats = figures
    routes.add_to(app)


@routes.get("/rooms/{roomId}/stats", authentication=ACCOUNT, errors=[NO_SUCH_ROOM, NOT_IN_ROOM])
async def room_stats(request: web.Request, *, identity: Identity, path: RoomPath) -> RoomStatsAnswer:
    """Tell how the media of a room goes. For accounts in the room, and for operators."""
    room = request.app[ROOMS].get(path.room_id)
    if room is None:
        raise NO_SUCH_ROOM(f'There is no room "{path.room_id}": check the id.')
    inside = any(participant.user_id == identity.user_id for participant in room.participants)
    operator = identity.username in request.app[OPERATORS]
    if not inside and not operator:
        raise NOT_IN_ROOM(f'"{identity.username}" is not in the room "{path.room_id}": join it first.')
    return request.app[ROOM_STATS].answer(path.room_id, hidden=operator)
