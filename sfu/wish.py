"""Wish: what a subscriber says of a track that it receives."""

from __future__ import annotations

from dataclasses import dataclass

ALL_LAYERS = 255
"""A limit above any layer (plane.interface.Plane.limit_route)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber says of a track that it receives."""

    width: int | None = None
    """Of what shows it, in physical pixels; None: not told, the largest layer is right."""
    height: int | None = None
    priority: int = 0
    """Higher ones are served first when not all can be: -10 to 10."""
    max_temporal: int = ALL_LAYERS
    """The highest temporal layer that is of use."""
