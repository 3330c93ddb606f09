"""A participant: somebody's membership of one room, which a broken connection may outlive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signaling.grants import GRANTS_OF_ROLE, Grants, Role
from signaling.outbox import Outbox
from signaling.track import Source, Track


@dataclass(slots=True, eq=False)
class Participant:
    """Who is in a room, and what for each waits to be sent."""

    id: str
    display_name: str
    outbox: Outbox
    user_id: int | None = None
    """The account; None for a guest."""
    local: bool = False
    """The client is on this machine: its address is a loopback address."""
    device: str | None = None
    """What the client calls the device it runs on."""
    resume_token: str = ""
    """What lets a new connection take this place; empty where connections are not resumed."""
    role: Role = "speaker"
    grants: Grants = GRANTS_OF_ROLE["speaker"]
    keys: frozenset[str] = frozenset()
    """What tells that somebody who comes again is the same: account, device, join token."""
    former_token: str = ""
    """What resumed it last: good until the client shows that it has the next one."""
    received: int = 0
    """Messages that came from the client, the refused ones included."""
    media: Mapping[str, object] | None = None
    """The last `media` message: how the connection to the media server is."""
    tracks: dict[Source, Track] = field(default_factory=dict)
    silenced: dict[Source, bool] = field(default_factory=dict)
    """Sources that a moderator muted → whether the client has muted them too since. It may unmute then."""
