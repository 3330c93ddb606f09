"""The machine: open files, socket buffers, the clock."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path

from chatter.doctor.finding import Finding, ok, warning

FILES, BUFFERS, CLOCK = "file limit", "UDP buffers", "clock"

FILES_PER_PARTICIPANT = 1
"""A WebSocket each; media is one port for all."""
SPARE_FILES = 256

WANTED_BUFFER = 4 << 20
"""Bytes that the media port asks for: a burst of many publishers' frames."""

# struct timex of adjtimex(2) is 208 bytes on 64-bit Linux; its first field, modes, is 0 to change nothing.
_TIMEX_BYTES = 256
_TIME_ERROR = 5


def file_limit(soft: int, hard: int, participants: int) -> Finding:
    """Compare the limit of open files with what a full server needs."""
    needed = participants * FILES_PER_PARTICIPANT + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ok(FILES, f"{'Unlimited' if soft == resource.RLIM_INFINITY else soft} open files.")
    return warning(
        FILES,
        f"{soft} open files are allowed; {participants} people at once need {needed}.",
        f"Set LimitNOFILE={max(65536, needed)} in the systemd unit"
        f" (elsewhere ulimit -n; the hard limit is {hard}).",
    )


def buffers(name: str, most: int) -> Finding:
    """Compare the kernel's largest socket buffer (`name` is the sysctl) with what the media port asks for."""
    if most >= WANTED_BUFFER:
        return ok(BUFFERS, f"{name} is {most}.")
    return warning(
        BUFFERS,
        f"{name} is {most}: bursts of a busy server may be lost.",
        f"sysctl -w {name}={WANTED_BUFFER}, and the same in /etc/sysctl.d/ to keep it.",
    )


def synchronised(state: int) -> Finding:
    """Say what adjtimex(2) returned."""
    if state == _TIME_ERROR:
        return warning(
            CLOCK,
            "The kernel says that it is not synchronised.",
            "Run a time service (systemd-timesyncd, chrony): tokens and credentials are compared with it.",
        )
    return ok(CLOCK, "The kernel says that it is synchronised.")


def examine(participants: int) -> list[Finding]:
    """Look at this process's limits and this kernel's settings."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = [file_limit(soft, hard, participants)]
    for name in ("net.core.rmem_max", "net.core.wmem_max"):
        path = Path("/proc/sys") / name.replace(".", "/")
        # A container may hide it.
        if path.exists():
            found.append(buffers(name, int(path.read_text())))
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state >= 0:
        found.append(synchronised(state))
    return found
