"""What one can do with an account: make it, sign in, renew, sign out, list sessions."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.errors import ApiError
from auth.credentials import Credentials, NewAccount
from auth.database import Database
from auth.errors import BUSY, INVALID_CREDENTIALS, REFRESH_TOKEN_INVALID, USERNAME_TAKEN
from auth.models import RefreshToken, User
from auth.passwords import OverloadedError, PasswordHasher
from auth.repositories import RefreshTokens, UsernameTakenError, Users
from auth.tokens import AccessTokens, Identity

REFRESH_TOKEN_BYTES = 32


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user with a fresh pair of tokens."""

    identity: Identity
    access_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Session:
    """A device on which a user is signed in."""

    id: str
    device_id: str | None
    expires_at: datetime
    last_seen: datetime
    current: bool


def hash_token(token: str) -> str:
    """Return the SHA-256 of a refresh token in hex: the token is random, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class AuthService:
    """The accounts' rules, on a database."""

    def __init__(
        self,
        database: Database,
        tokens: AccessTokens,
        passwords: PasswordHasher,
        refresh_ttl: timedelta,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._passwords = passwords
        self.refresh_ttl = refresh_ttl
        self._clock = clock

    async def register(self, credentials: NewAccount, device_id: str) -> SignedIn:
        """Make an account and sign in. Raise ApiError 409 or 503."""
        taken = USERNAME_TAKEN(f'The username "{credentials.username}" is taken; choose another one.')
        async with self._database.transaction() as session:
            if await Users(session).by_username(credentials.username) is not None:
                raise taken
        # Hashing takes a while: no connection is held meanwhile.
        password_hash = await self._hashed(credentials.password)
        now = self._clock()
        async with self._database.transaction() as session:
            try:
                user = await Users(session).add(credentials.username, password_hash, now)
            except UsernameTakenError:
                raise taken from None
            refresh_token = self._new_refresh_token()
            await self._put(RefreshTokens(session), user.id, device_id, refresh_token, now)
        return self._signed_in(user, refresh_token)

    async def login(self, credentials: Credentials, device_id: str) -> SignedIn:
        """Sign in on a device. Raise ApiError 401 or 503; it does not tell whether the user exists."""
        refused = INVALID_CREDENTIALS("The username or the password is wrong.")
        if not credentials.could_exist():
            raise refused
        async with self._database.transaction() as session:
            user = await Users(session).by_username(credentials.username)
        if not await self._verified(credentials.password, user) or user is None:
            raise refused
        now = self._clock()
        refresh_token = self._new_refresh_token()
        async with self._database.transaction() as session:
            rows = RefreshTokens(session)
            await rows.forget_dead(user.id, now)
            await self._put(rows, user.id, device_id, refresh_token, now)
        return self._signed_in(user, refresh_token)

    async def refresh(self, refresh_token: str | None) -> SignedIn:
        """Exchange a refresh token for a new pair. Raise ApiError 401."""
        refused = REFRESH_TOKEN_INVALID("The session has ended; sign in again.")
        if not refresh_token:
            raise refused
        now = self._clock()
        old_hash, new_token = hash_token(refresh_token), self._new_refresh_token()
        async with self._database.transaction() as session:
            rows = RefreshTokens(session)
            row = await rows.live(old_hash, now)
            user = None if row is None else await Users(session).by_id(row.user_id)
            if user is None or not await rows.rotate(
                old_hash, hash_token(new_token), now + self.refresh_ttl, now
            ):
                raise refused
        return self._signed_in(user, new_token)

    async def logout(self, refresh_token: str | None) -> None:
        """End the session of this token, if there is one."""
        if refresh_token:
            async with self._database.transaction() as session:
                await RefreshTokens(session).revoke(hash_token(refresh_token), self._clock())

    async def sessions(
        self, identity: Identity, device_id: str | None, refresh_token: str | None
    ) -> list[Session]:
        """Return the live sessions. The current one is that of the refresh token, else that of the device."""
        async with self._database.transaction() as session:
            rows = await RefreshTokens(session).of_user(identity.user_id, self._clock())
        token_hash = hash_token(refresh_token) if refresh_token else None
        by_token = any(row.token_hash == token_hash for row in rows)

        def is_current(row: RefreshToken) -> bool:
            if by_token:
                return row.token_hash == token_hash
            return device_id is not None and row.device_id == device_id

        return [Session(str(r.id), r.device_id, r.expires_at, r.updated_at, is_current(r)) for r in rows]

    async def _hashed(self, password: str) -> bytes:
        try:
            return await self._passwords.hash(password)
        except OverloadedError:
            raise _busy() from None

    async def _verified(self, password: str, user: User | None) -> bool:
        try:
            return await self._passwords.verify(password, None if user is None else user.password_hash)
        except OverloadedError:
            raise _busy() from None

    async def _put(
        self, rows: RefreshTokens, user_id: int, device_id: str, token: str, now: datetime
    ) -> None:
        await rows.put(user_id, device_id, hash_token(token), now + self.refresh_ttl, now)

    def _new_refresh_token(self) -> str:
        return secrets.token_urlsafe(REFRESH_TOKEN_BYTES)

    def _signed_in(self, user: User, refresh_token: str) -> SignedIn:
        identity = Identity(user.id, user.username)
        return SignedIn(identity, self._tokens.issue(identity), refresh_token)


def _busy() -> ApiError:
    return BUSY(
        "Too many people are signing in at this moment; try again in a few seconds.",
        {"Retry-After": "5"},
    )
