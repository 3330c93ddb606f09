"""The VP9 payload descriptor (RFC 9628 section 4.2)."""

from __future__ import annotations

_PICTURE_ID = 0x80
_INTER_PICTURE_PREDICTED = 0x40
_LAYERS = 0x20
_BEGINS_FRAME = 0x08
_LONG_PICTURE_ID = 0x80
# The byte of layer indices: TID (3 bits), U, SID (3 bits), D.
_SPATIAL_SHIFT = 1
_SPATIAL_MASK = 0x07


def spatial_layer(packet: bytes, start: int, end: int) -> int | None:
    """The spatial layer id of the payload at `start`; 0 where it carries none, None if it is cut short."""
    if start >= end:
        return None
    first = packet[start]
    position = start + 1
    if not first & _LAYERS:
        return 0
    if first & _PICTURE_ID:
        if position >= end:
            return None
        position += 2 if packet[position] & _LONG_PICTURE_ID else 1
    if position >= end:
        return None
    return packet[position] >> _SPATIAL_SHIFT & _SPATIAL_MASK


def begins_keyframe(packet: bytes, start: int, end: int) -> bool:
    """Whether the payload at `start` to `end` is the first packet of a key picture (its lowest layer)."""
    if end - start < 2:
        return False
    first = packet[start]
    if first & _INTER_PICTURE_PREDICTED or not first & _BEGINS_FRAME:
        return False
    return spatial_layer(packet, start, end) == 0
