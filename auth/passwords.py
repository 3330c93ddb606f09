"""Password hashing with bcrypt, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from passlib.hash import bcrypt, bcrypt_sha256

T = TypeVar("T")

DEFAULT_ROUNDS = 12

# What bcrypt takes into account of a password.
BCRYPT_BYTES = 72

# Threads that hash give way to those that answer and that move media.
NICENESS = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right."""

    matches: bool
    upgraded: bytes | None = None
    """A better hash of it, to be kept: the old one is of another kind or cost."""


class OverloadedError(Exception):
    """More hashing is waiting than the bound allows."""


class PasswordHasher:
    """Hashes and verifies passwords in threads of its own.

    bcrypt alone ignores what follows the 72nd byte, so the password goes through HMAC-SHA-256 first
    (`bcrypt_sha256`). Plain bcrypt hashes, as of the first Chatter, are verified too, and upgraded. At most
    `max_pending` calls wait or run at a time; more raise OverloadedError.
    """

    def __init__(self, rounds: int = DEFAULT_ROUNDS, workers: int = 2, max_pending: int = 64) -> None:
        """`rounds` is the base-2 logarithm of bcrypt's iterations, 4 to 31."""
        self._bcrypt = bcrypt_sha256.using(rounds=rounds)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="password", initializer=_give_way)
        self._max_pending = max_pending
        self._pending = 0
        # Well-formed, of the same cost, and of no password.
        self._nobody = f"$bcrypt-sha256$v=2,t=2b,r={rounds}${'a' * 21}e${'a' * 30}e"

    async def hash(self, password: str) -> bytes:
        """Return the salted hash of `password`. Raise OverloadedError."""
        text: str = await self._run(lambda: self._bcrypt.hash(password))
        return text.encode()

    async def verify(self, password: str, password_hash: bytes | None) -> Verdict:
        """Whether `password_hash` is of `password`; None (no such user) costs the same.

        Raise OverloadedError.
        """
        return await self._run(lambda: self._verify(password, password_hash))

    def _verify(self, password: str, password_hash: bytes | None) -> Verdict:
        known = None if password_hash is None else password_hash.decode("ascii", "replace")
        is_plain = known is not None and bcrypt.identify(known)
        if is_plain and len(password.encode()) > BCRYPT_BYTES:
            # Plain bcrypt never hashed so much: it cannot be right.
            known, is_plain = None, False
        if known is None or not (is_plain or self._bcrypt.identify(known)):
            self._bcrypt.verify(password, self._nobody)
            return Verdict(False)
        matches: bool = (bcrypt if is_plain else self._bcrypt).verify(password, known)
        if not matches:
            return Verdict(False)
        is_old = is_plain or self._bcrypt.needs_update(known)
        return Verdict(True, self._bcrypt.hash(password).encode() if is_old else None)

    def close(self) -> None:
        """Let no more work start."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._pending >= self._max_pending:
            raise OverloadedError
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._pending -= 1


def _give_way() -> None:
    # On Linux a thread has a niceness of its own.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
