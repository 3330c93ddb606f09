"""The media server as a member of the rooms: the one place where signaling meets the SFU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sfu.errors import MediaError
from sfu.events import (
    DataRefused,
    EncodingsWanted,
    Event,
    SpeakersChanged,
    SubscriptionChanged,
    TrackPublished,
    TrackUnpublished,
    TransportClosed,
    TransportConnected,
)
from sfu.offer import Answer as SfuAnswer
from sfu.offer import Offer, Permissions
from sfu.wish import ALL_LAYERS
from sfu.wish import Wish as SfuWish
from signaling.messages import ProtocolError
from signaling.negotiator import Answer, MediaPermissions
from signaling.rooms import Rooms
from signaling.speaker import Speaker
from signaling.subscription import Subscription
from signaling.track import KIND_OF_SOURCE, Encoding, Source
from signaling.wish import Wish


class MediaServer(Protocol):
    """What signaling uses of `sfu.net.server.MediaServer`."""

    def offer(self, room_id: str, participant_id: str, offer: Offer, *, local: bool = False) -> SfuAnswer:
        """Raises MediaError."""

    def permit(self, room_id: str, participant_id: str, permissions: Permissions) -> None:
        """Nothing happens for one without a connection."""

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool) -> None:
        """Raises MediaError."""

    def wish(self, room_id: str, participant_id: str, track_id: str, wish: SfuWish) -> None:
        """Raises MediaError."""

    def leave(self, room_id: str, participant_id: str) -> None:
        """Idempotent."""

    def close_room(self, room_id: str) -> None:
        """Idempotent."""

    def permit_data(self, may_send: Callable[[str, str], bool]) -> None:
        """Have `may_send(room_id, participant_id)` asked for every data message."""

    def on_event(self, callback: Callable[[Event], None]) -> None:
        """Register the one who is told of events."""


class SfuNegotiator:
    """A `Negotiator` whose media server is the SFU."""

    def __init__(self, server: MediaServer) -> None:
        self._server = server

    def offer(
        self,
        room_id: str,
        participant_id: str,
        sdp: str,
        publish: Mapping[str, Source],
        subscribe: Mapping[str, str],
        *,
        local: bool,
        permissions: MediaPermissions,
    ) -> Answer:
        """Answer an offer. Raises ProtocolError."""
        try:
            wanted = Offer(sdp, publish, subscribe, _permissions(permissions))
            answer = self._server.offer(room_id, participant_id, wanted, local=local)
        except MediaError as error:
            raise ProtocolError(error.code, str(error)) from error
        return Answer(answer.sdp, answer.publish, answer.subscribe)

    def permit(self, room_id: str, participant_id: str, permissions: MediaPermissions) -> None:
        """Change what a participant may do from now on."""
        self._server.permit(room_id, participant_id, _permissions(permissions))

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool) -> None:
        """Stop or resume a track that the participant receives. Raises ProtocolError."""
        try:
            self._server.pause(room_id, participant_id, track_id, paused)
        except MediaError as error:
            raise ProtocolError(error.code, str(error)) from error

    def wish(self, room_id: str, participant_id: str, track_id: str, wish: Wish) -> None:
        """Take note of what the participant needs of a track that it receives. Raises ProtocolError."""
        temporal = ALL_LAYERS if wish.temporal is None else wish.temporal
        try:
            self._server.wish(
                room_id, participant_id, track_id, SfuWish(wish.width, wish.height, wish.priority, temporal)
            )
        except MediaError as error:
            raise ProtocolError(error.code, str(error)) from error

    def leave(self, room_id: str, participant_id: str) -> None:
        """Free all that a participant holds."""
        self._server.leave(room_id, participant_id)

    def close_room(self, room_id: str) -> None:
        """Free all that a room holds."""
        self._server.close_room(room_id)


def _permissions(of: MediaPermissions) -> Permissions:
    return Permissions(of.publish, of.subscribe, of.muted, of.video_codecs)


def may_send_data(rooms: Rooms, room_id: str, participant_id: str) -> bool:
    """Whether a participant may send data messages: the room decides."""
    room = rooms.get(room_id)
    return room is not None and room.may_send_data(participant_id)


def deliver(event: Event, rooms: Rooms) -> None:
    """Tell the room what happened in the SFU. An event of a room that has gone tells nobody."""
    room = rooms.get(event.room_id)
    if room is None:
        return
    match event:
        case TrackPublished():
            encodings = tuple(Encoding(e.rid, e.codec) for e in event.encodings)
            room.track_published(event.participant_id, event.source, encodings)
        case TrackUnpublished():
            source = event.track_id.rpartition(":")[2]
            for known in KIND_OF_SOURCE:
                if known == source:
                    room.track_unpublished(event.participant_id, known)
        case TransportConnected():
            room.media_connected(event.participant_id)
        case SubscriptionChanged():
            room.subscription_changed(
                event.participant_id,
                Subscription(
                    event.track_id,
                    event.rid,
                    event.spatial,
                    event.temporal,
                    event.width,
                    event.height,
                    event.reason,
                ),
            )
        case SpeakersChanged():
            room.speakers_changed([Speaker(s.track_id, s.level) for s in event.speakers])
        case EncodingsWanted():
            room.encodings_wanted(event.participant_id, event.track_id, dict(event.active))
        case DataRefused():
            room.data_refused(event.participant_id, event.code, event.message)
        case TransportClosed():
            room.media_closed(event.participant_id, event.reason)
