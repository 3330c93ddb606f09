"""The two halves of a negotiation as the owner of the SFU sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from sfu.parameters import Source

ALL_SOURCES: frozenset[Source] = frozenset(get_args(Source))


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a participant may do with media."""

    publish: frozenset[Source] = ALL_SOURCES
    """A line that would send anything else is answered without receiving, and its packets go nowhere."""
    subscribe: bool = True
    """Otherwise no line of its offers is answered with sending."""
    muted: frozenset[Source] = frozenset()
    """Published, and forwarded to nobody."""
    video_codecs: tuple[str, ...] = ()
    """Of the server's those that may be used, as in `MediaConfig.video_codecs`; empty for all of them."""


UNRESTRICTED = Permissions()


@dataclass(frozen=True, slots=True)
class Offer:
    """A client's offer to the media server."""

    sdp: str
    publish: Mapping[str, Source] = field(default_factory=dict)
    """mid → what the client sends there; lines that are not named are guessed by kind and order."""
    subscribe: Mapping[str, str] = field(default_factory=dict)
    """mid → id of the track wanted there; lines that are not named get free tracks."""
    permissions: Permissions = UNRESTRICTED


@dataclass(frozen=True, slots=True)
class Answer:
    """The media server's answer."""

    sdp: str
    publish: Mapping[str, str]
    """mid → id of the track published there."""
    subscribe: Mapping[str, str | None]
    """mid → id of the track sent there, for the lines that the offer named; None where it cannot be had."""
