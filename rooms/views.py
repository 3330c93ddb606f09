"""What clients send and get about rooms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.models import Answer, Body, Parameters, Timestamp
from signaling.grants import ASSIGNABLE_ROLES, AssignableRole, GrantSource, Role
from signaling.policy import GuestPolicy, VideoCodec
from signaling.settings import RoomMode
from signaling.track import Source


class RoomView(Answer):
    """A room as it is kept."""

    room_id: str
    name: str
    mode: RoomMode
    max_participants: int | None = Field(description="null: as many as the server allows")
    video_codecs: list[VideoCodec] = Field(description="empty: all that the server has")
    guests: GuestPolicy
    lobby: bool
    locked: bool
    role: Role = Field(description="of the one who asks")
    participants: int = Field(description="how many are in it now")
    created_at: Timestamp


class RoomChange(Body):
    """What is to change; what is left out stays."""

    name: str | None = Field(
        None, max_length=128, pattern=r"^[^\x00-\x1f]*$", description="at most 128 characters"
    )
    mode: RoomMode | None = Field(None, description="auto, p2p or sfu")
    max_participants: int | None = Field(None, ge=1, le=10_000, description="1 to 10000 people")
    video_codecs: list[VideoCodec] | None = Field(
        None, max_length=4, description="a list of VP8, H264, VP9 and AV1; empty for all"
    )
    guests: GuestPolicy | None = Field(None, description="allow, lobby or deny")
    lobby: bool | None = Field(None, description="true or false")
    locked: bool | None = Field(None, description="true or false")


class ParticipantView(Answer):
    """Somebody in a room, or in its lobby."""

    id: str
    display_name: str
    role: Role
    user_id: int | None
    waiting: bool
    hidden: bool
    bot: bool


class RoomPath(Parameters):
    """Which room."""

    room_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 of A-Z a-z 0-9 _ -")


class ParticipantPath(RoomPath):
    """Which participant of which room."""

    participant_id: str = Field(min_length=1, max_length=64, description="the id of a participant")


class Moderation(Body):
    """What to do about somebody."""

    action: Literal["admit", "deny", "remove", "mute", "role"] = Field(
        description="admit, deny, remove, mute or role"
    )
    source: Source | None = Field(None, description="microphone, camera, screen or screen-audio")
    role: AssignableRole | None = Field(None, description=f"one of {', '.join(ASSIGNABLE_ROLES)}")


class TokenGrants(Body):
    """What the holder of a join token may do."""

    publish: list[GrantSource] = Field(
        ["camera", "microphone", "screen"], max_length=3, description="of camera, microphone and screen"
    )
    subscribe: bool = Field(True, description="true or false")
    chat: bool = Field(True, description="true or false")
    data: bool = Field(True, description="true or false")
    moderate: bool = Field(False, description="true or false")
    hidden: bool = Field(
        False, description="true or false; a hidden one may neither publish, chat nor moderate"
    )
    bot: bool = Field(False, description="true or false")


class NewJoinToken(Body):
    """Whom a join token is for."""

    name: str = Field("", max_length=64, pattern=r"^[^\x00]*$", description="at most 64 characters")
    expires_in: int = Field(3600, ge=10, le=31 * 86_400, description="10 to 2678400 seconds")
    uses: int | None = Field(None, ge=1, le=1_000_000, description="1 to 1000000; without it, any number")
    grants: TokenGrants = Field(default_factory=TokenGrants, description="an object of grants")


class JoinTokenAnswer(Answer):
    """A join token: `token` in the address of the WebSocket."""

    token: str
    room_id: str
    expires_at: Timestamp


class NewApiKey(Body):
    """What a key is for."""

    name: str = Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$", description="1 to 128 characters")


class ApiKeyView(Answer):
    """A key, without the key itself."""

    id: str
    name: str
    created_at: Timestamp


class ApiKeyAnswer(ApiKeyView):
    """A new key; it is shown this once."""

    key: str


class ApiKeyPath(Parameters):
    """Which key."""

    key_id: str = Field(pattern=r"^[0-9a-f-]{36}$", description="the id of a key")
