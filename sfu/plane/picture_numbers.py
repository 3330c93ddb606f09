"""The numbers within descriptors that a route keeps continuous: picture ids, TL0PICIDX, frame numbers."""

from __future__ import annotations

from sfu.streams.number_map import NumberMap
from sfu.wire.layering import Layering

# A keyframe whose picture id is this far from the one before is from an encoder that has begun anew.
_MAXIMUM_STEP = 128


class PictureNumbers:
    """Of one route. Each is the source's number plus an offset, which a start sets so that the count goes on.

    VP8's picture ids also close up where pictures are dropped on purpose; those of VP9, and the frame numbers
    of dependency descriptors, tell what a frame is predicted from, and so keep their distances.
    """

    __slots__ = (
        "_frame_offset",
        "_ids",
        "_last_frame",
        "_last_picture",
        "_last_tl0",
        "_started_frames",
        "_started_pictures",
        "_started_tl0",
        "_tl0_offset",
    )

    def __init__(self) -> None:
        self._ids = NumberMap()
        self._tl0_offset = 0
        self._frame_offset = 0
        self._started_pictures = self._started_tl0 = self._started_frames = False
        # Of the newest packet sent.
        self._last_picture: int | None = None  # extended
        self._last_tl0: int | None = None
        self._last_frame: int | None = None

    def start(self) -> None:
        """What comes next follows the newest that was sent, whatever its own numbers are."""
        self._started_pictures = self._started_tl0 = self._started_frames = False

    def anchor(self, layering: Layering, starts: bool) -> None:
        """Before `picture_id` and its neighbours: a packet that goes on, or the first after a start."""
        if layering.picture_bits:
            number = layering.picture_id
            restarted = starts and self._started_pictures and self._jumps(layering)
            if restarted or not self._started_pictures:
                last = self._last_picture
                self._ids.anchor(number, number if last is None else last + 1)
                self._started_pictures = True
                if restarted:
                    self._started_tl0 = False
        if layering.tl0_offset and not self._started_tl0:
            last = self._last_tl0
            self._tl0_offset = 0 if last is None else last + 1 - layering.tl0_picture_index
            self._started_tl0 = True
        if layering.frame_number is not None and not self._started_frames:
            last = self._last_frame
            self._frame_offset = 0 if last is None else last + 1 - layering.frame_number
            self._started_frames = True

    def _jumps(self, layering: Layering) -> bool:
        return abs(self._extended(layering) - self._ids.highest) > _MAXIMUM_STEP >> (
            3 if layering.picture_bits == 7 else 0
        )

    def _extended(self, layering: Layering) -> int:
        bits = layering.picture_bits
        half = 1 << bits - 1
        difference = layering.picture_id - self._ids.highest
        return self._ids.highest + ((difference + half & (1 << bits) - 1) - half)

    def drop(self, layering: Layering) -> None:
        """A packet, the newest of its source, is dropped on purpose."""
        if layering.contiguous and layering.picture_bits and self._started_pictures:
            number = self._extended(layering)
            if number > self._ids.highest:
                self._ids.drop(number)

    def dropped(self, layering: Layering) -> bool:
        """Whether others of the packet's picture were dropped on purpose."""
        return (
            layering.contiguous
            and bool(layering.picture_bits)
            and self._started_pictures
            and self._ids.dropped(self._extended(layering))
        )

    def picture_id(self, layering: Layering) -> int:
        """The picture id to send, extended."""
        return self._ids.sent(self._extended(layering))

    def tl0_picture_index(self, layering: Layering) -> int:
        """The TL0PICIDX to send."""
        return layering.tl0_picture_index + self._tl0_offset & 0xFF

    def frame_number(self, layering: Layering) -> int:
        """The frame number to send, where the packet has one."""
        return (layering.frame_number or 0) + self._frame_offset & 0xFFFF

    def sent(self, layering: Layering) -> None:
        """A packet, the newest of its source, was sent."""
        if layering.picture_bits:
            number = self._extended(layering)
            self._ids.advance(number)
            self._last_picture = self._ids.sent(number)
        if layering.tl0_offset:
            self._last_tl0 = self.tl0_picture_index(layering)
        if layering.frame_number is not None:
            self._last_frame = self.frame_number(layering)

    def patch(self, payload: bytes, shift: int, layering: Layering) -> bytes:
        """The payload with its descriptor's numbers changed; it begins at `shift` of the packet."""
        changed = bytearray(payload)
        if layering.picture_bits:
            at = layering.picture_offset - shift
            number = self.picture_id(layering)
            if layering.picture_bits == 15:
                changed[at : at + 2] = (0x8000 | number & 0x7FFF).to_bytes(2, "big")
            else:
                changed[at] = number & 0x7F
        if layering.tl0_offset:
            changed[layering.tl0_offset - shift] = self.tl0_picture_index(layering)
        return bytes(changed)
