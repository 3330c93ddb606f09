"""Wish: what a client says of how it shows a track."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """Which layers of a track are of use to a client."""

    width: int | None = None
    """Of what shows it, in physical pixels; None: not told."""
    height: int | None = None
    priority: int = 0
    """Higher ones are served first when not all can be: -10 to 10."""
    temporal: int | None = None
    """The highest temporal layer that is of use; None: all of them."""
