"""The VP9 payload descriptor (RFC 9628 section 4.2)."""

from __future__ import annotations

from sfu.wire.layering import Layering

_PICTURE_ID = 0x80
_INTER_PICTURE_PREDICTED = 0x40
_LAYERS = 0x20
_FLEXIBLE = 0x10
_BEGINS_FRAME = 0x08
_ENDS_FRAME = 0x04
_SCALABILITY_STRUCTURE = 0x02
_LONG_PICTURE_ID = 0x80
# The byte of layer indices: TID (3 bits), U, SID (3 bits), D.
_TEMPORAL_SHIFT = 5
_SWITCHING_UP = 0x10
_SPATIAL_SHIFT = 1
_SPATIAL_MASK = 0x07
# In flexible mode at most three references, each with a bit that says whether another one follows.
_MAX_REFERENCES = 3
_ANOTHER_REFERENCE = 0x01
# The scalability structure: N_S (3 bits), Y, G.
_SIZES = 0x10


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


def read_layering(packet: bytes, start: int, end: int) -> Layering:
    """The layers of the payload at `start` to `end`.

    Raises ValueError if what it reads of the descriptor reaches past the payload.
    """
    return _read(packet, start, end)[0]


def _read(packet: bytes, start: int, end: int) -> tuple[Layering, int]:
    """The layers, and where the references and the scalability structure begin."""
    if start >= end:
        raise ValueError("VP9 payload is empty")
    first = packet[start]
    position = start + 1
    layering = Layering(
        begins=bool(first & _BEGINS_FRAME),
        ends=bool(first & _ENDS_FRAME),
        independent=not first & _INTER_PICTURE_PREDICTED,
    )
    if first & _PICTURE_ID:
        long = position < end and packet[position] & _LONG_PICTURE_ID
        if position + (2 if long else 1) > end:
            raise ValueError("VP9 descriptor ends within its picture id")
        layering.picture_offset = position
        if long:
            layering.picture_bits = 15
            layering.picture_id = (packet[position] & 0x7F) << 8 | packet[position + 1]
            position += 2
        else:
            layering.picture_bits = 7
            layering.picture_id = packet[position]
            position += 1
    if first & _LAYERS:
        if position + (1 if first & _FLEXIBLE else 2) > end:
            raise ValueError("VP9 descriptor ends within its layer indices")
        indices = packet[position]
        layering.temporal = indices >> _TEMPORAL_SHIFT
        layering.switches_up = bool(indices & _SWITCHING_UP)
        layering.spatial = indices >> _SPATIAL_SHIFT & _SPATIAL_MASK
        position += 1
        if not first & _FLEXIBLE:
            layering.tl0_offset = position
            layering.tl0_picture_index = packet[position]
            position += 1
    return layering, position


def keyframe_sizes(packet: bytes, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """Width and height in pixels of each spatial layer, the lowest first, as the scalability structure of a
    payload tells them; empty where it does not."""
    try:
        _, position = _read(packet, start, end)
    except ValueError:
        return ()
    first = packet[start]
    if not first & _SCALABILITY_STRUCTURE:
        return ()
    if first & _FLEXIBLE and first & _INTER_PICTURE_PREDICTED:
        for _ in range(_MAX_REFERENCES):
            if position >= end:
                return ()
            position += 1
            if not packet[position - 1] & _ANOTHER_REFERENCE:
                break
    if position >= end or not packet[position] & _SIZES:
        return ()
    count = (packet[position] >> 5) + 1
    position += 1
    if position + 4 * count > end:
        return ()
    return tuple(
        (int.from_bytes(packet[at : at + 2], "big"), int.from_bytes(packet[at + 2 : at + 4], "big"))
        for at in range(position, position + 4 * count, 4)
    )
