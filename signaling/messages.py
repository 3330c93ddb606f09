"""What a client sends, from bytes to values: docs/protocol.md, "What a client sends". Pure functions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Literal, cast, get_args

from signaling.grants import ASSIGNABLE_ROLES, AssignableRole
from signaling.names import clean_display_name
from signaling.settings import RoomSettings
from signaling.track import KIND_OF_SOURCE, Source
from signaling.wish import Wish

RequestId = str | int | float
Action = Literal["offer", "answer", "ice"]
ModerationAction = Literal["admit", "deny", "remove", "mute", "role", "lock", "lobby", "end"]
Json = dict[str, object]

SFU = "sfu"
"""The member of every room that stands for the media server."""

MAX_ID_CHARACTERS = 64
MAX_LINES = 256
"""m-lines that `publish` or `subscribe` may name: as many as an offer may have."""
MAX_MID_CHARACTERS = 64
MAX_TRACK_ID_CHARACTERS = 128
MAX_CLIENT_ID_CHARACTERS = 64
MAX_PIXELS = 16_384
"""Width and height of what shows a track."""
MAX_PRIORITY = 10
MAX_LAYER = 7
# The deepest message that means something is publish, mid, source; the rest is for candidates of the future.
MAX_DEPTH = 16


class ProtocolError(Exception):
    """A message that is refused; the connection goes on.

    `code` is one of docs/protocol.md's error codes, `str(error)` a sentence, `request` the type refused and
    `id` the request's id where it had them.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        request: str | None = None,
        id: RequestId | None = None,  # noqa: A002
    ) -> None:
        super().__init__(message)
        self.code = code
        self.request = request
        self.id = id


@dataclass(frozen=True, slots=True)
class SetProfile:
    """Set the display name; it has been cleaned."""

    type: ClassVar[str] = "profile"
    display_name: str
    id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class SendChat:
    """Say something to the room."""

    type: ClassVar[str] = "chat"
    text: str
    id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Negotiate:
    """A step of a WebRTC negotiation with a participant or with the media server."""

    type: ClassVar[str] = "webrtc"
    action: Action
    to: str
    body: Mapping[str, object]
    """The message as it came; this is what is relayed to a participant."""
    sdp: str = ""
    """Empty where `action` is `ice`."""
    publish: Mapping[str, Source] = field(default_factory=lambda: MappingProxyType({}))
    """mid → what the client sends there; only read where `to` is the media server."""
    subscribe: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """mid → id of the track wanted there; likewise."""
    id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class DeclareTracks:
    """All that the client has to show: source → muted."""

    type: ClassVar[str] = "tracks"
    tracks: Mapping[Source, bool]
    id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class SetSubscription:
    """What the client needs of a track that it receives from the media server."""

    type: ClassVar[str] = "subscription"
    track_id: str
    paused: bool | None = None
    """Stop or resume it; None: as before."""
    wish: Wish | None = None
    """None: as before."""
    id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class GetStats:
    """Asks for the figures of what the client sends and receives."""

    type: ClassVar[str] = "stats"
    id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a `pong`."""

    type: ClassVar[str] = "ping"
    id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Moderate:
    """What only moderators may ask."""

    type: ClassVar[str] = "moderate"
    action: ModerationAction
    client_id: str = ""
    """Whom it is about; empty where it is about the room."""
    source: Source | None = None
    """`mute`: the track to mute; None for all."""
    role: AssignableRole | None = None
    """`role`: what to make of them."""
    enabled: bool = True
    """`lock` and `lobby`: on or off."""
    id: RequestId | None = None


ClientMessage = (
    SetProfile | SendChat | Negotiate | DeclareTracks | SetSubscription | Moderate | GetStats | Ping
)


def parse(frame: bytes | str, settings: RoomSettings) -> ClientMessage:
    """Return the message in one text frame. Raises ProtocolError and nothing else, whatever the bytes are."""
    body = _load_object(frame)
    kind = body.get("type")
    request = kind if isinstance(kind, str) and kind in _PARSERS else None
    request_id: RequestId | None = None
    try:
        request_id = _request_id(body)
        if request is None:
            raise ProtocolError(
                "unknown_type", f"type must be one of {', '.join(_PARSERS)}, not {_shown(kind)}"
            )
        describes = request == "webrtc" and body.get("action") in ("offer", "answer")
        if len(frame) > settings.message_bytes and not describes:
            raise ProtocolError(
                "message_too_large",
                f"the message has {len(frame):,} bytes; only offers and answers may have more than "
                f"{settings.message_bytes:,}",
            )
        return _PARSERS[request](body, request_id, settings)
    except ProtocolError as error:
        # A type that is unknown is told back as well, shortened, so that the sender can find its mistake.
        error.request = kind[:MAX_ID_CHARACTERS] if isinstance(kind, str) else None
        error.id = request_id
        raise


def _load_object(frame: bytes | str) -> Json:
    try:
        text = frame.decode("utf-8") if isinstance(frame, bytes) else frame
        body = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        # Half a surrogate pair is valid JSON and cannot be sent on as UTF-8 (RFC 8259 section 8.2).
        if "\\u" in text:
            json.dumps(body, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("malformed_json", f"the frame is not UTF-8 at byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise ProtocolError("malformed_json", "the frame has half of a surrogate pair in a string") from error
    except RecursionError as error:
        raise ProtocolError(
            "malformed_json", f"the frame is nested deeper than {MAX_DEPTH} levels"
        ) from error
    except ValueError as error:
        raise ProtocolError("malformed_json", f"the frame is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ProtocolError("malformed_json", f"the frame must be a JSON object, not {_shown(body)}")
    if _deeper_than(body, MAX_DEPTH):
        raise ProtocolError("malformed_json", f"the frame is nested deeper than {MAX_DEPTH} levels")
    return body


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _deeper_than(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else cast("list[object]", parent))
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _request_id(body: Json) -> RequestId | None:
    value = body.get("id")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ProtocolError("invalid_field", f"id must be a string or a number, not {_shown(value)}")
    if len(str(value)) > MAX_ID_CHARACTERS:
        raise ProtocolError("invalid_field", f"id must have at most {MAX_ID_CHARACTERS} characters")
    return value


def _parse_profile(body: Json, request_id: RequestId | None, settings: RoomSettings) -> ClientMessage:
    name = body.get("displayName")
    if not isinstance(name, str):
        raise ProtocolError("invalid_field", f"displayName must be a string, not {_shown(name)}")
    try:
        return SetProfile(clean_display_name(name, settings.display_name_characters), request_id)
    except ValueError as error:
        raise ProtocolError("invalid_field", str(error)) from error


def _parse_chat(body: Json, request_id: RequestId | None, settings: RoomSettings) -> ClientMessage:
    text = body.get("text")
    limit = settings.chat_characters
    if not isinstance(text, str):
        raise ProtocolError("invalid_field", f"text must be a string, not {_shown(text)}")
    if not text.strip():
        raise ProtocolError("invalid_field", f"text is empty; it must have 1 to {limit} characters")
    if len(text) > limit:
        raise ProtocolError("invalid_field", f"text has {len(text)} characters; it must have 1 to {limit}")
    return SendChat(text, request_id)


def _parse_webrtc(body: Json, request_id: RequestId | None, settings: RoomSettings) -> ClientMessage:
    action = body.get("action")
    if action not in ("offer", "answer", "ice"):
        raise ProtocolError("invalid_field", f"action must be offer, answer or ice, not {_shown(action)}")
    to = _text(body, "to", MAX_CLIENT_ID_CHARACTERS)
    sdp = ""
    if action == "ice":
        if "candidate" not in body or not isinstance(body["candidate"], dict | None):
            raise ProtocolError(
                "invalid_field", f"candidate must be an object or null, not {_shown(body.get('candidate'))}"
            )
    else:
        sdp = _text(body, "sdp", settings.description_bytes)
    publish: Mapping[str, Source] = {}
    subscribe: Mapping[str, str] = {}
    if to == SFU and action == "offer":
        publish = {mid: _source(value, f"publish.{mid}") for mid, value in _lines(body, "publish")}
        subscribe = {mid: _track_id(value, f"subscribe.{mid}") for mid, value in _lines(body, "subscribe")}
    return Negotiate(action, to, body, sdp, publish, subscribe, request_id)


def _lines(body: Json, name: str) -> list[tuple[str, object]]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, dict):
        raise ProtocolError("invalid_field", f"{name} must be an object of m-line mids, not {_shown(value)}")
    if len(value) > MAX_LINES:
        raise ProtocolError(
            "invalid_field", f"{name} names {len(value)} m-lines; at most {MAX_LINES} are allowed"
        )
    for mid in value:
        if not 1 <= len(mid) <= MAX_MID_CHARACTERS:
            raise ProtocolError(
                "invalid_field", f"{name} has a mid that is not 1 to {MAX_MID_CHARACTERS} characters"
            )
    return list(value.items())


def _source(value: object, name: str) -> Source:
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, str) or source not in KIND_OF_SOURCE:
        raise ProtocolError(
            "invalid_field", f"{name}.source must be one of {', '.join(KIND_OF_SOURCE)}, not {_shown(source)}"
        )
    return source


def _track_id(value: object, name: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TRACK_ID_CHARACTERS:
        raise ProtocolError("invalid_field", f"{name} must be a track id, not {_shown(value)}")
    return value


def _parse_tracks(body: Json, request_id: RequestId | None, _settings: RoomSettings) -> ClientMessage:
    entries = body.get("tracks")
    if not isinstance(entries, list):
        raise ProtocolError("invalid_field", f"tracks must be a list, not {_shown(entries)}")
    if len(entries) > len(KIND_OF_SOURCE):
        raise ProtocolError(
            "invalid_field",
            f"tracks has {len(entries)} entries; at most one for each of {', '.join(KIND_OF_SOURCE)}",
        )
    tracks: dict[Source, bool] = {}
    for index, entry in enumerate(entries):
        source = _source(entry, f"tracks[{index}]")
        muted = entry.get("muted", False)
        if not isinstance(muted, bool):
            raise ProtocolError(
                "invalid_field", f"tracks[{index}].muted must be true or false, not {_shown(muted)}"
            )
        if source in tracks:
            raise ProtocolError("invalid_field", f"tracks[{index}].source is {source} for the second time")
        tracks[source] = muted
    return DeclareTracks(tracks, request_id)


def _parse_subscription(body: Json, request_id: RequestId | None, _settings: RoomSettings) -> ClientMessage:
    track_id = _text(body, "trackId", MAX_TRACK_ID_CHARACTERS)
    paused = body.get("paused")
    if paused is not None and not isinstance(paused, bool):
        raise ProtocolError("invalid_field", f"paused must be true or false, not {_shown(paused)}")
    wish = _wish(body)
    if paused is None and wish is None:
        raise ProtocolError(
            "invalid_field", "subscription says nothing: give paused, width and height, priority or temporal"
        )
    return SetSubscription(track_id, paused, wish, request_id)


def _wish(body: Json) -> Wish | None:
    width = _whole(body, "width", 1, MAX_PIXELS)
    height = _whole(body, "height", 1, MAX_PIXELS)
    if (width is None) != (height is None):
        raise ProtocolError("invalid_field", "width and height must be given together")
    priority = _whole(body, "priority", -MAX_PRIORITY, MAX_PRIORITY)
    temporal = _whole(body, "temporal", 0, MAX_LAYER)
    if width is None and priority is None and temporal is None:
        return None
    return Wish(width, height, priority or 0, temporal)


def _whole(body: Json, name: str, lowest: int, highest: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ProtocolError(
            "invalid_field", f"{name} must be a whole number from {lowest} to {highest}, not {_shown(value)}"
        )
    return value


def _parse_moderate(body: Json, request_id: RequestId | None, _settings: RoomSettings) -> ClientMessage:
    actions: tuple[ModerationAction, ...] = get_args(ModerationAction)
    action = next((known for known in actions if known == body.get("action")), None)
    if action is None:
        raise ProtocolError(
            "invalid_field", f"action must be one of {', '.join(actions)}, not {_shown(body.get('action'))}"
        )
    client_id = ""
    if action not in ("lock", "lobby", "end"):
        client_id = _text(body, "clientId", MAX_CLIENT_ID_CHARACTERS)
    source = _source(body, "moderate") if action == "mute" and body.get("source") is not None else None
    role: AssignableRole | None = None
    if action == "role":
        role = next((known for known in ASSIGNABLE_ROLES if known == body.get("role")), None)
        if role is None:
            known = ", ".join(ASSIGNABLE_ROLES)
            raise ProtocolError(
                "invalid_field", f"role must be one of {known}, not {_shown(body.get('role'))}"
            )
    enabled = body.get("enabled", True)
    if not isinstance(enabled, bool):
        raise ProtocolError("invalid_field", f"enabled must be true or false, not {_shown(enabled)}")
    return Moderate(action, client_id, source, role, enabled, request_id)


def _parse_ping(_body: Json, request_id: RequestId | None, _settings: RoomSettings) -> ClientMessage:
    return Ping(request_id)


def _parse_stats(_body: Json, request_id: RequestId | None, _settings: RoomSettings) -> ClientMessage:
    return GetStats(request_id)


def _text(body: Json, name: str, limit: int) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ProtocolError("invalid_field", f"{name} must be a string, not {_shown(value)}")
    if not 1 <= len(value) <= limit:
        raise ProtocolError("invalid_field", f"{name} has {len(value)} characters; it must have 1 to {limit}")
    return value


def _shown(value: object) -> str:
    """Name a wrong value in a sentence, briefly: it came from outside and may be long."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= 40 else f"{text[:40]}…"


_PARSERS: Mapping[str, Callable[[Json, RequestId | None, RoomSettings], ClientMessage]] = MappingProxyType(
    {
        SetProfile.type: _parse_profile,
        SendChat.type: _parse_chat,
        Negotiate.type: _parse_webrtc,
        DeclareTracks.type: _parse_tracks,
        SetSubscription.type: _parse_subscription,
        Moderate.type: _parse_moderate,
        GetStats.type: _parse_stats,
        Ping.type: _parse_ping,
    }
)
