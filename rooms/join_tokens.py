"""Join tokens: JSON Web Tokens (RFC 7519) by which other programs let somebody into a room, with grants.

They are signed with the keys of the access tokens but name an audience, which access tokens do not have and
refuse (RFC 7519 section 4.1.3); an access token names none, and is refused here.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jwt

from auth.tokens import ALGORITHM, ISSUER, TokenError, key_id
from signaling.grants import GRANT_SOURCES, Grants

AUDIENCE = "chatter:join"


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What a join token says."""

    id: uuid.UUID
    room_id: str
    name: str
    """The display name; empty where its holder chooses."""
    grants: Grants
    expires_at: int
    """Seconds since 1970."""


class JoinTokens:
    """Issues and verifies join tokens."""

    def __init__(
        self, secret: str, previous: Sequence[str] = (), clock: Callable[[], float] = time.time
    ) -> None:
        """`secret` signs; tokens signed with one of `previous` are good too."""
        self._secret = secret
        self._keys = {key_id(each): each for each in (secret, *previous)}
        self._clock = clock

    def issue(self, token: JoinToken) -> str:
        """Return the token, signed."""
        claims = {
            "jti": token.id.hex,
            "room": token.room_id,
            "name": token.name,
            "grants": token.grants.to_json(),
            "iat": int(self._clock()),
            "exp": token.expires_at,
            "iss": ISSUER,
            "aud": AUDIENCE,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM, headers={"kid": key_id(self._secret)})

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether a token claims to be a join token; nothing has been verified then."""
        try:
            claims = jwt.decode(text, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return False
        return claims.get("aud") == AUDIENCE

    def verify(self, text: str) -> JoinToken:
        """Return what a token says. Raise TokenError if it is expired or not one of ours."""
        try:
            key = self._keys[jwt.get_unverified_header(text)["kid"]]
            claims = jwt.decode(
                text,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={
                    "require": ["jti", "exp", "iat", "iss", "aud"],
                    # The times are checked against our own clock.
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            given = claims["grants"]
            grants = Grants(
                frozenset(source for source in GRANT_SOURCES if source in given["publish"]),
                *(given[name] is True for name in ("subscribe", "chat", "data", "moderate", "hidden", "bot")),
            )
            token = JoinToken(
                uuid.UUID(claims["jti"]), claims["room"], claims["name"], grants, int(claims["exp"])
            )
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as exc:
            raise TokenError("token_invalid", "The join token is not valid; ask for a new one.") from exc
        if self._clock() >= token.expires_at:
            raise TokenError("token_expired", "The join token has expired; ask for a new one.")
        return token
