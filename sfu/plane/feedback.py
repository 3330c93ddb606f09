"""The feedback messages that a plane handles itself, taken out of a compound RTCP packet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

TRANSPORT_FEEDBACK = 205
GENERIC_NACK = 1
# Header, SSRC of sender and of media, one item (RFC 4585 section 6.2.1).
_MINIMUM_NACK = 16


@dataclass(frozen=True, slots=True)
class Nack:
    """A generic NACK."""

    ssrc: int
    """Of the media that it is about."""
    lost: tuple[int, ...]
    """Sequence numbers."""


def take_nacks(data: bytes, answers: Callable[[int], bool]) -> tuple[list[Nack], bytes]:
    """The NACKs about SSRCs that `answers` takes, and the rest of the compound packet.

    A packet that is malformed anywhere is left whole: what it says cannot be trusted.
    """
    taken: list[Nack] = []
    rest: list[bytes] = []
    position = 0
    while position < len(data):
        if position + 4 > len(data) or data[position] >> 6 != 2 or not 192 <= data[position + 1] <= 223:
            return [], data
        stop = position + 4 + 4 * int.from_bytes(data[position + 2 : position + 4], "big")
        if stop > len(data):
            return [], data
        end = stop
        if data[position] & 0x20:
            padding = data[stop - 1] if stop > position + 4 else 0
            if stop != len(data) or not padding or padding % 4 or padding > stop - position - 4:
                return [], data
            end -= padding
        kind, fmt = data[position + 1], data[position] & 0x1F
        if (kind, fmt) == (TRANSPORT_FEEDBACK, GENERIC_NACK) and end - position >= _MINIMUM_NACK:
            ssrc = int.from_bytes(data[position + 8 : position + 12], "big")
            if answers(ssrc):
                taken.append(Nack(ssrc, tuple(_numbers(data, position + 12, end))))
                position = stop
                continue
        rest.append(data[position:stop])
        position = stop
    return taken, b"".join(rest)


def _numbers(data: bytes, start: int, end: int) -> list[int]:
    numbers: list[int] = []
    for at in range(start, end, 4):
        first = int.from_bytes(data[at : at + 2], "big")
        mask = int.from_bytes(data[at + 2 : at + 4], "big")
        numbers.append(first)
        numbers += (first + bit + 1 & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return numbers
