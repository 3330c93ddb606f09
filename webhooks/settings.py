"""What webhooks need to know."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from yarl import URL


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages are sent."""

    url: str

    @property
    def key(self) -> str:
        """Names it in the database, which need not know what secrets the URL holds."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    @property
    def origin(self) -> str:
        """What of the URL may be shown: scheme, host and port."""
        return str(URL(self.url).origin())


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Times are in seconds."""

    endpoints: tuple[Endpoint, ...] = ()
    keys: tuple[bytes, ...] = ()
    """Each message is signed with each of them."""
    timeout: float = 10.0
    """Of one attempt."""
    max_attempts: int = 20
    max_age: float = 86_400.0
    """Of a message that was not delivered."""
    max_pending: int = 10_000
    """Messages that wait for one endpoint; the oldest give way."""

    @property
    def lease(self) -> float:
        """How long an attempt keeps other attempts away, also those of a server that comes after this one."""
        return self.timeout + LEASE_MARGIN


# Seconds that the database may take before and after an attempt without a second one being made.
LEASE_MARGIN = 5.0
