"""What a room is set to, by whom it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

GuestPolicy = Literal["allow", "lobby", "deny"]
"""What happens to people without an account: they come in, wait in the lobby, or are refused."""
GUEST_POLICIES: tuple[GuestPolicy, ...] = get_args(GuestPolicy)

VideoCodec = Literal["VP8", "H264", "VP9", "AV1"]


@dataclass(frozen=True, slots=True)
class RoomPolicy:
    """Of one room."""

    name: str = ""
    """For people; empty where it has none."""
    max_participants: int | None = None
    """None: as many as the server allows."""
    video_codecs: tuple[VideoCodec, ...] = ()
    """Those that may be used through the media server; empty: all that it has."""
    guests: GuestPolicy = "allow"
    lobby: bool = False
    """Everybody but moderators and bots waits until admitted."""
    locked: bool = False
    """Nobody new comes in but moderators."""
