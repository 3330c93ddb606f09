"""Access tokens: JSON Web Tokens signed with HMAC-SHA-256 (RFC 7519, RFC 7518 section 3.2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jwt

ALGORITHM = "HS256"
ISSUER = "chatter"

# RFC 7518 section 3.2: a key at least as long as the hash output.
MIN_SECRET_BYTES = 32

TokenErrorCode = Literal["token_expired", "token_invalid"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a request speaks for."""

    user_id: int
    username: str


class TokenError(Exception):
    """A token that proves nothing. `code` says whether it is expired or invalid; the text is a sentence."""

    def __init__(self, code: TokenErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: TokenErrorCode = code


class AccessTokens:
    """Issues and verifies the short-lived tokens that authorize requests."""

    def __init__(self, secret: str, ttl_seconds: float, clock: Callable[[], float] = time.time) -> None:
        """Raise ValueError if `secret` has fewer than 32 bytes. `clock` gives seconds since 1970."""
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"the signing secret must have at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self._ttl = ttl_seconds
        self._clock = clock

    def issue(self, identity: Identity) -> str:
        """Return a token for `identity` that expires after the time to live."""
        now = self._clock()
        claims = {
            "sub": str(identity.user_id),
            "username": identity.username,
            "iat": int(now),
            "exp": int(now + self._ttl),
            "iss": ISSUER,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def verify(self, token: str) -> Identity:
        """Return whom `token` was issued to. Raise TokenError if it is expired or not one of ours."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                # The times are checked against our own clock below.
                options={"require": ["sub", "exp", "iat", "iss"], "verify_exp": False, "verify_iat": False},
            )
            user_id = int(claims["sub"])
            expires_at = float(claims["exp"])
            username = claims["username"]
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as exc:
            raise TokenError("token_invalid", "The access token is not valid; sign in again.") from exc
        if not isinstance(username, str):
            raise TokenError("token_invalid", "The access token is not valid; sign in again.")
        if self._clock() >= expires_at:
            raise TokenError("token_expired", "The access token has expired; refresh it or sign in again.")
        return Identity(user_id, username)
