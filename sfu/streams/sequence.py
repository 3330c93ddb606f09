"""Arithmetic on 16-bit sequence numbers and 32-bit timestamps that wrap."""

from __future__ import annotations

WINDOW = 1024
"""Packets that can be behind the newest and still new: the replay window of the receiving SRTP session."""
SEND_WINDOW = 512
"""How far behind the newest sent a packet can still be protected, in packets: a second of video at 4 Mbit/s,
so that what was repaired on its way in goes out in its place."""
MAX_DROPOUT = 3000
"""A gap of this many sequence numbers is no loss but a restart (RFC 3550 appendix A.1)."""


def signed16(difference: int) -> int:
    """A difference of sequence numbers as the shortest way around: -32768 to 32767."""
    return (difference + 0x8000 & 0xFFFF) - 0x8000


def signed32(difference: int) -> int:
    """A difference of timestamps as the shortest way around: -2^31 to 2^31 - 1."""
    return (difference + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def signed64(difference: int) -> int:
    """A difference of NTP timestamps as the shortest way around: -2^63 to 2^63 - 1."""
    return (difference + (1 << 63) & (1 << 64) - 1) - (1 << 63)
