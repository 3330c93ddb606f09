"""A track as signaling knows it: something that a participant has to show, in either media path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["audio", "video"]
Source = Literal["microphone", "camera", "screen", "screen-audio"]

KIND_OF_SOURCE: dict[Source, Kind] = {
    "microphone": "audio",
    "camera": "video",
    "screen": "video",
    "screen-audio": "audio",
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """One stream of a track as the media server receives it."""

    rid: str
    """The simulcast id; empty where the track is a single stream."""
    codec: str


@dataclass(frozen=True, slots=True)
class Track:
    """Exists as long as its participant declares it or publishes it to the media server."""

    client_id: str
    source: Source
    declared: bool = False
    """The participant's own list of tracks has it."""
    muted: bool = False
    """The participant has switched it off for now."""
    sfu: bool = False
    """It can be subscribed to from the media server."""
    encodings: tuple[Encoding, ...] = ()

    @property
    def id(self) -> str:
        """`<clientId>:<source>`: the same in both media paths."""
        return f"{self.client_id}:{self.source}"

    def to_json(self) -> dict[str, object]:
        """The track object of docs/protocol.md."""
        return {
            "id": self.id,
            "clientId": self.client_id,
            "kind": KIND_OF_SOURCE[self.source],
            "source": self.source,
            "muted": self.muted,
            "sfu": self.sfu,
            "encodings": [{"rid": e.rid, "codec": e.codec} for e in self.encodings],
        }
