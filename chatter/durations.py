"""Durations as Go writes them: 24h, 1h30m, 90s, 250ms."""

from __future__ import annotations

import re
from datetime import timedelta

SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` says. Raise ValueError if it is none or too long to count."""
    position, seconds = 0, 0.0
    while match := PART.match(text, position):
        seconds += float(match[1]) * SECONDS[match[2]]
        position = match.end()
    if position == 0 or position != len(text):
        raise ValueError(f"{text!r} is not a duration such as 24h, 1h30m or 90s")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None
