"""Access tokens: JSON Web Tokens signed with HMAC-SHA-256 (RFC 7519, RFC 7518 section 3.2)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

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
    session_id: str | None = None
    """The session that it was issued to; None in a token from before sessions were named."""
    issued_at: int = field(default=0, compare=False)
    """Seconds since 1970."""


class TokenError(Exception):
    """A token that proves nothing. `code` says whether it is expired or invalid; the text is a sentence."""

    def __init__(self, code: TokenErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: TokenErrorCode = code


def key_id(secret: str) -> str:
    """Return the name of a signing key, which goes into tokens (RFC 7515 section 4.1.4)."""
    return hashlib.sha256(b"chatter key id\0" + secret.encode()).hexdigest()[:16]


class AccessTokens:
    """Issues and verifies the short-lived tokens that authorize requests."""

    def __init__(
        self,
        secret: str,
        ttl_seconds: float,
        clock: Callable[[], float] = time.time,
        previous: Sequence[str] = (),
    ) -> None:
        """`secret` signs; tokens signed with one of `previous` are good too.

        `clock` gives seconds since 1970. Raise ValueError if a secret has fewer than 32 bytes.
        """
        if any(len(each.encode()) < MIN_SECRET_BYTES for each in (secret, *previous)):
            raise ValueError(f"the signing secret must have at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self._keys = {key_id(each): each for each in (secret, *previous)}
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
        if identity.session_id is not None:
            claims["sid"] = identity.session_id
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM, headers={"kid": key_id(self._secret)})

    def verify(self, token: str) -> Identity:
        """Return whom `token` was issued to. Raise TokenError if it is expired or not one of ours."""
        try:
            claims = self._claims(token)
            user_id = int(claims["sub"])
            expires_at = float(claims["exp"])
            issued_at = int(claims["iat"])
            username, session_id = claims["username"], claims.get("sid")
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError) as exc:
            raise TokenError("token_invalid", "The access token is not valid; sign in again.") from exc
        if not isinstance(username, str) or not isinstance(session_id, str | None):
            raise TokenError("token_invalid", "The access token is not valid; sign in again.")
        if self._clock() >= expires_at:
            raise TokenError("token_expired", "The access token has expired; refresh it or sign in again.")
        return Identity(user_id, username, session_id, issued_at)

    def _claims(self, token: str) -> dict[str, Any]:
        kid = jwt.get_unverified_header(token).get("kid")
        if kid is None:
            # From before keys had names.
            keys = list(self._keys.values())
        elif kid in self._keys:
            keys = [self._keys[kid]]
        else:
            raise jwt.InvalidTokenError("signed with a key that is not known")
        for key in keys[:-1]:
            try:
                return self._decoded(token, key)
            except jwt.InvalidSignatureError:
                continue
        return self._decoded(token, keys[-1])

    def _decoded(self, token: str, key: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            # The times are checked against our own clock.
            options={"require": ["sub", "exp", "iat", "iss"], "verify_exp": False, "verify_iat": False},
        )
