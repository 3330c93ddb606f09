"""What the server answers, as frozen models. Members that a newer server adds are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class Answer(BaseModel):
    """The base of all: camelCase on the wire, snake_case here. Words of a list are texts, as lists grow."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True, extra="ignore"
    )


class Page(Answer, Generic[T]):
    """A part of a list."""

    items: list[T]
    next_cursor: str | None
    """For the next page; None on the last one."""


class SignedIn(Answer):
    """Who is signed in."""

    id: int
    username: str
    token: str = Field(repr=False)
    """The access token."""


class AccountInfo(Answer):
    """An account."""

    id: int
    username: str
    created_at: datetime


class SessionInfo(Answer):
    """A device on which the account is signed in."""

    id: str
    device_id: str | None
    device: str | None
    """What people call it, for instance Firefox on Linux."""
    address: str | None
    """The IP address that it was last seen at."""
    created_at: datetime | None
    expires_at: datetime
    last_seen: datetime
    current: bool
    """Whether it is the one that asks."""


class IceServer(Answer):
    """A STUN or TURN server, as RTCPeerConnection takes it; credentials expire."""

    urls: list[str]
    username: str | None = None
    credential: str | None = Field(None, repr=False)


class IceServers(Answer):
    """The servers to find a path by."""

    ice_servers: list[IceServer]


class NewRoom(Answer):
    """Where a new room is."""

    room_id: str
    ws_url: str
    """The WebSocket of its calls."""


class RoomInfo(Answer):
    """A room as it is kept."""

    room_id: str
    name: str
    mode: str
    """`auto`, `p2p` or `sfu`."""
    max_participants: int | None
    """None: as many as the server allows."""
    video_codecs: list[str]
    """Empty: all that the server has."""
    guests: str
    """`allow`, `lobby` or `deny`."""
    lobby: bool
    locked: bool
    role: str
    """Of the one who asks: `owner`, `moderator`, `speaker` or `listener`."""
    participants: int
    """How many are in it now."""
    created_at: datetime


class ParticipantInfo(Answer):
    """Somebody in a room, or in its lobby."""

    id: str
    display_name: str
    role: str
    user_id: int | None
    """The account; None for a guest."""
    waiting: bool
    """In the lobby."""
    hidden: bool
    bot: bool


class JoinToken(Answer):
    """What lets its holder into a room, by Room.join(…, token) or the `token` of the WebSocket's address."""

    token: str = Field(repr=False)
    room_id: str
    expires_at: datetime


class ApiKeyInfo(Answer):
    """An API key, without the key itself."""

    id: str
    name: str
    created_at: datetime


class NewApiKey(ApiKeyInfo):
    """A new API key; the server shows it this once."""

    key: str = Field(repr=False)


class Cause(Answer):
    """Why something is worse than it could be."""

    code: str
    text: str
    track_id: str | None
    """The track it is about, where it is about one."""


class ParticipantStats(Answer):
    """Somebody in the room, and the connection to the media server."""

    client_id: str
    display_name: str
    score: int | None
    """0 to 100; None where nothing goes by the server."""
    grade: str | None
    """`good`, `fair`, `poor` or `bad`."""
    cause: Cause | None
    connection_state: str
    current_round_trip_time: float | None
    """Seconds."""
    available_outgoing_bitrate: float | None
    """Bits per second."""


class ProducerStats(Answer):
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
    fraction_lost: float
    """0 to 1, over the last interval."""
    jitter: float
    """Seconds."""
    bitrate: float
    """Bits per second, over the last interval."""
    key_frames: int
    pli_count: int
    """Keyframes that the server asked for."""
    silence: float
    """Seconds since the newest packet."""
    consumers: int


class ConsumerStats(Answer):
    """A track as a participant is sent it."""

    client_id: str
    """Who receives."""
    track_id: str
    kind: str
    paused: bool
    packets_sent: int
    bytes_sent: int
    packets_discarded: int
    packets_lost: int
    fraction_lost: float
    """0 to 1, as the receiver reported last."""
    jitter: float
    """Seconds."""
    round_trip_time: float | None
    """Seconds."""
    bitrate: float
    """Bits per second, over the last interval."""
    pli_count: int
    freeze_count: int
    total_freezes_duration: float
    """Seconds."""
    spatial_layer: int | None
    temporal_layer: int | None
    grade: str
    cause: Cause | None


class RoomStats(Answer):
    """The media of a room at the server's last look."""

    room_id: str
    mode: str
    age: float | None
    """Seconds since the look; None before the first."""
    participants: list[ParticipantStats]
    producers: list[ProducerStats]
    consumers: list[ConsumerStats]
    """Those in most trouble first."""
    consumer_count: int
    """How many there are; `consumers` may be fewer."""
