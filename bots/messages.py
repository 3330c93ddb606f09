"""The server's messages as values. docs/protocol.md is the contract; unknown types and fields are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from bots.errors import ProtocolViolated

Json = Mapping[str, Any]
Kind = Literal["audio", "video"]
Mode = Literal["p2p", "sfu"]
Source = Literal["microphone", "camera", "screen", "screen-audio"]

KIND_OF: Mapping[str, Kind] = {
    "microphone": "audio",
    "screen-audio": "audio",
    "camera": "video",
    "screen": "video",
}
"""The kind of media each source has."""

ORDER_OF: Mapping[str, int] = {"microphone": 0, "camera": 0, "screen-audio": 1, "screen": 1}
"""Which m-line of its kind a source takes where nothing names it."""

SFU = "sfu"
"""The id of the media server among the participants."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in the room."""

    id: str
    display_name: str


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """A track as the server announces it."""

    id: str
    """`<clientId>:<source>`."""
    client_id: str
    kind: Kind
    source: str
    muted: bool = False
    sfu: bool = False
    """It can be subscribed to from the media server now."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A chat message, one's own included."""

    id: str
    sender: str
    """The client id of the sender."""
    display_name: str
    text: str
    timestamp: int
    """Milliseconds since 1970 in UTC."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody who speaks, as the media server hears it."""

    client_id: str
    track_id: str
    audio_level: float
    """0 to 1, linear: W3C's audioLevel."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The first message after joining."""

    client_id: str
    room_id: str
    mode: Mode
    room_mode: str
    participants: tuple[Participant, ...]
    tracks: tuple[TrackInfo, ...]
    ice_servers: tuple[Json, ...]
    speakers: tuple[Speaker, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerDraining:
    """The server is about to end: go elsewhere, or join again when it is back."""

    ends_at: float
    """Seconds since 1970."""
    url: str | None
    """Where to go meanwhile; None: it comes back here."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a participant's call goes."""

    score: int
    """0 (nothing arrives) to 100 (nothing is wrong)."""
    grade: str
    """good, fair, poor or bad."""
    cause: str = ""
    """Why, in words; empty where nothing is wrong, and of others."""


def field(message: Json, name: str, kind: type[_T]) -> _T:
    """The field `name`. Raises ProtocolViolated where it is missing or no `kind`."""
    value = message.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        what = "is missing" if value is None else f"is {value!r}"
        raise ProtocolViolated(f"{message.get('type', 'message')}: {name} {what}, expected {kind.__name__}")
    return value


def objects(message: Json, name: str) -> list[Json]:
    """The list of objects `name`. Raises ProtocolViolated."""
    items = field(message, name, list)
    if not all(isinstance(item, dict) for item in items):
        raise ProtocolViolated(f"{message.get('type', 'message')}: {name} holds something that is no object")
    return cast(list[Json], items)


def mode(message: Json) -> Mode:
    """The media path in use. Raises ProtocolViolated."""
    value = field(message, "mode", str)
    if value not in ("p2p", "sfu"):
        raise ProtocolViolated(f"mode is {value!r}, expected p2p or sfu")
    return value  # type: ignore[return-value]  # mypy does not narrow by `in`


def participant(item: Json) -> Participant:
    return Participant(field(item, "id", str), field(item, "displayName", str))


def track(item: Json) -> TrackInfo:
    """Raises ProtocolViolated."""
    kind = field(item, "kind", str)
    if kind not in ("audio", "video"):
        raise ProtocolViolated(f"track kind is {kind!r}, expected audio or video")
    return TrackInfo(
        id=field(item, "id", str),
        client_id=field(item, "clientId", str),
        kind=cast(Kind, kind),
        source=field(item, "source", str),
        muted=bool(item.get("muted", False)),
        sfu=bool(item.get("sfu", False)),
    )


def tracks(message: Json) -> tuple[TrackInfo, ...]:
    return tuple(track(item) for item in objects(message, "tracks"))


def chat(message: Json) -> ChatMessage:
    return ChatMessage(
        id=str(message.get("id", "")),
        sender=field(message, "from", str),
        display_name=field(message, "displayName", str),
        text=field(message, "text", str),
        timestamp=field(message, "timestamp", int),
    )


def qualities(message: Json) -> dict[str, Quality]:
    """By client id. Raises ProtocolViolated."""
    found = {}
    for item in objects(message, "participants"):
        cause = item.get("cause")
        text = field(cause, "text", str) if isinstance(cause, dict) else ""
        found[field(item, "clientId", str)] = Quality(
            field(item, "score", int), field(item, "grade", str), text
        )
    return found


def speakers(message: Json) -> tuple[Speaker, ...]:
    """The loudest first. Raises ProtocolViolated."""
    return tuple(
        Speaker(
            field(item, "clientId", str), field(item, "trackId", str), float(field(item, "audioLevel", float))
        )
        for item in objects(message, "speakers")
    )


def draining(message: Json) -> ServerDraining:
    """Raises ProtocolViolated."""
    url = message.get("url")
    return ServerDraining(field(message, "endsAt", int) / 1000, str(url) if url is not None else None)


def welcome(message: Json) -> Welcome:
    """Raises ProtocolViolated. A server without media fields is taken for a p2p one."""
    return Welcome(
        client_id=field(message, "clientId", str),
        room_id=str(message.get("roomId", "")),
        mode=mode(message) if "mode" in message else "p2p",
        room_mode=str(message.get("roomMode", "p2p")),
        participants=tuple(participant(p) for p in objects(message, "participants"))
        if "participants" in message
        else (),
        tracks=tracks(message) if "tracks" in message else (),
        ice_servers=tuple(objects(message, "iceServers")) if "iceServers" in message else (),
        speakers=speakers(message) if "speakers" in message else (),
    )
