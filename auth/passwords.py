"""Password hashing with bcrypt, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from passlib.hash import bcrypt_sha256

T = TypeVar("T")

DEFAULT_ROUNDS = 12


class OverloadedError(Exception):
    """More hashing is waiting than the bound allows."""


class PasswordHasher:
    """Hashes and verifies passwords in threads of its own.

    bcrypt alone ignores what follows the 72nd byte, so the password goes through HMAC-SHA-256 first
    (`bcrypt_sha256`). At most `max_pending` calls wait or run at a time; more raise OverloadedError.
    """

    def __init__(self, rounds: int = DEFAULT_ROUNDS, workers: int = 2, max_pending: int = 64) -> None:
        """`rounds` is the base-2 logarithm of bcrypt's iterations, 4 to 31."""
        self._bcrypt = bcrypt_sha256.using(rounds=rounds)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._max_pending = max_pending
        self._pending = 0
        # Well-formed, of the same cost, and of no password.
        self._nobody = f"$bcrypt-sha256$v=2,t=2b,r={rounds}${'a' * 21}e${'a' * 30}e"

    async def hash(self, password: str) -> bytes:
        """Return the salted hash of `password`. Raise OverloadedError."""
        text: str = await self._run(lambda: self._bcrypt.hash(password))
        return text.encode()

    async def verify(self, password: str, password_hash: bytes | None) -> bool:
        """Whether `password_hash` is of `password`; None (no such user) costs the same."""
        expected = self._nobody if password_hash is None else password_hash.decode()
        matches: bool = await self._run(lambda: self._bcrypt.verify(password, expected))
        return matches and password_hash is not None

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
