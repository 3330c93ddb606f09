"""The node over the last minutes: one point per look at the calls."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from resource import getpagesize

from chatter.admin.views import Point
from chatter.monitoring.sampling import all_subscriptions
from chatter.monitoring.snapshot import Snapshot

# Ten minutes at a look every two seconds.
KEPT = 300

STATM = Path("/proc/self/statm")


class History:
    """Keeps the last points."""

    def __init__(
        self,
        packets_sent: Callable[[], int],
        loop_lag: Callable[[], float],
        *,
        wall_clock: Callable[[], float] = time.time,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        """`packets_sent` is a total, `loop_lag` seconds; `cpu_clock` counts the seconds of all threads."""
        self.points: deque[Point] = deque(maxlen=KEPT)
        self._packets_sent = packets_sent
        self._loop_lag = loop_lag
        self._wall_clock = wall_clock
        self._cpu_clock = cpu_clock
        self._before: tuple[float, float, int] | None = None

    def add(self, snapshot: Snapshot) -> Point:
        """Add the point of a look."""
        cpu, packets = self._cpu_clock(), self._packets_sent()
        at, cpu_before, packets_before = self._before or (snapshot.at, cpu, packets)
        self._before = (snapshot.at, cpu, packets)
        elapsed = snapshot.at - at
        subscriptions = all_subscriptions(snapshot.rooms)
        occupied = [room for room in snapshot.rooms if room.participants]
        point = Point(
            at=round(self._wall_clock(), 3),
            rooms=len(occupied),
            participants=sum(len(room.participants) for room in occupied),
            subscriptions=len(subscriptions),
            troubled=sum(line.quality.grade in ("poor", "bad") for line in subscriptions),
            bitrate_received=sum(room.bitrate_received for room in snapshot.rooms),
            bitrate_sent=sum(room.bitrate_sent for room in snapshot.rooms),
            packets_sent=max(packets - packets_before, 0) / elapsed if elapsed else 0.0,
            cpu=round((cpu - cpu_before) / elapsed, 4) if elapsed else 0.0,
            memory=resident_bytes(),
            loop_lag=self._loop_lag(),
        )
        self.points.append(point)
        return point


def resident_bytes() -> int:
    """Return the memory of this process, 0 where the system does not tell."""
    try:
        return int(STATM.read_text().split()[1]) * getpagesize()
    except (OSError, ValueError, IndexError):
        return 0
