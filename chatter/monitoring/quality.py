"""How well a track arrives, and why it does not: one number and one cause, by fixed limits.

The limits follow what is felt: packet loss of some percent is repaired unseen, above 5 % pictures break; a
round trip above 300 ms makes people talk over each other (ITU-T G.114 calls 400 ms one way the limit).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Grade = Literal["good", "fair", "poor", "bad"]

# From this trouble on a grade is that one.
FAIR, POOR, BAD = 0.25, 0.5, 0.9

# What begins to be felt, and what is too much.
LOSS = (0.02, 0.10)
ROUND_TRIP = (0.3, 0.8)
JITTER = (0.03, 0.15)
# A track that is not muted sends something all the time, if only comfort noise.
SILENCE = (2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Quality:
    """Trouble from 0 (none) to 1 (nothing arrives), and its main cause; the cause is empty where there is
    none."""

    trouble: float
    cause: str = ""

    @property
    def grade(self) -> Grade:
        """The trouble in a word."""
        if self.trouble >= BAD:
            return "bad"
        if self.trouble >= POOR:
            return "poor"
        return "fair" if self.trouble >= FAIR else "good"


GOOD = Quality(0.0)


def worst(qualities: Iterable[Quality]) -> Quality:
    """Return the one with the most trouble, GOOD of none."""
    return max(qualities, key=lambda quality: quality.trouble, default=GOOD)


def track_quality(*, muted: bool, silence: float, loss: float, jitter: float) -> Quality:
    """Judge what comes from a publisher. `silence` and `jitter` in seconds, `loss` 0 to 1."""
    if muted:
        return GOOD
    return worst(
        (
            judge(silence, SILENCE, "the publisher sends nothing"),
            judge(loss, LOSS, "packets are lost on the way from the publisher"),
            judge(jitter, JITTER, "packets come unevenly from the publisher", most=POOR),
        )
    )


def subscription_quality(
    *,
    paused: bool,
    frozen: bool,
    awaiting_keyframe: bool,
    loss: float,
    round_trip_time: float | None,
    track: Quality,
) -> Quality:
    """Judge what goes to a subscriber. `track` is what the server itself gets: it is passed on."""
    if paused:
        return GOOD
    if frozen and track.trouble < BAD:
        cause = "it waits for a keyframe" if awaiting_keyframe else "nothing is sent to the subscriber"
        return Quality(1.0, cause)
    return worst(
        (
            track,
            judge(loss, LOSS, "packets are lost on the way to the subscriber"),
            transport_quality("connected", round_trip_time),
        )
    )


def transport_quality(state: str, round_trip_time: float | None) -> Quality:
    """Judge a connection by its state and its round trip in seconds."""
    if state != "connected":
        return Quality(1.0, f"the connection is {state}")
    return judge(round_trip_time or 0.0, ROUND_TRIP, "the way is long", most=POOR)


def judge(value: float, limits: tuple[float, float], cause: str, most: float = 1.0) -> Quality:
    """Return FAIR at the first limit, `most` from the second one on, in a line between them."""
    begin, full = limits
    if value < begin:
        return GOOD
    part = min((value - begin) / (full - begin), 1.0)
    return Quality(FAIR + part * (most - FAIR), cause)
