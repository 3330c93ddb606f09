"""What the server sends, from values to bytes: docs/protocol.md, "What the server sends". Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Literal

from signaling.draining import Draining
from signaling.history import ChatMessage
from signaling.messages import SFU, RequestId
from signaling.negotiator import Answer
from signaling.participant import Participant
from signaling.policy import RoomPolicy
from signaling.quality import CallQuality
from signaling.settings import Mode, RoomMode, RoomSettings
from signaling.speaker import Speaker
from signaling.subscription import Subscription
from signaling.track import Track

Message = dict[str, object]


def encode(message: Mapping[str, object]) -> bytes:
    """Return one text frame. Every message has been checked on its way in, so this cannot fail."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def welcome(
    newcomer: Participant,
    room_id: str,
    room_mode: RoomMode,
    mode: Mode,
    participants: Iterable[Participant],
    tracks: Iterable[Track],
    speakers: Iterable[Speaker],
    chat: Iterable[ChatMessage],
    policy: RoomPolicy,
    settings: RoomSettings,
) -> dict[str, object]:
    """All that a newcomer needs to know; `participants` has the newcomer itself too."""
    message: dict[str, object] = {
        "type": "welcome",
        "clientId": newcomer.id,
        "roomId": room_id,
        "roomMode": room_mode,
        "mode": mode,
        "participants": [_person(p) for p in participants],
        "tracks": [t.to_json() for t in tracks],
        "speakers": [s.to_json() for s in speakers],
        "chat": [m.to_json() for m in chat],
        "room": room_state(policy),
        "role": newcomer.role,
        "grants": newcomer.grants.to_json(),
        "iceServers": settings.ice_servers_for(newcomer.id),
        "limits": {
            "participants": policy.max_participants or settings.max_participants,
            "messageBytes": settings.message_bytes,
            "descriptionBytes": settings.description_bytes,
            "chatCharacters": settings.chat_characters,
            "displayNameCharacters": settings.display_name_characters,
        },
    }
    if newcomer.resume_token:
        message["resume"] = _resume(newcomer, settings)
    return message


def resumed(
    participant: Participant, room_id: str, mode: Mode, missed: int | None, settings: RoomSettings
) -> dict[str, object]:
    """First on a connection that takes the place of a broken one; what was missed follows.

    `missed` is how many messages that are, None where they are not to be had.
    """
    return {
        "type": "resumed",
        "clientId": participant.id,
        "roomId": room_id,
        "mode": mode,
        "missed": missed,
        "received": participant.received,
        "resume": _resume(participant, settings),
    }


def state(
    seq: int,
    participants: Iterable[Participant],
    tracks: Iterable[Track],
    speakers: Iterable[Speaker],
    media: Mapping[str, object] | None,
) -> dict[str, object]:
    """What goes into `resumed` instead of missed messages: the room as of the message `seq`."""
    return {
        "seq": seq,
        "participants": [_person(p) for p in participants],
        "tracks": [t.to_json() for t in tracks],
        "speakers": [s.to_json() for s in speakers],
        "media": media,
    }


def _resume(participant: Participant, settings: RoomSettings) -> dict[str, object]:
    return {"token": participant.resume_token, "seconds": settings.resume_seconds}


def participants_list(participants: Iterable[Participant]) -> dict[str, object]:
    """Who is in the room."""
    return {"type": "participants", "participants": [_person(p) for p in participants]}


def _person(participant: Participant) -> dict[str, object]:
    return {"id": participant.id, "displayName": participant.display_name, **_standing(participant)}


def _standing(participant: Participant) -> dict[str, object]:
    standing: dict[str, object] = {"role": participant.role}
    if participant.grants.bot:
        standing["bot"] = True
    return standing


def room_state(policy: RoomPolicy) -> dict[str, object]:
    """How a room is set, for those in it."""
    return {"name": policy.name, "locked": policy.locked, "lobby": policy.lobby, "guests": policy.guests}


def room_changed(policy: RoomPolicy) -> dict[str, object]:
    """The room is set otherwise."""
    return {"type": "room", **room_state(policy)}


def in_lobby(participant: Participant, room_id: str, policy: RoomPolicy, settings: RoomSettings) -> Message:
    """The newcomer has to wait until a moderator lets it in."""
    message: Message = {
        "type": "lobby",
        "clientId": participant.id,
        "roomId": room_id,
        "room": {"name": policy.name},
    }
    if participant.resume_token:
        message["resume"] = _resume(participant, settings)
    return message


def waiting(people: Iterable[Participant]) -> Message:
    """Who is in the lobby; for moderators."""
    return {
        "type": "waiting",
        "participants": [{"id": p.id, "displayName": p.display_name, "role": p.role} for p in people],
    }


def role_changed(participant: Participant, *, own: bool) -> Message:
    """A participant has another role; it is told its grants too."""
    message: Message = {"type": "role", "clientId": participant.id, "role": participant.role}
    if own:
        message["grants"] = participant.grants.to_json()
    return message


def muted(sources: Iterable[str], by: Participant | None) -> Message:
    """A moderator has muted what the participant sends; None: from outside the room."""
    return {"type": "muted", "sources": list(sources), "by": by.id if by is not None else None}


def presence(action: Literal["join", "leave"], participant: Participant) -> dict[str, object]:
    """Somebody came or went."""
    return {
        "type": "presence",
        "action": action,
        "clientId": participant.id,
        "displayName": participant.display_name,
        **_standing(participant),
    }


def profile(participant: Participant) -> dict[str, object]:
    """Somebody has a new name."""
    return {"type": "profile", "clientId": participant.id, "displayName": participant.display_name}


def chat(message: ChatMessage) -> dict[str, object]:
    """Somebody said something."""
    return {"type": "chat", **message.to_json()}


def relayed(body: Mapping[str, object], sender: Participant) -> dict[str, object]:
    """A negotiation message of one participant for another: as it came, with the true sender."""
    return {**body, "from": sender.id}


def sfu_answer(to: Participant, answer: Answer, request_id: RequestId | None) -> dict[str, object]:
    """The media server's answer to an offer."""
    message: dict[str, object] = {
        "type": "webrtc",
        "action": "answer",
        "from": SFU,
        "to": to.id,
        "sdp": answer.sdp,
        "publish": dict(answer.publish),
        "subscribe": dict(answer.subscribe),
    }
    return _with_id(message, request_id)


def tracks_changed(
    action: Literal["added", "updated", "removed"], tracks: Iterable[Track]
) -> dict[str, object]:
    """Tracks came, changed or went, each as it is now or was last."""
    return {"type": "tracks", "action": action, "tracks": [t.to_json() for t in tracks]}


def mode_changed(mode: Mode) -> dict[str, object]:
    """The room's media takes another path."""
    return {"type": "mode", "mode": mode}


def media_connected() -> dict[str, object]:
    """The participant's connection to the media server is up."""
    return {"type": "media", "state": "connected"}


def media_closed(reason: str) -> dict[str, object]:
    """The participant's connection to the media server has ended."""
    return {"type": "media", "state": "closed", "reason": reason}


def draining(draining: Draining) -> dict[str, object]:
    """The server is about to end; `endsAt` is milliseconds since 1970 in UTC."""
    return {"type": "draining", "endsAt": int(draining.ends_at * 1000), "url": draining.url}


def subscription(subscription: Subscription) -> dict[str, object]:
    """The participant gets another layer of a track than before."""
    return {"type": "subscription", **subscription.to_json()}


def encodings(track_id: str, active: Mapping[str, bool]) -> dict[str, object]:
    """Which encodings of its track the participant is to send."""
    wanted = [{"rid": rid, "active": sent} for rid, sent in active.items()]
    return {"type": "encodings", "trackId": track_id, "encodings": wanted}


def speakers(speaking: Iterable[Speaker]) -> dict[str, object]:
    """Who speaks, the loudest first."""
    return {"type": "speakers", "speakers": [s.to_json() for s in speaking]}


def quality(qualities: Mapping[str, CallQuality], to: str) -> dict[str, object]:
    """How the calls of some go. Why, is told only to the one whose call it is."""
    participants = []
    for client_id, judged in qualities.items():
        entry: dict[str, object] = {"clientId": client_id, "score": judged.score, "grade": judged.grade}
        if client_id == to:
            entry["cause"] = judged.cause.to_json() if judged.cause is not None else None
        participants.append(entry)
    return {"type": "quality", "participants": participants}


def stats(figures: Mapping[str, object], request_id: RequestId | None) -> dict[str, object]:
    """The answer to `stats`."""
    return _with_id({"type": "stats", **figures}, request_id)


def error(
    code: str, message: str, request: str | None = None, request_id: RequestId | None = None
) -> dict[str, object]:
    """A message or a join was refused."""
    body: dict[str, object] = {"type": "error", "code": code, "message": message}
    if request is not None:
        body["request"] = request
    return _with_id(body, request_id)


def pong(request_id: RequestId | None) -> dict[str, object]:
    """The answer to `ping`."""
    return _with_id({"type": "pong"}, request_id)


def _with_id(message: dict[str, object], request_id: RequestId | None) -> dict[str, object]:
    if request_id is not None:
        message["id"] = request_id
    return message
