"""The Video Frame Marking RTP header extension (RFC 9626)."""

from __future__ import annotations

from sfu.wire.layering import Layering

URI = "urn:ietf:params:rtp-hdrext:framemarking"

_STARTS = 0x80
_ENDS = 0x40
_INDEPENDENT = 0x20
_BASE_LAYER_SYNC = 0x08
_TEMPORAL_MASK = 0x07


def read_layering(data: bytes) -> Layering:
    """The layers told by the extension's data.

    The long form (section 3.1) has two or three bytes, the short one (section 3.2), of streams without
    layers, has one. Raises ValueError for another size. Spatial layers are the codec's matter and not read.
    """
    if not 1 <= len(data) <= 3:
        raise ValueError(f"frame marking has {len(data)} bytes, it should be 1 to 3")
    first = data[0]
    layering = Layering(
        begins=bool(first & _STARTS), ends=bool(first & _ENDS), independent=bool(first & _INDEPENDENT)
    )
    if len(data) > 1:
        layering.temporal = first & _TEMPORAL_MASK
        layering.synchronizes = bool(first & _BASE_LAYER_SYNC)
    return layering
