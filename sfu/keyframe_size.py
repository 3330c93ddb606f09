"""How large the pictures of a stream are, as the first packet of a keyframe tells."""

from __future__ import annotations

from sfu.wire import dependency_descriptor, rtp, vp8, vp9

Sizes = tuple[tuple[int, int], ...]
"""Width and height in pixels of each spatial layer, the lowest first; empty where it is not told."""


def keyframe_sizes(codec: str, packet: bytes, descriptor_id: int) -> Sizes:
    """Read the sizes from an RTP packet that begins a keyframe.

    `descriptor_id` is that of the dependency descriptor header extension, 0 where there is none.
    """
    try:
        start = rtp.payload_offset(packet)[1]
        end = rtp.payload_end(packet, start)
        data = rtp.find_extension(packet, descriptor_id) if descriptor_id else None
    except ValueError:
        return ()
    if codec == "VP8":
        size = vp8.keyframe_size(packet, start, end)
        return (size,) if size is not None else ()
    sizes = vp9.keyframe_sizes(packet, start, end) if codec == "VP9" else ()
    if sizes or data is None:
        return sizes
    try:
        structure = dependency_descriptor.read_descriptor(data, None).structure
    except ValueError:
        return ()
    return structure.sizes if structure is not None else ()
