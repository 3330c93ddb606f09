"""The plane: what moves packets, behind one interface."""

from __future__ import annotations

from sfu.plane.interface import Plane
from sfu.plane.reference import ReferencePlane

__all__ = ["create_plane"]


def create_plane() -> Plane:
    """An empty plane of the fastest kind that runs here."""
    return ReferencePlane()
