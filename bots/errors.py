"""What can go wrong for a bot, as exceptions whose text is a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BotError(Exception):
    """The base of all errors of this library."""


class AddressInvalid(BotError, ValueError):  # noqa: N818
    """The address names no room."""


class ProtocolViolated(BotError):  # noqa: N818
    """The server sent a message that docs/protocol.md does not allow."""


class SignInFailed(BotError):  # noqa: N818
    """The account could not be registered or signed in.

    `status` is the HTTP status, `code` the server's error code.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One part of a request that is wrong."""

    pointer: str
    """A JSON pointer into the body (`#/username`), or `query:limit`, `header:X-Device-ID`, `path:roomId`."""
    detail: str
    """What was wrong and what would be right."""


class ApiProblem(BotError):  # noqa: N818
    """The server refused a request: its problem details (RFC 9457).

    Programs tell them by `code` (docs/api.md); an answer that is no problem, as of a proxy, has the code
    `http_error`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        about: str = "about:blank",
        title: str = "",
        errors: Sequence[FieldProblem] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        """The HTTP status."""
        self.code = code
        self.detail = detail
        """What was wrong and what would be right, for people."""
        self.type = about
        """Where the code is explained, relative to the server."""
        self.title = title
        self.errors = tuple(errors)
        """Each part of the request that is wrong, where it is parts."""
        self.retry_after = retry_after
        """Seconds after which the server would be asked again; None where it did not say."""


class ServerUnreachable(BotError):  # noqa: N818
    """No answer came."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent
        """Whether the request was sent, so that it may have been done."""


class JoinRefused(BotError):  # noqa: N818
    """The server refused the join, or could not be reached.

    `code` is the server's error code, or `unreachable` or `timeout` where there was none.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


class RequestRefused(BotError):  # noqa: N818
    """The server refused a message; the room lives on."""

    def __init__(self, code: str, message: str, request: str | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.request = request


class RoomLeft(BotError):  # noqa: N818
    """The bot is not in the room any more: it has left, or the connection ended.

    `code` is the WebSocket close code; 1000 where the bot itself left.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class MediaFailed(BotError):  # noqa: N818
    """Media could not be negotiated, connected, read or written."""
