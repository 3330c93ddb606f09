"""The plane: what moves packets, behind one interface. Which one is chosen here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import structlog

from sfu.plane.interface import Plane
from sfu.plane.reference import ReferencePlane

if TYPE_CHECKING:
    from sfu.plane._fast import FastPlane

__all__ = ["PlaneKind", "create_plane", "fast_plane"]

PlaneKind = Literal["auto", "fast", "reference"]

log = structlog.get_logger("sfu")


def create_plane(kind: PlaneKind = "auto") -> Plane:
    """An empty plane. "auto" is the compiled one where it was built, with a word in the log where it was not.

    Raises ImportError for "fast" where it was not built or its libsrtp does not fit.
    """
    if kind == "reference":
        return ReferencePlane()
    try:
        return fast_plane()
    except ImportError as error:
        if kind == "fast":
            raise
        log.warning(
            "The compiled plane is not there, media runs on the Python plane: install gcc and Python's "
            "headers (Debian: gcc libpython3-dev), then build it with `pip install .`",
            reason=str(error),
        )
        return ReferencePlane()


def fast_plane() -> FastPlane:
    """The compiled plane. Raises ImportError where it was not built or its libsrtp does not fit."""
    from sfu.plane._fast import FastPlane

    return FastPlane()
