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

from api.errors import RATE_LIMITED, UNAVAILABLE, ErrorKind
from api.models import Parameters

# Seconds for which an answer is given again, and the requests that are known: of one account, and of all. The
# oldest answers give way.
KEEP_SECONDS = 24 * 3600.0
MAX_OF_ACCOUNT = 1000
MAX_OF_ALL = 20_000

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

REQUEST_IN_PROGRESS = ErrorKind(409, "request_in_progress", "The same request is being worked on")
IDEMPOTENCY_KEY_REUSED = ErrorKind(422, "idempotency_key_reused", "The key was used for another request")

ERRORS = (REQUEST_IN_PROGRESS, IDEMPOTENCY_KEY_REUSED, RATE_LIMITED, UNAVAILABLE)


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


Name = tuple[int, str]
"""An account's id, and the key that it chose."""


@dataclass(slots=True, eq=False)
class Entry:
    """A request; another one under the same name is another entry."""

    name: Name
    fingerprint: bytes
    kept: Kept | None = None
    """None while it is being worked on."""
    kept_at: float = 0.0


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
        # In each, of what is kept the oldest is first; what is being worked on is anywhere between.
        self._entries: OrderedDict[Name, Entry] = OrderedDict()
        self._accounts: dict[int, OrderedDict[Name, Entry]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, name: Name, fingerprint: bytes, now: float) -> Entry:
        """Return the entry with the answer that is `kept`. Where that is None the request is to be done, and
        `finish` or `abandon` to be called with the entry.

        Raises ApiError: `idempotency_key_reused`, `request_in_progress`; and `rate_limited` or `unavailable`
        where as many as may be known are all being worked on: those never give way, as a repetition would be
        done a second time.
        """
        while (oldest := _oldest_kept(self._entries)) and now - oldest.kept_at >= self._keep_seconds:
            self._drop(oldest)
        entry = self._entries.get(name)
        if entry is not None:
            _check(entry, fingerprint)
            return entry
        self._make_room(name[0])
        entry = Entry(name, fingerprint)
        self._entries[name] = entry
        self._accounts.setdefault(name[0], OrderedDict())[name] = entry
        return entry

    def finish(self, entry: Entry, kept: Kept, now: float) -> None:
        """Keep an answer, if the account is still there."""
        if self._entries.get(entry.name) is not entry:
            return
        entry.kept = kept
        entry.kept_at = now
        self._entries.move_to_end(entry.name)
        self._accounts[entry.name[0]].move_to_end(entry.name)

    def abandon(self, entry: Entry) -> None:
        """The request was refused, or failed: it may be sent again."""
        if self._entries.get(entry.name) is entry:
            self._drop(entry)

    def forget_account(self, account: int) -> None:
        """Drop all of an account that was deleted: SQLite gives its id to another one."""
        for name in self._accounts.pop(account, ()):
            del self._entries[name]

    def _make_room(self, account: int) -> None:
        own = self._accounts.get(account, OrderedDict())
        if len(own) >= self._of_account:
            oldest = _oldest_kept(own)
            if oldest is None:
                raise RATE_LIMITED(
                    f"{len(own)} requests of this account with an {HEADER} are being worked on; "
                    "wait until some are answered.",
                    {"Retry-After": "1"},
                )
            self._drop(oldest)
        if len(self._entries) >= self._of_all:
            oldest = _oldest_kept(self._entries)
            if oldest is None:
                raise UNAVAILABLE(
                    f"The server is working on as many requests with an {HEADER} as it can; "
                    "send this one again in a few seconds.",
                    {"Retry-After": "5"},
                )
            self._drop(oldest)

    def _drop(self, entry: Entry) -> None:
        del self._entries[entry.name]
        account = self._accounts[entry.name[0]]
        del account[entry.name]
        if not account:
            del self._accounts[entry.name[0]]


def _oldest_kept(entries: OrderedDict[Name, Entry]) -> Entry | None:
    return next((entry for entry in entries.values() if entry.kept is not None), None)


def _check(entry: Entry, fingerprint: bytes) -> None:
    if entry.fingerprint != fingerprint:
        raise IDEMPOTENCY_KEY_REUSED(
            f"The {HEADER} was used for another request: choose a new one, or repeat that request as it was."
        )
    if entry.kept is None:
        raise REQUEST_IN_PROGRESS(
            f"A request with this {HEADER} is being worked on; send it again for its answer.",
            {"Retry-After": "1"},
        )


def fingerprint_of(method: str, path: str, body: str) -> bytes:
    """Return what tells a request from another one. `body` is the JSON of its model, so that the order of
    members and what is left out make no difference."""
    return hashlib.sha256("\n".join((method, path, body)).encode("utf-8", "surrogatepass")).digest()
