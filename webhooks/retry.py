"""When a message is sent again. No IO."""

from __future__ import annotations

# Seconds after the first failure, doubled with each further one up to the longest.
FIRST = 1.0
LONGEST = 900.0

# How many doublings there are at the most before the longest is reached: keeps the power small.
_DOUBLINGS = 16


def retry_delay(attempts: int, chance: float, asked: float | None = None) -> float:
    """Return the seconds until the next attempt.

    `attempts` is how many there were (1 or more), `chance` a random number from 0 to 1 by which servers
    that failed together come back apart. `asked` is what the receiver wants (Retry-After, seconds): it is
    the least, up to the longest.
    """
    whole = min(LONGEST, FIRST * 2.0 ** min(attempts - 1, _DOUBLINGS))
    delay = whole * (0.5 + 0.5 * chance)
    return max(delay, min(asked, LONGEST)) if asked is not None else delay


def parse_retry_after(text: str | None) -> float | None:
    """Return the seconds in a Retry-After header (RFC 9110, section 10.2.3); None for all but digits."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 9:
        return None
    return float(text)
