"""The VP8 payload descriptor (RFC 7741 section 4.2) and the head of a keyframe (RFC 6386 section 9.1)."""

from __future__ import annotations

from sfu.wire.layering import Layering

_EXTENDED = 0x80
_START_OF_PARTITION = 0x10
_PARTITION_INDEX = 0x07
_PICTURE_ID = 0x80
_TL0PICIDX = 0x40
_TID = 0x20
_TID_OR_KEYIDX = 0x30
_LONG_PICTURE_ID = 0x80
_LAYER_SYNC = 0x20
# Bit P of the payload header, inverse of "key frame" (RFC 7741 section 4.3).
_INTERFRAME = 0x01

# What follows the three bytes of the frame tag in a keyframe.
_START_CODE = b"\x9d\x01\x2a"
_SIZE_MASK = 0x3FFF


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


def read_layering(packet: bytes, start: int, end: int) -> Layering:
    """The layers of the payload at `start` to `end`.

    Raises ValueError if the descriptor reaches past the payload.
    """
    size = descriptor_size(packet, start, end)
    if size is None:
        raise ValueError(f"VP8 descriptor reaches past a payload of {max(0, end - start)} bytes")
    first = packet[start]
    layering = Layering(
        begins=bool(first & _START_OF_PARTITION) and not first & _PARTITION_INDEX, contiguous=True
    )
    if not first & _EXTENDED:
        return layering
    fields = packet[start + 1]
    position = start + 2
    if fields & _PICTURE_ID:
        layering.picture_offset = position
        if packet[position] & _LONG_PICTURE_ID:
            layering.picture_bits = 15
            layering.picture_id = (packet[position] & 0x7F) << 8 | packet[position + 1]
            position += 2
        else:
            layering.picture_bits = 7
            layering.picture_id = packet[position]
            position += 1
    if fields & _TL0PICIDX:
        layering.tl0_offset = position
        layering.tl0_picture_index = packet[position]
        position += 1
    if fields & _TID:
        layering.temporal = packet[position] >> 6
        layering.synchronizes = bool(packet[position] & _LAYER_SYNC)
    return layering


def keyframe_size(packet: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Width and height in pixels, from the first packet of a keyframe; None where they are not there."""
    size = descriptor_size(packet, start, end)
    if size is None:
        return None
    head = packet[start + size + 3 : end]
    if len(head) < 7 or head[:3] != _START_CODE:
        return None
    width = int.from_bytes(head[3:5], "little") & _SIZE_MASK
    height = int.from_bytes(head[5:7], "little") & _SIZE_MASK
    return (width, height) if width and height else None
