"""Headless clients: join a room, talk, send and receive media.

async with bots.Room.join("http://localhost:8080/r/abc", display_name="Echo") as room:
    await room.chat("hello")
    track = await room.wait_for_track(kind="video")
    async for frame in track.frames(policy="latest"):
        print(frame.width, frame.height, track.dropped)

The HTTP API of the server has a client of its own: bots.Client.
"""

from bots.bounded import Policy
from bots.client import Client, Retries
from bots.client.rooms import Grants
from bots.data import DataMessage
from bots.errors import (
    AddressInvalid,
    ApiProblem,
    BotError,
    FieldProblem,
    JoinRefused,
    MediaFailed,
    ProtocolViolated,
    RequestRefused,
    RoomLeft,
    ServerUnreachable,
    SignInFailed,
)
from bots.events import (
    Event,
    MediaChanged,
    ModeChanged,
    NameChanged,
    ParticipantJoined,
    ParticipantLeft,
    QualityChanged,
    Refused,
    SpeakersChanged,
    TrackAdded,
    TrackChanged,
    TrackRemoved,
)
from bots.messages import ChatMessage, Participant, Quality, Speaker, TrackInfo
from bots.publication import Publication
from bots.room import Milestones, Room
from bots.track import Frame, RemoteTrack

__all__ = [
    "AddressInvalid",
    "ApiProblem",
    "BotError",
    "ChatMessage",
    "Client",
    "DataMessage",
    "Event",
    "FieldProblem",
    "Frame",
    "Grants",
    "JoinRefused",
    "MediaChanged",
    "MediaFailed",
    "Milestones",
    "ModeChanged",
    "NameChanged",
    "Participant",
    "ParticipantJoined",
    "ParticipantLeft",
    "Policy",
    "ProtocolViolated",
    "Publication",
    "Quality",
    "QualityChanged",
    "Refused",
    "RemoteTrack",
    "RequestRefused",
    "Retries",
    "Room",
    "RoomLeft",
    "ServerUnreachable",
    "SignInFailed",
    "Speaker",
    "SpeakersChanged",
    "TrackAdded",
    "TrackChanged",
    "TrackInfo",
    "TrackRemoved",
]
