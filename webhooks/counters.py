"""What has become of messages since the start."""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

DropReason = Literal["queue_full", "unwritten", "outbox_full", "too_old", "attempts", "gone"]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)


class Counters:
    """Endpoints are named by their origin."""

    def __init__(self) -> None:
        self.delivered: Counter[str] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        """Attempts, by origin and reason."""
        self.dropped: Counter[DropReason] = Counter()
        """Messages that an endpoint will not get; before they are in the outbox, no endpoint."""
