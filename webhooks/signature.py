"""Signatures of Standard Webhooks 1.0 (standardwebhooks.com), symmetric scheme: HMAC-SHA256."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with

# The standard's bounds.
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64


def parse_secret(text: str) -> bytes:
    """Return the key in `whsec_<base64>`. Raises ValueError, which does not show it."""
    if not text.startswith(SECRET_PREFIX):
        raise ValueError(f"the secret does not begin with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {SECRET_PREFIX} is not base64") from None
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError(f"the secret has {len(key)} bytes, not {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES}")
    return key


def sign(key: bytes, message_id: str, timestamp: int, body: str) -> str:
    """Return `v1,<base64>`. `timestamp` is seconds since 1970, of this attempt."""
    content = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def signed_headers(keys: Iterable[bytes], message_id: str, timestamp: int, body: str) -> dict[str, str]:
    """Return the headers of one attempt: with several keys (one takes the place of another) any will do."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(key, message_id, timestamp, body) for key in keys),
    }
