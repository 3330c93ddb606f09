"""Which Chatter this is."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """Return the version of this program."""
    return importlib.metadata.version("chatter")
