"""The tokens by which a new connection takes the place of a broken one. No IO."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal

from signaling.closing import Refused
from signaling.participant import Participant

Reason = Literal["unknown", "late", "used", "other_room"]

# Of a token that is worth nothing any more, only the reason is kept, for the counters.
MAX_SPENT = 1_024

_WHY: dict[Reason, str] = {
    "unknown": "This connection cannot be resumed: its token is not known here. Join again.",
    "late": "This connection was resumed too late, or its participant has left. Join again.",
    "used": "This connection was resumed before with the same token. Join again.",
    "other_room": "This token is for another room. Resume there, or join this one.",
}


def new_token() -> str:
    """Return a token that cannot be guessed: 192 bits."""
    return secrets.token_urlsafe(24)


class ResumeRefused(Refused):
    """A token that opens nothing; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__("resume_unknown", _WHY[reason])
        self.reason = reason


class ResumeTokens:
    """Who can be resumed by what: each participant has one token, which is good for one use.

    After that use it stays good until the client has shown that it has the next one.
    """

    def __init__(self, new: Callable[[], str] = new_token) -> None:
        self._new = new
        self._places: dict[str, tuple[str, Participant]] = {}
        self._spent: dict[str, Reason] = {}

    def __len__(self) -> int:
        return len(self._places)

    def issue(self, room_id: str, participant: Participant) -> None:
        """Give a participant its token."""
        participant.resume_token = self._new()
        self._places[participant.resume_token] = (room_id, participant)

    def renew(self, room_id: str, participant: Participant, used: str) -> None:
        """A participant was resumed by a token: give it the next one, and for now keep the one used."""
        for token in {participant.former_token, participant.resume_token} - {used}:
            self._end(token, "used")
        participant.former_token = used
        self.issue(room_id, participant)

    def confirm(self, participant: Participant) -> None:
        """The participant has its newest token: the one before is good for nothing."""
        self._end(participant.former_token, "used")
        participant.former_token = ""

    def find(self, room_id: str, token: str) -> Participant:
        """Return whose token it is, and leave it good. Raises ResumeRefused."""
        place = self._places.get(token)
        if place is None:
            raise ResumeRefused(self._spent.get(token, "unknown"))
        if place[0] != room_id:
            raise ResumeRefused("other_room")
        return place[1]

    def spend(self, participant: Participant, reason: Reason) -> None:
        """Make a participant's tokens good for nothing."""
        self._end(participant.resume_token, reason)
        self._end(participant.former_token, reason)
        participant.resume_token = participant.former_token = ""

    def _end(self, token: str, reason: Reason) -> None:
        if self._places.pop(token, None) is None:
            return
        self._spent[token] = reason
        if len(self._spent) > MAX_SPENT:
            del self._spent[next(iter(self._spent))]
