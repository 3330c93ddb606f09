"""Requests with an Idempotency-Key are done once, however often they are sent.

As the IETF's draft "The Idempotency-Key HTTP Header Field" has it. What was answered is kept in the memory of
this process: answers hold secrets that are kept nowhere else, and a client that retries does so soon.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import web
from pydantic import Field

from api.errors import ErrorKind
from api.models import Parameters

# Seconds for which an answer is given again, and the answers that are kept: of one account, and of all. The
# oldest give way.
KEEP_SECONDS = 24 * 3600.0
MAX_OF_ACCOUNT = 1000
MAX_OF_ALL = 20_000

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

REQUEST_IN_PROGRESS = ErrorKind(409, "request_in_progress", "The same request is being worked on")
IDEMPOTENCY_KEY_REUSED = ErrorKind(422, "idempotency_key_reused", "The key was used for another request")

ERRORS = (REQUEST_IN_PROGRESS, IDEMPOTENCY_KEY_REUSED)


class IdempotencyHeaders(Parameters):
    """Which request it is, so that it may be repeated."""

    idempotency_key: str | None = Field(
        None,
        alias=HEADER,
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="1 to 255 printable ASCII characters without spaces, new for each request that is not "
        "a repetition",
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer."""

    status: int
    body: bytes
    content_type: str

    def response(self) -> web.Response:
        """Return it as it is given again."""
        return web.Response(
            status=self.status,
            body=self.body,
            content_type=self.content_type,
            charset="utf-8",
            headers={REPLAYED: "true"},
        )


@dataclass(slots=True)
class _Entry:
    fingerprint: bytes
    at: float
    kept: Kept | None = None
    """None while it is being worked on."""


Name = tuple[int, str]
"""An account's id, and the key that it chose."""


class IdempotencyKeys:
    """What was asked under which key; times are monotonic seconds."""

    def __init__(
        self,
        keep_seconds: float = KEEP_SECONDS,
        of_account: int = MAX_OF_ACCOUNT,
        of_all: int = MAX_OF_ALL,
    ) -> None:
        self._keep_seconds = keep_seconds
        self._of_account = of_account
        self._of_all = of_all
        # The oldest first.
        self._entries: OrderedDict[Name, _Entry] = OrderedDict()
        self._accounts: dict[int, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, name: Name, fingerprint: bytes, now: float) -> Kept | None:
        """Return the answer that is kept; None where the request is to be done, and `finish` or `abandon` to
        be called.

        Raises ApiError: `idempotency_key_reused`, `request_in_progress`.
        """
        while self._entries and now - next(iter(self._entries.values())).at >= self._keep_seconds:
            self._drop(next(iter(self._entries)))
        entry = self._entries.get(name)
        if entry is not None:
            return _answer(entry, fingerprint)
        account = self._accounts.setdefault(name[0], OrderedDict())
        self._entries[name] = _Entry(fingerprint, now)
        account[name[1]] = None
        if len(account) > self._of_account:
            self._drop((name[0], next(iter(account))))
        if len(self._entries) > self._of_all:
            self._drop(next(iter(self._entries)))
        return None

    def finish(self, name: Name, kept: Kept) -> None:
        """Keep an answer."""
        entry = self._entries.get(name)
        if entry is not None:
            entry.kept = kept

    def abandon(self, name: Name) -> None:
        """The request was refused, or failed: it may be sent again."""
        if name in self._entries:
            self._drop(name)

    def _drop(self, name: Name) -> None:
        del self._entries[name]
        account = self._accounts[name[0]]
        del account[name[1]]
        if not account:
            del self._accounts[name[0]]


def _answer(entry: _Entry, fingerprint: bytes) -> Kept:
    if entry.fingerprint != fingerprint:
        raise IDEMPOTENCY_KEY_REUSED(
            f"The {HEADER} was used for another request: choose a new one, or repeat that request as it was."
        )
    if entry.kept is None:
        raise REQUEST_IN_PROGRESS(
            f"A request with this {HEADER} is being worked on; send it again for its answer.",
            {"Retry-After": "1"},
        )
    return entry.kept


def fingerprint_of(method: str, path: str, body: str) -> bytes:
    """Return what tells a request from another one. `body` is the JSON of its model, so that the order of
    members and what is left out make no difference."""
    return hashlib.sha256("\n".join((method, path, body)).encode("utf-8", "surrogatepass")).digest()
