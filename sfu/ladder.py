"""The layers among which a subscriber's picture can be chosen, and which of them is the right one.

Pure functions: who decides by bandwidth takes the same ladder and stops at a lower rung.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sfu.producer import Producer, Stream
from sfu.wish import Wish

# A picture is sharp enough for a tile that has up to this many times its pixels.
_STRETCH = 1.8

# Seconds for which no packet of a stream has come, while others of its track did: it is not sent any more.
SILENCE = 0.6


@dataclass(frozen=True, slots=True)
class Layer:
    """One rung: what a subscriber gets with these layers and all below them."""

    rid: str
    """The simulcast stream; empty where there is one alone."""
    spatial: int
    """Within the stream; 0 where it has no spatial layers."""
    temporal: int
    width: int | None
    """Pixels; None before a keyframe has told."""
    height: int | None
    bitrate: int
    """Bits per second, measured; of a stream that rests as it was last, 0 before the first measurement."""
    active: bool
    """It is being sent now. One that is not can be asked for: it comes when the publisher can send it."""


def ladder(producer: Producer) -> tuple[Layer, ...]:
    """What can be had of a track, the lowest first: by stream, then by spatial, then by temporal layer."""
    newest = producer.last_packet
    return tuple(layer for rid in producer.rids for layer in _layers_of(rid, producer.stream(rid), newest))


def _layers_of(rid: str, stream: Stream | None, newest: float) -> list[Layer]:
    if stream is None:
        return [Layer(rid, 0, 0, None, None, 0, active=False)]
    active = is_sent(stream, newest)
    rates = stream.meter.rates or {(0, 0): 0.0}
    layers = []
    for spatial in sorted({spatial for spatial, _ in rates}):
        width, height = stream.size(spatial)
        for temporal in sorted({temporal for _, temporal in rates}):
            bitrate = sum(rate for (s, t), rate in rates.items() if s <= spatial and t <= temporal)
            layers.append(Layer(rid, spatial, temporal, width, height, round(bitrate), active))
    return layers


def is_sent(stream: Stream, newest: float) -> bool:
    """Whether the publisher sends a stream, as far as the newest packet of all its streams tells."""
    return stream.meter.last_packet > 0 and newest - stream.meter.last_packet <= SILENCE


def preferred(layers: Sequence[Layer], wish: Wish) -> Layer | None:
    """The lowest layer that is sharp enough for what the subscriber shows, at its full frame rate; None where
    there is none at all."""
    if not layers:
        return None
    of_use = [layer for layer in layers if layer.temporal <= wish.max_temporal] or [layers[0]]
    chosen = of_use[-1]
    if wish.width is not None and wish.height is not None:
        needed = wish.width * wish.height
        for layer in of_use:
            if layer.width and layer.height and layer.width * layer.height * _STRETCH >= needed:
                chosen = layer
                break
    same = [layer for layer in of_use if (layer.rid, layer.spatial) == (chosen.rid, chosen.spatial)]
    return max(same, key=lambda layer: layer.temporal)


def shape(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The ladder without its bitrates: where that is the same, the same layers are right."""
    return tuple(replace(layer, bitrate=0) for layer in layers)
