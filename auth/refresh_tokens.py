"""Refresh tokens as texts: `<family>.<part>`, of which the family stays and the part changes at each use.

What is kept is hashes. A token whose family is known and that is neither the current one nor the one just
before it was used before: somebody has a copy (RFC 9700 section 4.14.2).

The successor of a token is computed from it and a random key that is kept with the session. So a client that
asks twice with one token (two tabs at once, or an answer that got lost) gets the same successor twice, and
the key alone, from a stolen database, makes no token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

RANDOM_BYTES = 32


def new_token() -> str:
    """Return the first token of a new family."""
    return f"{secrets.token_urlsafe(RANDOM_BYTES)}.{secrets.token_urlsafe(RANDOM_BYTES)}"


def new_key() -> bytes:
    """Return a key for `successor`."""
    return secrets.token_bytes(RANDOM_BYTES)


def family_of(token: str) -> str | None:
    """Return the family; None for a token from before there were families."""
    family, dot, _ = token.partition(".")
    return family if dot else None


def successor(token: str, key: bytes) -> str:
    """Return the token that takes the place of `token`, the same for the same key."""
    family = family_of(token) or _derived(key, f"family {token}")
    return f"{family}.{_derived(key, token)}"


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token or family in hex: they are random, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _derived(key: bytes, text: str) -> str:
    digest = hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
