"""Quality: how well a participant's call goes, as everybody is told. It is judged elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CauseCode = Literal[
    "downlink_loss",
    "uplink_loss",
    "uplink_jitter",
    "round_trip",
    "nothing_sent",
    "frozen",
    "publisher_silent",
    "publisher_loss",
]
"""What is wrong: on the participant's own way (the first five), or with what it receives."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What makes a call worse than it could be."""

    code: CauseCode
    text: str
    """A sentence to the participant, without its end."""
    track_id: str | None = None
    """The track it is about, where it is about one."""

    def to_json(self) -> dict[str, object]:
        """As it is sent."""
        return {"code": self.code, "text": self.text, "trackId": self.track_id}


@dataclass(frozen=True, slots=True)
class CallQuality:
    """A participant's call over the last seconds."""

    score: int
    """0 (nothing arrives) to 100 (nothing is wrong)."""
    grade: str
    """good, fair, poor or bad: the score in a word."""
    cause: Cause | None = None
    """The main one; None where nothing is wrong."""
