"""Errors that a caller of the SFU can act on: each has a stable code and a sentence."""

from __future__ import annotations


class MediaError(Exception):
    """A request that the media server refuses.

    `code` is one of docs/protocol.md's error codes; `str(error)` is a sentence that names what was
    wrong and what would be right.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NegotiationError(MediaError):
    """An offer that cannot be answered. The transport, if there was one, goes on as before."""
