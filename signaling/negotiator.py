"""What a room needs of a media server; signaling/media.py provides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from signaling.track import KIND_OF_SOURCE, Source
from signaling.wish import Wish


@dataclass(frozen=True, slots=True)
class Answer:
    """The media server's answer to an offer."""

    sdp: str
    publish: Mapping[str, str]
    """mid → id of the track published there."""
    subscribe: Mapping[str, str | None]
    """mid → id of the track sent there, for the lines that the offer named; None where it cannot be had."""


@dataclass(frozen=True, slots=True)
class MediaPermissions:
    """What a participant may do with media."""

    publish: frozenset[Source] = frozenset(KIND_OF_SOURCE)
    subscribe: bool = True
    muted: frozenset[Source] = frozenset()
    """Stopped at the server, whatever the client sends."""
    video_codecs: tuple[str, ...] = ()
    """Empty: all that the media server has."""


class Negotiator(Protocol):
    """A media server. What it does later it tells the room: `Room.track_published` and its neighbours."""

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
        """Answer an offer. `local`: the client is on this machine. Raises ProtocolError."""

    def permit(self, room_id: str, participant_id: str, permissions: MediaPermissions) -> None:
        """Change what a participant may do from now on; nothing happens for one without media."""

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool) -> None:
        """Stop or resume a track that the participant receives. Raises ProtocolError."""

    def wish(self, room_id: str, participant_id: str, track_id: str, wish: Wish) -> None:
        """Take note of what the participant needs of a track that it receives. Raises ProtocolError."""

    def leave(self, room_id: str, participant_id: str) -> None:
        """Free all that a participant holds; nothing happens when it holds nothing."""

    def close_room(self, room_id: str) -> None:
        """Free all that a room holds; nothing happens when it holds nothing."""
