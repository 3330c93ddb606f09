"""The two halves of a negotiation as the owner of the SFU sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sfu.parameters import Source


@dataclass(frozen=True, slots=True)
class Offer:
    """A client's offer to the media server."""

    sdp: str
    publish: Mapping[str, Source] = field(default_factory=dict)
    """mid → what the client sends there; lines that are not named are guessed by kind and order."""
    subscribe: Mapping[str, str] = field(default_factory=dict)
    """mid → id of the track wanted there; lines that are not named get free tracks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The media server's answer."""

    sdp: str
    publish: Mapping[str, str]
    """mid → id of the track published there."""
    subscribe: Mapping[str, str | None]
    """mid → id of the track sent there, for the lines that the offer named; None where it cannot be had."""
