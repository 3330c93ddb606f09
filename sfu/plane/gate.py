"""Which packets of a source a route lets through, so that what it sends can be decoded at any time."""

from __future__ import annotations

from sfu.wire.dependency_descriptor import Structure
from sfu.wire.layering import DecodeTargets, Layering

ALL_LAYERS = 255
"""A limit above any layer."""

FRAMES = 256
"""Frames of a dependency descriptor of which it is remembered whether they were let through."""

_FRAMES_MASK = (1 << FRAMES) - 1
_NO_TARGET = -1


class Gate:
    """The layers that a route sends and those that it may send.

    A limit that is lowered holds from the next picture on. One that is raised waits until the layer can be
    decoded: a temporal layer for a frame where it may start, a spatial one for a keyframe or, where the
    dependency descriptor tells, a switching point.
    """

    __slots__ = (
        "_counted",
        "_frame",
        "_frames",
        "_highest_frame",
        "_target",
        "_timestamp",
        "spatial",
        "spatial_limit",
        "temporal",
        "temporal_limit",
    )

    def __init__(self) -> None:
        self.spatial_limit = ALL_LAYERS
        self.temporal_limit = ALL_LAYERS
        self.spatial = 0
        self.temporal = 0
        self._timestamp: int | None = None  # of the newest picture
        self._target = _NO_TARGET
        self._frame: int | None = None  # number of the newest frame
        self._counted = False  # the highest frame is known
        self._highest_frame = 0
        self._frames = 0  # bit n: the frame n before the highest was let through

    def start(self) -> None:
        """Forget the stream before: what comes next can be decoded by itself."""
        self.spatial = self.temporal = 0
        self._timestamp = None
        self._target = _NO_TARGET
        self._frame = None
        self._counted = False
        self._frames = 0

    def passes(
        self,
        layering: Layering,
        structure: Structure | None,
        active_targets: int,
        *,
        timestamp: int,
        starts: bool,
        newest: bool,
    ) -> bool:
        """Whether the packet is to be sent.

        `starts`: decoding can start at it. `newest`: none of the source's packets with a higher number was
        here before.
        """
        if layering.targets is not None and structure is not None and layering.frame_number is not None:
            return self._passes_targets(
                layering.targets, layering.frame_number, structure, active_targets, timestamp, starts, newest
            )
        if newest:
            if starts:
                self.spatial, self.temporal = self.spatial_limit, self.temporal_limit
            elif timestamp != self._timestamp:
                self._change(layering)
            self._timestamp = timestamp
        return layering.temporal <= self.temporal and layering.spatial <= self.spatial

    def _change(self, layering: Layering) -> None:
        """A picture begins: go where the limits are, as far as it can be done here."""
        self.spatial = min(self.spatial, self.spatial_limit)
        self.temporal = min(self.temporal, self.temporal_limit)
        if self.temporal == self.temporal_limit:
            return
        if layering.switches_up and layering.temporal <= self.temporal:
            self.temporal = self.temporal_limit
        elif layering.synchronizes and layering.temporal == self.temporal + 1:
            self.temporal = layering.temporal

    def _passes_targets(
        self,
        targets: DecodeTargets,
        frame: int,
        structure: Structure,
        active: int,
        timestamp: int,
        starts: bool,
        newest: bool,
    ) -> bool:
        if newest:
            self._advance(frame)
            if starts or frame != self._frame:
                self._choose(targets, frame, structure, active, timestamp, starts)
            self._frame = frame
            self._timestamp = timestamp
        if self._target == _NO_TARGET or not targets.present >> self._target & 1:
            return False
        behind = self._highest_frame - frame & 0xFFFF
        if behind < FRAMES:
            self._frames |= 1 << behind
            self._counted = True
        return True

    def _advance(self, frame: int) -> None:
        ahead = frame - self._highest_frame & 0xFFFF
        if not self._counted:
            self._highest_frame = frame
        elif 0 < ahead < 0x8000:
            self._counted = ahead < FRAMES
            self._frames = self._frames << ahead & _FRAMES_MASK if self._counted else 0
            self._highest_frame = frame

    def _choose(
        self,
        targets: DecodeTargets,
        frame: int,
        structure: Structure,
        active: int,
        timestamp: int,
        starts: bool,
    ) -> None:
        """Go to the highest decode target within the limits that can be decoded from this frame on."""
        current = self._target if self._target < len(structure.layers) else _NO_TARGET
        best = _NO_TARGET
        for target, (spatial, temporal) in enumerate(structure.layers):
            if spatial > self.spatial_limit or temporal > self.temporal_limit or not active >> target & 1:
                continue
            if best != _NO_TARGET and (spatial, temporal) <= structure.layers[best]:
                continue
            if (
                target == current
                or (starts and targets.present >> target & 1)
                or (
                    timestamp != self._timestamp
                    and current != _NO_TARGET
                    and structure.within[target] >> current & 1
                )
                or (targets.switches >> target & 1 and self._has(targets.dependencies, frame))
            ):
                best = target
        if best != _NO_TARGET:
            current = best
        self._target = current
        if current != _NO_TARGET:
            self.spatial, self.temporal = structure.layers[current]

    def _has(self, dependencies: tuple[int, ...], frame: int) -> bool:
        """Whether all the frames from which this one is predicted were let through."""
        for difference in dependencies:
            behind = self._highest_frame - frame + difference & 0xFFFF
            if behind >= FRAMES or not self._frames >> behind & 1:
                return False
        return True

    def ends_picture(self, layering: Layering) -> bool:
        """Whether a packet that passes is the last one of its picture that does."""
        return layering.ends and layering.spatial == self.spatial
