"""What a process has used: CPU time, by thread too, and memory. Linux."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
# CPUCLOCK_SCHED of a process (clock_getcpuclockid(3)): nanoseconds, user and system, of all its threads.
_SCHED = 2


def process_seconds(pid: int) -> float:
    """CPU seconds of all threads of a process since it began, ended threads included."""
    return time.clock_gettime(~pid << 3 | _SCHED)


def thread_seconds(pid: int) -> Mapping[int, float]:
    """CPU seconds by thread id; the main thread's is the process id."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
        except (FileNotFoundError, ProcessLookupError):
            continue  # It has ended meanwhile.
    return found


def resident_bytes(pid: int) -> int:
    """Memory that a process has in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def slope(points: list[tuple[float, float]]) -> float:
    """Of the straight line through (x, y) with the least squares; 0.0 for fewer than two x."""
    if not points:
        return 0.0
    x = sum(point[0] for point in points) / len(points)
    y = sum(point[1] for point in points) / len(points)
    spread = sum((point[0] - x) ** 2 for point in points)
    return sum((point[0] - x) * (point[1] - y) for point in points) / spread if spread else 0.0
