"""When a request is sent again, and after how long: pure decisions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# The request was refused before anything of it was done (RFC 6585 section 4).
TOO_MANY_REQUESTS = 429
# The same request is being worked on, where the answer says when to ask again.
CONFLICT = 409
# Of the server or of a proxy before it: what became of the request is not known.
UNAVAILABLE = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Attempt:
    """How sending a request ended, as far as it is to be sent again."""

    number: int
    """1 for the first."""
    status: int | None
    """The HTTP status; None where no answer came."""
    retry_after: float | None = None
    """Seconds that the server asked to wait (RFC 9110 section 10.2.3)."""
    sent: bool = True
    """False where there was no connection, so that nothing can have been done."""
    lost: bool = False
    """Whether an answer before this one got lost, so that it may have been done already."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a client is.

    A request that may be repeated is, after failures that pass; any other only when it was not done for
    certain.
    """

    attempts: int = 4
    """The first one included; 1 for no retries."""
    first_wait: float = 0.25
    """Seconds, doubled each time, less up to a half at random."""
    longest_wait: float = 8.0
    """Seconds, where the server does not say how long."""
    longest_retry_after: float = 60.0
    """Seconds; a server that wants more is not waited for: the refusal is raised."""

    def wait(self, attempt: Attempt, *, repeatable: bool, chance: float) -> float | None:
        """Return the seconds after which to send again, None for never.

        `chance` is a random number of 0 to 1, so that many clients do not come back at once.
        """
        if attempt.number >= self.attempts or not _may_pass(attempt, repeatable):
            return None
        if attempt.retry_after is not None:
            if attempt.retry_after > self.longest_retry_after:
                return None
            return attempt.retry_after + chance * self.first_wait
        doubled = self.first_wait * 2.0 ** (attempt.number - 1)
        return min(doubled, self.longest_wait) * (1 - chance / 2)


def _may_pass(attempt: Attempt, repeatable: bool) -> bool:
    if attempt.status is None:
        return repeatable or not attempt.sent
    if attempt.status == TOO_MANY_REQUESTS:
        return True
    if attempt.status == CONFLICT:
        return repeatable and attempt.retry_after is not None
    return repeatable and attempt.status in UNAVAILABLE


def retry_after(text: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, at the (aware) time `now`.

    It is a number of seconds or a date (RFC 9110 section 10.2.3); None for none, or for anything else.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
