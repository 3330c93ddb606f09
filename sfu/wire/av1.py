"""The AV1 aggregation header (RTP Payload Format For AV1, version 1.0, section 4.4)."""

from __future__ import annotations

_CONTINUES_ELEMENT = 0x80
_NEW_CODED_VIDEO_SEQUENCE = 0x08


def begins_keyframe(packet: bytes, start: int, end: int) -> bool:
    """Whether the payload at `start` to `end` is the first packet of a coded video sequence, a keyframe."""
    if end - start < 2:
        return False
    return packet[start] & (_NEW_CODED_VIDEO_SEQUENCE | _CONTINUES_ELEMENT) == _NEW_CODED_VIDEO_SEQUENCE
