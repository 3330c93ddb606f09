"""Roles and grants: what somebody may do in a room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from signaling.track import KIND_OF_SOURCE, Source

Role = Literal["owner", "moderator", "speaker", "listener", "guest"]
ROLES: tuple[Role, ...] = get_args(Role)

AssignableRole = Literal["moderator", "speaker", "listener"]
"""What a moderator can make somebody; `owner` is who made the room, `guest` who came without an account."""
ASSIGNABLE_ROLES: tuple[AssignableRole, ...] = get_args(AssignableRole)

GrantSource = Literal["camera", "microphone", "screen"]
"""What may be published; `screen` stands for the sound of the screen too."""
GRANT_SOURCES: tuple[GrantSource, ...] = get_args(GrantSource)

_GRANT_OF_SOURCE: Mapping[Source, GrantSource] = MappingProxyType(
    {"microphone": "microphone", "camera": "camera", "screen": "screen", "screen-audio": "screen"}
)
_RANK: Mapping[Role, int] = MappingProxyType(
    {"owner": 3, "moderator": 2, "speaker": 1, "listener": 1, "guest": 1}
)


@dataclass(frozen=True, slots=True)
class Grants:
    """What a participant may do."""

    publish: frozenset[GrantSource] = frozenset(GRANT_SOURCES)
    subscribe: bool = True
    """See and hear the others."""
    chat: bool = True
    """Write to the room; everybody may read."""
    data: bool = True
    """Send data messages."""
    moderate: bool = False
    hidden: bool = False
    """The others are not told of it."""
    bot: bool = False
    """It is a program; shown to the others, and not held by a lobby."""

    def may_publish(self, source: Source) -> bool:
        """Whether a track of that source may be shown."""
        return _GRANT_OF_SOURCE[source] in self.publish

    @property
    def sources(self) -> frozenset[Source]:
        """The sources that may be published."""
        return frozenset(source for source in KIND_OF_SOURCE if self.may_publish(source))

    @property
    def needs_server(self) -> bool:
        """Whether media has to go through the server for this to be kept."""
        return not self.subscribe or self.hidden or self.publish != frozenset(GRANT_SOURCES)

    def to_json(self) -> dict[str, object]:
        """The grants object of docs/protocol.md."""
        return {
            "publish": [source for source in GRANT_SOURCES if source in self.publish],
            "subscribe": self.subscribe,
            "chat": self.chat,
            "data": self.data,
            "moderate": self.moderate,
            "hidden": self.hidden,
            "bot": self.bot,
        }


GRANTS_OF_ROLE: Mapping[Role, Grants] = MappingProxyType(
    {
        "owner": Grants(moderate=True),
        "moderator": Grants(moderate=True),
        "speaker": Grants(),
        "listener": Grants(publish=frozenset(), data=False),
        "guest": Grants(),
    }
)


def outranks(role: Role, other: Role) -> bool:
    """Whether somebody of `role` may decide about somebody of the `other` role."""
    return _RANK[role] > _RANK[other]
