"""A room's settings between the table and the call."""

from __future__ import annotations

from typing import get_args

from rooms.models import RoomRow
from signaling.policy import GUEST_POLICIES, RoomPolicy, VideoCodec

VIDEO_CODECS: tuple[VideoCodec, ...] = get_args(VideoCodec)


def policy_of(row: RoomRow) -> RoomPolicy:
    """Return how a room is set."""
    codecs = row.video_codecs.split(",")
    return RoomPolicy(
        name=row.name,
        max_participants=row.max_participants,
        video_codecs=tuple(codec for codec in VIDEO_CODECS if codec in codecs),
        guests=next((known for known in GUEST_POLICIES if known == row.guests), "deny"),
        lobby=row.lobby,
        locked=row.locked,
    )
