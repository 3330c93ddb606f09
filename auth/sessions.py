"""Sessions: signed-in devices, their tokens, and their ends."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from auth.database import COMMAND_TIMEOUT, Database
from auth.database_faults import DatabaseFullError
from auth.device import Device, device_name
from auth.errors import REFRESH_TOKEN_INVALID, REFRESH_TOKEN_REUSED, SESSION_NOT_FOUND
from auth.models import RefreshToken, User
from auth.refresh_tokens import hash_token, new_key, new_token, successor
from auth.repositories import RefreshTokens, Users
from auth.tokens import AccessTokens, Identity, TokenError

# A token that has just been exchanged is taken once more for this long: two tabs may refresh at once, and an
# answer may get lost. It gives the same successor, so a thief gains nothing by it: the next use tells.
REFRESH_GRACE = timedelta(seconds=30)

# How exactly it is known when a session was last seen; each note is a write.
SEEN_STEP = timedelta(minutes=5)

LOG = logging.getLogger(__name__)


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
    device: str | None
    """What people call it."""
    address: str | None
    created_at: datetime | None
    expires_at: datetime
    last_seen: datetime
    current: bool


class Sessions:
    """The rules of sessions, on a database."""

    def __init__(
        self,
        database: Database,
        tokens: AccessTokens,
        refresh_ttl: timedelta,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self.refresh_ttl = refresh_ttl
        self._clock = clock

    async def open(self, session: AsyncSession, user: User, device: Device) -> SignedIn:
        """Sign a user in on a device, within a transaction; what the device had before ends."""
        now = self._clock()
        token = new_token()
        session_id = await RefreshTokens(session).put(user.id, device, token, now + self.refresh_ttl, now)
        return self._signed_in(user, session_id, token)

    async def refresh(self, token: str | None, address: str | None = None) -> SignedIn:
        """Exchange a refresh token for a new pair. Raise ApiError 401.

        One that has been used before ends its session: somebody has a copy, and nobody knows who.
        """
        refused = REFRESH_TOKEN_INVALID("The session has ended; sign in again.")
        if not token:
            raise refused
        now = self._clock()
        async with self._database.transaction() as session:
            rows = RefreshTokens(session)
            row = await rows.by_token(token)
            if row is None or row.revoked or row.expires_at <= now:
                raise refused
            user = await Users(session).by_id(row.user_id)
            if user is None:
                raise refused
            if row.token_hash == hash_token(token):
                key = new_key()
                renewed = successor(token, key)
                if await rows.rotate(row, renewed, key, now + self.refresh_ttl, now):
                    return self._signed_in(user, row.id, renewed)
                # Another request with the same token was faster.
                row = await rows.by_token(token)
                if row is None or row.revoked:
                    raise refused
            if _is_in_grace(row, token, now) and row.successor_key is not None:
                return self._signed_in(user, row.id, successor(token, row.successor_key))
            await rows.revoke(row.id, row.user_id)
            user_id, session_id, device_id = row.user_id, str(row.id), row.device_id
        LOG.warning(
            "A refresh token was used twice: its session is ended",
            extra={"user_id": user_id, "session": session_id, "device": device_id, "address": address},
        )
        raise REFRESH_TOKEN_REUSED(
            "The session was ended because its token was used twice; sign in again, and change your password "
            "if somebody else may have had it."
        )

    async def close(self, token: str | None) -> None:
        """End the session of this refresh token, if there is one."""
        if token:
            async with self._database.transaction() as session:
                rows = RefreshTokens(session)
                row = await rows.by_token(token)
                if row is not None:
                    await rows.revoke(row.id, row.user_id)

    async def end(self, identity: Identity, session_id: uuid.UUID) -> None:
        """End one session of the account. Raise ApiError 404."""
        async with self._database.transaction() as session:
            if not await RefreshTokens(session).revoke(session_id, identity.user_id):
                raise SESSION_NOT_FOUND("The account has no such session: it may have ended already.")

    async def end_all(self, identity: Identity, *, keep_current: bool) -> None:
        """End the sessions of the account, also the one that asks unless it is kept."""
        async with self._database.transaction() as session:
            await RefreshTokens(session).revoke_all(
                identity.user_id, but=session_of(identity) if keep_current else None
            )

    async def check(self, identity: Identity, address: str | None = None) -> None:
        """Raise TokenError unless the session that an access token was issued to goes on."""
        now, session_id = self._clock(), session_of(identity)
        ended = TokenError("token_invalid", "The session has ended; sign in again.")
        async with self._database.transaction() as session:
            if session_id is None:
                user = await Users(session).by_id(identity.user_id)
                if user is None or identity.issued_at < math.floor(user.updated_at.timestamp()):
                    raise ended
                return
            rows = RefreshTokens(session)
            row = await rows.live(session_id, now)
            if row is None or row.user_id != identity.user_id:
                raise ended
            unseen = now - row.updated_at >= SEEN_STEP
        if unseen:
            await self._note_seen(session_id, address or row.address, now)

    async def _note_seen(self, session_id: uuid.UUID, address: str | None, now: datetime) -> None:
        try:
            async with self._database.transaction() as session:
                await RefreshTokens(session).seen(session_id, address, now)
        except DatabaseFullError as exc:
            # What can be read can be read still.
            LOG.debug("A session's use cannot be noted", extra={"reason": str(exc)})

    async def of(self, identity: Identity, device_id: str | None, token: str | None) -> list[Session]:
        """Return the live sessions, the last used first.

        The current one is that of the access token, else that of the refresh token, else that of the device.
        """
        async with self._database.transaction() as session:
            rows = await RefreshTokens(session).of_user(identity.user_id, self._clock())
        current = _current(rows, session_of(identity), device_id, token)
        return [
            Session(
                id=str(row.id),
                device_id=row.device_id,
                device=device_name(row.user_agent),
                address=row.address,
                created_at=row.created_at,
                expires_at=row.expires_at,
                last_seen=row.updated_at,
                current=row is current,
            )
            for row in rows
        ]

    async def forget_dead(self) -> int:
        """Delete what has ended or expired; return how many sessions that were."""
        async with self._database.transaction(COMMAND_TIMEOUT) as session:
            return await RefreshTokens(session).forget_dead(self._clock())

    def _signed_in(self, user: User, session_id: uuid.UUID, token: str) -> SignedIn:
        identity = Identity(user.id, user.username, str(session_id))
        return SignedIn(identity, self._tokens.issue(identity), token)


def session_of(identity: Identity) -> uuid.UUID | None:
    """Return the session that an access token names."""
    try:
        return None if identity.session_id is None else uuid.UUID(identity.session_id)
    except ValueError:
        # Signed by us, and yet of nobody.
        return uuid.UUID(int=0)


def _is_in_grace(row: RefreshToken, token: str, now: datetime) -> bool:
    return (
        row.previous_hash == hash_token(token)
        and row.rotated_at is not None
        and now - row.rotated_at < REFRESH_GRACE
    )


def _current(
    rows: list[RefreshToken], session_id: uuid.UUID | None, device_id: str | None, token: str | None
) -> RefreshToken | None:
    token_hash = hash_token(token) if token else None
    tests: tuple[Callable[[RefreshToken], bool], ...] = (
        lambda row: session_id is not None and row.id == session_id,
        lambda row: token_hash is not None and row.token_hash == token_hash,
        lambda row: device_id is not None and row.device_id == device_id,
    )
    for is_it in tests:
        found = next((row for row in rows if is_it(row)), None)
        if found is not None:
            return found
    return None
