"""Reads which layers a stream's packets belong to, by the descriptor of its codec or by header extensions."""

from __future__ import annotations

from collections.abc import Sequence

from sfu.wire import dependency_descriptor, frame_marking, vp8, vp9
from sfu.wire.dependency_descriptor import Structure
from sfu.wire.layering import Layering
from sfu.wire.rtp import Element

_PLAIN = Layering()


class LayerReader:
    """One stream's reader. What cannot be read is taken for a stream without layers, and passes.

    VP8 and VP9 tell their layers in the payload. AV1 and H.264 have the dependency descriptor for it, H.264
    alternatively frame marking.
    """

    __slots__ = ("_dependency_descriptor", "_frame_marking", "active_targets", "structure")

    def __init__(self, dependency_descriptor: int, frame_marking: int) -> None:
        """The ids of the header extensions at the sender, 0 where it has none."""
        self._dependency_descriptor = dependency_descriptor
        self._frame_marking = frame_marking
        self.structure: Structure | None = None
        """The newest of the dependency descriptor."""
        self.active_targets = 0
        """Mask of the decode targets that are sent."""

    def read(
        self, codec: str | None, packet: bytes, start: int, end: int, elements: Sequence[Element]
    ) -> Layering:
        """The layers of the packet with its payload at `start` to `end` and these header extensions.

        `codec` is the registered name in upper case, None for one whose packets are not looked into.
        """
        if codec is None:
            return _PLAIN
        descriptor = _find(elements, self._dependency_descriptor)
        layering = self._read(codec, packet, start, end, elements, descriptor)
        if descriptor is not None:
            layering.frame_number = dependency_descriptor.frame_number(descriptor)
        return layering

    def _read(
        self,
        codec: str,
        packet: bytes,
        start: int,
        end: int,
        elements: Sequence[Element],
        descriptor: bytes | None,
    ) -> Layering:
        try:
            if codec == "VP8":
                return vp8.read_layering(packet, start, end)
            if codec == "VP9":
                return vp9.read_layering(packet, start, end)
            if descriptor is not None:
                return self._read_descriptor(descriptor)
            marking = _find(elements, self._frame_marking) if codec == "H264" else None
            if marking is not None:
                return frame_marking.read_layering(marking)
        except ValueError:
            pass  # the packet may be whole for all that: who decodes it will tell
        return Layering()

    def _read_descriptor(self, data: bytes) -> Layering:
        read = dependency_descriptor.read_descriptor(data, self.structure)
        if read.structure is not None:
            self.structure = read.structure
        if read.active_targets is not None:
            self.active_targets = read.active_targets
        return read.layering


def _find(elements: Sequence[Element], identifier: int) -> bytes | None:
    if not identifier:
        return None
    return next((data for found, data in elements if found == identifier), None)
