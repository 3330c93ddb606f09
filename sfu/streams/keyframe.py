"""Which packets begin a keyframe, by codec."""

from __future__ import annotations

from collections.abc import Callable

from sfu.wire import av1, h264, vp8, vp9

Detector = Callable[[bytes, int, int], bool]
"""(packet, payload offset, payload end) → whether a keyframe begins in it."""


def detector_for(codec: str) -> Detector | None:
    """The keyframe detector of a codec, by its registered name in any case; None for one that has none."""
    match codec.upper():
        case "VP8":
            return vp8.begins_keyframe
        case "VP9":
            return vp9.begins_keyframe
        case "H264":
            return h264.begins_keyframe
        case "AV1":
            return av1.begins_keyframe
    return None
