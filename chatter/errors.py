"""Why the program does not start: each a sentence for the operator."""

from __future__ import annotations


class SettingsError(Exception):
    """A setting that cannot be used."""


class StartError(Exception):
    """Something outside is not as it must be: a port in use, a database that is away."""
