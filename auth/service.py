"""What one can do with an account: make it, sign in, change its password, delete it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from auth.common_passwords import is_common
from auth.credentials import Credentials, NewAccount
from auth.database import Database
from auth.device import Device
from auth.errors import (
    ACCOUNT_NOT_FOUND,
    BUSY,
    INVALID_CREDENTIALS,
    PASSWORD_TOO_COMMON,
    USERNAME_TAKEN,
    WRONG_PASSWORD,
)
from auth.limits import AccountLimits
from auth.models import User
from auth.passwords import OverloadedError, PasswordHasher, Verdict
from auth.refresh_tokens import family_of, hash_token
from auth.repositories import RefreshTokens, UsernameTakenError, Users
from auth.sessions import Sessions, SignedIn, session_of, utc_now
from auth.tokens import Identity

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of somebody."""

    id: int
    username: str
    created_at: datetime


class AuthService:
    """The accounts' rules, on a database."""

    def __init__(
        self, database: Database, sessions: Sessions, passwords: PasswordHasher, limits: AccountLimits
    ) -> None:
        self._database = database
        self.sessions = sessions
        self._passwords = passwords
        self._limits = limits

    async def register(self, new: NewAccount, device: Device) -> SignedIn:
        """Make an account and sign in. Raise ApiError 400, 409, 429 or 503."""
        self._check_new_password(new.password, new.username)
        taken = USERNAME_TAKEN(f'The username "{new.username}" is taken; choose another one.')
        attempt = self._limits.registration(device.address)
        async with self._database.transaction() as session:
            if await Users(session).by_username(new.username) is not None:
                raise taken
        # Hashing takes a while: no connection is held meanwhile.
        try:
            password_hash = await self._hashed(new.password)
        except BaseException:
            attempt.succeeded()
            raise
        async with self._database.transaction() as session:
            try:
                user = await Users(session).add(new.username, password_hash, utc_now())
            except UsernameTakenError:
                raise taken from None
            return await self.sessions.open(session, user, device)

    async def login(self, credentials: Credentials, device: Device) -> SignedIn:
        """Sign in on a device. Raise ApiError 401, 429 or 503; it does not tell whether the user exists."""
        refused = INVALID_CREDENTIALS("The username or the password is wrong.")
        attempt = self._limits.password(credentials.username, device.address)
        if not credentials.could_exist():
            raise refused
        async with self._database.transaction() as session:
            user = await Users(session).by_username(credentials.username)
        verdict = await self._verified(credentials.password, user)
        if not verdict.matches or user is None:
            LOG.info("A sign-in was refused", extra={"address": device.address})
            raise refused
        attempt.succeeded()
        async with self._database.transaction() as session:
            if verdict.upgraded is not None:
                await Users(session).set_password(user.id, verdict.upgraded, None)
            return await self.sessions.open(session, user, device)

    async def refresh(self, token: str | None, address: str | None) -> SignedIn:
        """Exchange a refresh token for a new pair. Raise ApiError 401, 429."""
        if token:
            self._limits.refresh(hash_token(family_of(token) or token), address)
        return await self.sessions.refresh(token, address)

    async def account(self, identity: Identity) -> Account:
        """Return what is known of the account. Raise ApiError 404."""
        user = await self._user(identity)
        return Account(user.id, user.username, user.created_at)

    async def change_password(
        self, identity: Identity, current: str, new: str, address: str | None = None
    ) -> None:
        """Change the password and end all other sessions. Raise ApiError 400, 403, 404, 429 or 503."""
        user = await self._confirmed(identity, current, address)
        self._check_new_password(new, user.username)
        password_hash = await self._hashed(new)
        async with self._database.transaction() as session:
            await Users(session).set_password(user.id, password_hash, utc_now())
            await RefreshTokens(session).revoke_all(user.id, but=session_of(identity))
        LOG.info("A password was changed", extra={"user_id": user.id, "address": address})

    async def delete(self, identity: Identity, password: str, address: str | None = None) -> None:
        """Delete the account with all that belongs to it. Raise ApiError 403, 404, 429 or 503."""
        user = await self._confirmed(identity, password, address)
        async with self._database.transaction() as session:
            await Users(session).delete(user.id)
        LOG.info("An account was deleted", extra={"user_id": user.id, "address": address})

    async def _user(self, identity: Identity) -> User:
        async with self._database.transaction() as session:
            user = await Users(session).by_id(identity.user_id)
        if user is None:
            raise ACCOUNT_NOT_FOUND("The account has been deleted.")
        return user

    async def _confirmed(self, identity: Identity, password: str, address: str | None) -> User:
        """Return the user who has just proved to know the password: a stolen token is not enough."""
        attempt = self._limits.password(identity.username, address)
        user = await self._user(identity)
        if not (await self._verified(password, user)).matches:
            raise WRONG_PASSWORD("The current password is wrong.")
        attempt.succeeded()
        return user

    def _check_new_password(self, password: str, username: str) -> None:
        if is_common(password, username):
            raise PASSWORD_TOO_COMMON(
                "This password is among those that are tried first; choose another one."
            )

    async def _hashed(self, password: str) -> bytes:
        try:
            return await self._passwords.hash(password)
        except OverloadedError:
            raise _busy() from None

    async def _verified(self, password: str, user: User | None) -> Verdict:
        try:
            return await self._passwords.verify(password, None if user is None else user.password_hash)
        except OverloadedError:
            raise _busy() from None


def _busy() -> Exception:
    return BUSY(
        "Too many people are signing in at this moment; try again in a few seconds.", {"Retry-After": "5"}
    )
