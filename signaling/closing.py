"""Why a WebSocket is closed by the server: the table of docs/protocol.md."""

from __future__ import annotations

from dataclasses import dataclass

CLOSE_CODES: dict[str, int] = {
    "bad_request": 4400,
    "token_invalid": 4401,
    "token_expired": 4401,
    "guests_not_allowed": 4403,
    "admission_denied": 4403,
    "token_used": 4403,
    "room_locked": 4423,
    "room_not_found": 4404,
    "too_slow": 4408,
    "room_full": 4409,
    "room_closed": 4410,
    "server_stopping": 4410,
    "server_draining": 4410,
    "replaced": 4411,
    "resume_unknown": 4412,
    "removed": 4413,
}

GOODBYES = frozenset((0, 1000, 1001))
"""Close codes of a client that leaves: a normal end, a page that goes away, and none given (aiohttp says 0).
Every other end of a connection may be resumed."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The last words to a client."""

    code: str
    """A key of CLOSE_CODES."""
    message: str
    """A sentence for people."""

    @property
    def close_code(self) -> int:
        """The WebSocket close code (RFC 6455 section 7.4.2, private use)."""
        return CLOSE_CODES[self.code]


TOO_SLOW = Closing("too_slow", "Your connection did not take the room's messages in time. Join again.")
SERVER_STOPPING = Closing("server_stopping", "The server is being restarted. Join again in a moment.")
ROOM_CLOSED = Closing("room_closed", "The room was closed. Join again to open it.")
ROOM_ENDED = Closing("room_closed", "A moderator has ended the call for everybody.")
ROOM_DELETED = Closing("room_closed", "The room was deleted.")
REMOVED = Closing("removed", "A moderator has removed you from the room.")
DENIED = Closing("admission_denied", "A moderator did not let you in.")
REPLACED = Closing("replaced", "A newer connection of yours has taken this one's place.")


class Refused(Exception):  # noqa: N818
    """A join that is not allowed; `closing` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.closing = Closing(code, message)
