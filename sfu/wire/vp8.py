"""The VP8 payload descriptor (RFC 7741 section 4.2)."""

from __future__ import annotations

_EXTENDED = 0x80
_START_OF_PARTITION = 0x10
_PARTITION_INDEX = 0x07
_PICTURE_ID = 0x80
_TL0PICIDX = 0x40
_TID_OR_KEYIDX = 0x30
_LONG_PICTURE_ID = 0x80
# Bit P of the payload header, inverse of "key frame" (RFC 7741 section 4.3).
_INTERFRAME = 0x01


def descriptor_size(packet: bytes, start: int, end: int) -> int | None:
    """Number of bytes of the descriptor at `start`; None if it reaches past `end`."""
    position = start
    if position >= end:
        return None
    first = packet[position]
    position += 1
    if first & _EXTENDED:
        if position >= end:
            return None
        fields = packet[position]
        position += 1
        if fields & _PICTURE_ID:
            if position >= end:
                return None
            position += 2 if packet[position] & _LONG_PICTURE_ID else 1
        if fields & _TL0PICIDX:
            position += 1
        if fields & _TID_OR_KEYIDX:
            position += 1
    return position - start if position <= end else None


def begins_keyframe(packet: bytes, start: int, end: int) -> bool:
    """Whether the payload at `start` to `end` is the first packet of a keyframe."""
    if start >= end or not packet[start] & _START_OF_PARTITION or packet[start] & _PARTITION_INDEX:
        return False
    size = descriptor_size(packet, start, end)
    return size is not None and start + size < end and not packet[start + size] & _INTERFRAME
