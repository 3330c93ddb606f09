"""What happens in a room, as Room.events() tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bots.messages import Mode, Participant, Quality, ServerDraining, Speaker
from bots.track import RemoteTrack


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """Somebody came."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """Somebody went; their tracks have ended."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class NameChanged:
    """A participant, possibly the bot itself, has a new display name."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class TrackAdded:
    """A participant shows something; frames come once it is connected."""

    track: RemoteTrack


@dataclass(frozen=True, slots=True)
class TrackChanged:
    """A track was muted or unmuted, or can now be had from the media server."""

    track: RemoteTrack


@dataclass(frozen=True, slots=True)
class TrackRemoved:
    """A track ended."""

    track: RemoteTrack


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """The room's media goes another way; tracks go on."""

    mode: Mode


@dataclass(frozen=True, slots=True)
class MediaChanged:
    """The connection to the media server is up, lost (it is tried again), or given up."""

    state: Literal["connected", "lost", "failed"]
    reason: str


@dataclass(frozen=True, slots=True)
class QualityChanged:
    """It is news how well somebody's call goes, possibly the bot's own."""

    client_id: str
    quality: Quality


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    """Others speak than before, possibly the bot, or another one is the loudest.

    Told only where media goes by way of the server.
    """

    speakers: tuple[Speaker, ...]
    """The loudest first; empty where nobody speaks."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused a message that nobody waits for."""

    code: str
    message: str


Event = (
    ParticipantJoined
    | ParticipantLeft
    | NameChanged
    | TrackAdded
    | TrackChanged
    | TrackRemoved
    | ModeChanged
    | MediaChanged
    | QualityChanged
    | SpeakersChanged
    | ServerDraining
    | Refused
)
