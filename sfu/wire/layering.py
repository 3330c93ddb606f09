"""What a packet says of its place among the layers of its stream, whatever its codec."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class DecodeTargets:
    """A frame by its dependency descriptor. Decode targets are bits of a mask, bit 0 is target 0."""

    present: int
    """The decode targets that the frame is part of."""
    switches: int
    """Those that can be decoded from this frame on, if the frame itself can."""
    dependencies: tuple[int, ...]
    """How many frames before this one those are that it is predicted from."""


@dataclass(slots=True)
class Layering:
    """One packet's layers; offsets are into the packet. The defaults are those of a stream without layers."""

    spatial: int = 0
    temporal: int = 0
    begins: bool = False
    """The first packet of a layer's frame, as far as the codec tells."""
    ends: bool = False
    """The last packet of a layer's frame, as far as the codec tells."""
    synchronizes: bool = False
    """The frame depends on frames of the base layer alone: its temporal layer can start here."""
    switches_up: bool = False
    """Frames of higher temporal layers depend on nothing of those layers before this frame."""
    independent: bool = False
    """The layer's frame is predicted from no earlier picture."""
    picture_bits: int = 0
    """Size of the picture id: 7 or 15, 0 where there is none."""
    picture_id: int = 0
    picture_offset: int = 0
    tl0_picture_index: int = 0
    """Number of the base temporal layer's frame that this one builds on, 8 bits."""
    tl0_offset: int = 0
    """0 where there is none."""
    contiguous: bool = False
    """Picture ids count what was sent: a picture that is dropped on purpose must leave no gap in them."""
    frame_number: int | None = None
    """Of the dependency descriptor, 16 bits; None where there is none."""
    targets: DecodeTargets | None = None
