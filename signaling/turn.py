"""Credentials of a TURN server that expire by themselves, made from a secret that is shared with it.

draft-uberti-behave-turn-rest-00, which coturn knows as `use-auth-secret`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TurnServer:
    """A TURN server that trusts whoever shows what was made with `secret`."""

    urls: tuple[str, ...]
    """RFC 7065: turn:host:port?transport=udp and the like."""
    secret: str = field(repr=False)
    ttl: float = 86_400.0
    """Seconds that credentials are good for. A call that lasts longer asks for new ones at its next join."""
    clock: Callable[[], float] = time.time
    """Seconds since the epoch: the TURN server compares them with its own clock."""

    def for_client(self, name: str) -> dict[str, object]:
        """Return the RTCIceServer dictionary (W3C WebRTC 1.0, section 4.2.4) for somebody; `name` is for the
        TURN server's log and may be anything without a colon."""
        username = f"{int(self.clock() + self.ttl)}:{name}"
        # SHA-1 is what the draft says; as an HMAC it is not the weak part.
        digest = hmac.new(self.secret.encode(), username.encode(), hashlib.sha1).digest()
        return {
            "urls": list(self.urls),
            "username": username,
            "credential": base64.b64encode(digest).decode(),
        }
