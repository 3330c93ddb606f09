"""Who stands at the door of a room, and how the door finds out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from signaling.grants import GRANTS_OF_ROLE, Grants, Role
from signaling.history import ChatMessage
from signaling.policy import RoomPolicy
from signaling.settings import RoomMode


@dataclass(frozen=True, slots=True)
class Account:
    """Who a participant is when it is not a guest."""

    user_id: int
    name: str


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """A room that is kept while nobody is in it."""

    mode: RoomMode
    policy: RoomPolicy
    history: tuple[ChatMessage, ...] = ()
    """What was said in it, oldest first."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who has shown who they are and wants to join a room."""

    account: Account | None = None
    role: Role = "guest"
    grants: Grants = field(default_factory=lambda: GRANTS_OF_ROLE["guest"])
    display_name: str = ""
    """What they are called where they do not say it themselves."""
    invited: bool = False
    """Came with a join token: what guests may not is not asked."""
    token_id: str | None = None
    """Of the join token."""
    room: StoredRoom | None = None
    """None where no room of that id is kept: an account opens it, a guest is refused."""

    @classmethod
    def of_account(cls, account: Account | None) -> Visit:
        """An account as a speaker, or a guest where it is None, in a room that is not kept."""
        if account is None:
            return cls()
        return cls(account, "speaker", GRANTS_OF_ROLE["speaker"])


Identify = Callable[[str], Awaitable[Account]]
"""Returns whose an access token is. Raises Refused."""


class Door(Protocol):
    """Finds out who somebody is and what is kept of the room."""

    async def admit(self, room_id: str, token: str, identify: Identify) -> Visit:
        """Return who comes with `token`, which is empty for a guest; `identify` knows access tokens.

        Raises Refused.
        """

    async def keep(self, room_id: str, owner_id: int, room: StoredRoom) -> None:
        """Keep a new room. Raises DatabaseUnavailableError."""

    async def turned_away(self, visit: Visit) -> None:
        """The visitor was refused after all: a use of a token is given back."""
