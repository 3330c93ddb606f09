"""What can go wrong for a bot, as exceptions whose text is a sentence."""

from __future__ import annotations


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
