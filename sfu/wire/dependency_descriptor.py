"""The dependency descriptor RTP header extension (RTP Payload Format For AV1, version 1.0, appendix A)."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.wire.layering import DecodeTargets, Layering

URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

MANDATORY_SIZE = 3
"""Bytes with which every descriptor begins: flags and template id, frame number."""
MAX_TEMPLATES = 64
MAX_DECODE_TARGETS = 32
MAX_DEPENDENCIES = 8
"""Frames that one frame is predicted from: AV1 has seven references."""

_NOT_PRESENT = 0
_SWITCH = 2
# next_layer_idc (appendix A.8.3).
_NEXT_TEMPORAL_LAYER = 1
_NEXT_SPATIAL_LAYER = 2
_NO_MORE_TEMPLATES = 3


@dataclass(frozen=True, slots=True)
class Template:
    """What frames of one kind have in common."""

    spatial: int
    temporal: int
    present: int
    switches: int
    dependencies: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """A template dependency structure: it holds for the frames after the one that carries it."""

    first_template: int
    """The id of the first template."""
    templates: tuple[Template, ...]
    layers: tuple[tuple[int, int], ...]
    """(spatial, temporal) of each decode target: the highest that it has."""
    within: tuple[int, ...]
    """For each decode target a mask of those that have all of its frames."""
    chain_count: int
    sizes: tuple[tuple[int, int], ...]
    """Width and height of each spatial layer, the lowest first; empty where they are not told."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One descriptor, read."""

    layering: Layering
    structure: Structure | None
    """The structure that it carries."""
    active_targets: int | None
    """Which decode targets are sent from this frame on; None where nothing changes."""


class _Bits:
    """Reads bits, the highest first. Raises ValueError at the end."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = int.from_bytes(data, "big")
        self._position = 8 * len(data)

    def read(self, count: int) -> int:
        self._position -= count
        if self._position < 0:
            raise ValueError("dependency descriptor ends within a field")
        return self._data >> self._position & (1 << count) - 1

    def non_symmetric(self, count: int) -> int:
        """A value below `count`, in as few bits as it takes (appendix A.8.2, ns(n))."""
        width = count.bit_length()
        short = (1 << width) - count
        value = self.read(width - 1)
        if value < short:
            return value
        return (value << 1) - short + self.read(1)


def frame_number(data: bytes) -> int | None:
    """The frame number, which takes no structure to read; None where the descriptor is cut short."""
    return int.from_bytes(data[1:3], "big") if len(data) >= MANDATORY_SIZE else None


def with_frame_number(data: bytes, number: int) -> bytes:
    """The descriptor with another frame number, modulo 2^16."""
    return data[:1] + (number & 0xFFFF).to_bytes(2, "big") + data[3:]


def read_descriptor(data: bytes, structure: Structure | None) -> Descriptor:
    """Read a descriptor by the structure that was sent last, or the one that it carries.

    Raises ValueError where it is cut short, and where there is no structure or no such template.
    """
    bits = _Bits(data)
    begins, ends = bool(bits.read(1)), bool(bits.read(1))
    template_id = bits.read(6)
    number = bits.read(16)
    attached = None
    active = None
    custom_dtis = custom_fdiffs = custom_chains = 0
    if len(data) > MANDATORY_SIZE:
        has_structure, has_active = bits.read(1), bits.read(1)
        custom_dtis, custom_fdiffs, custom_chains = bits.read(1), bits.read(1), bits.read(1)
        if has_structure:
            structure = attached = _read_structure(bits)
            active = (1 << len(attached.layers)) - 1
        if structure is None:
            raise ValueError("dependency descriptor before its structure")
        if has_active:
            active = bits.read(len(structure.layers))
    if structure is None:
        raise ValueError("dependency descriptor before its structure")
    index = (template_id - structure.first_template) % MAX_TEMPLATES
    if index >= len(structure.templates):
        raise ValueError(f"dependency descriptor names template {template_id}, which is none")
    template = structure.templates[index]
    present, switches, dependencies = template.present, template.switches, template.dependencies
    if custom_dtis:
        present, switches = _read_indications(bits, len(structure.layers))
    if custom_fdiffs:
        dependencies = _read_differences(bits)
    if custom_chains:
        bits.read(8 * structure.chain_count)
    return Descriptor(
        Layering(
            spatial=template.spatial,
            temporal=template.temporal,
            begins=begins,
            ends=ends,
            frame_number=number,
            targets=DecodeTargets(present, switches, dependencies),
        ),
        attached,
        active,
    )


def _read_structure(bits: _Bits) -> Structure:
    first_template = bits.read(6)
    target_count = bits.read(5) + 1
    layers = _read_template_layers(bits)
    indications = [_read_indications(bits, target_count) for _ in layers]
    dependencies = [_read_template_differences(bits) for _ in layers]
    chain_count = bits.non_symmetric(target_count + 1)
    if chain_count:
        for _ in range(target_count):
            bits.non_symmetric(chain_count)
        bits.read(4 * chain_count * len(layers))
    sizes = []
    if bits.read(1):
        sizes = [(bits.read(16) + 1, bits.read(16) + 1) for _ in range(layers[-1][0] + 1)]
    templates = tuple(
        Template(spatial, temporal, present, switches, differences)
        for (spatial, temporal), (present, switches), differences in zip(
            layers, indications, dependencies, strict=True
        )
    )
    return Structure(
        first_template=first_template,
        templates=templates,
        layers=tuple(_layers_of(target, templates) for target in range(target_count)),
        within=tuple(_within(target, templates, target_count) for target in range(target_count)),
        chain_count=chain_count,
        sizes=tuple(sizes),
    )


def _read_template_layers(bits: _Bits) -> list[tuple[int, int]]:
    spatial = temporal = 0
    layers = [(spatial, temporal)]
    while (step := bits.read(2)) != _NO_MORE_TEMPLATES:
        if step == _NEXT_TEMPORAL_LAYER:
            temporal += 1
        elif step == _NEXT_SPATIAL_LAYER:
            temporal = 0
            spatial += 1
        if len(layers) == MAX_TEMPLATES:
            raise ValueError(f"dependency descriptor has more than {MAX_TEMPLATES} templates")
        layers.append((spatial, temporal))
    return layers


def _read_indications(bits: _Bits, target_count: int) -> tuple[int, int]:
    present = switches = 0
    for target in range(target_count):
        indication = bits.read(2)
        if indication != _NOT_PRESENT:
            present |= 1 << target
        if indication == _SWITCH:
            switches |= 1 << target
    return present, switches


def _read_template_differences(bits: _Bits) -> tuple[int, ...]:
    differences: list[int] = []
    while bits.read(1):
        if len(differences) == MAX_DEPENDENCIES:
            raise ValueError(f"dependency descriptor has a frame of over {MAX_DEPENDENCIES} references")
        differences.append(bits.read(4) + 1)
    return tuple(differences)


def _read_differences(bits: _Bits) -> tuple[int, ...]:
    differences: list[int] = []
    while size := bits.read(2):
        if len(differences) == MAX_DEPENDENCIES:
            raise ValueError(f"dependency descriptor has a frame of over {MAX_DEPENDENCIES} references")
        differences.append(bits.read(4 * size) + 1)
    return tuple(differences)


def _layers_of(target: int, templates: tuple[Template, ...]) -> tuple[int, int]:
    spatial = temporal = 0
    for template in templates:
        if template.present >> target & 1:
            spatial = max(spatial, template.spatial)
            temporal = max(temporal, template.temporal)
    return spatial, temporal


def _within(target: int, templates: tuple[Template, ...], target_count: int) -> int:
    others = (1 << target_count) - 1
    for template in templates:
        if template.present >> target & 1:
            others &= template.present
    return others
