"""H.264 RTP payloads (RFC 6184 section 5)."""

from __future__ import annotations

from collections.abc import Iterator

_NAL_TYPE = 0x1F
_SEQUENCE_PARAMETER_SET = 7
_STAP_A = 24


def aggregated_types(packet: bytes, start: int, end: int) -> Iterator[int]:
    """The NAL unit types in the STAP-A at `start` (RFC 6184 section 5.7.1), up to the first cut one."""
    position = start + 1
    while position + 3 <= end:
        size = int.from_bytes(packet[position : position + 2], "big")
        position += 2
        if not size or position + size > end:
            return
        yield packet[position] & _NAL_TYPE
        position += size


def begins_keyframe(packet: bytes, start: int, end: int) -> bool:
    """Whether the payload at `start` carries the sequence parameter set with which an IDR picture begins.

    An IDR slice alone does not count: a decoder that starts there lacks the parameter sets, which WebRTC
    sends in band (RFC 7742 section 6.2).
    """
    if start >= end:
        return False
    kind = packet[start] & _NAL_TYPE
    if kind == _STAP_A:
        return _SEQUENCE_PARAMETER_SET in aggregated_types(packet, start, end)
    return kind == _SEQUENCE_PARAMETER_SET
