"""Who may decide what about whom in a room, and having it done. No IO."""

from __future__ import annotations

from dataclasses import replace

from signaling.closing import DENIED, REMOVED, ROOM_ENDED
from signaling.grants import Role, outranks
from signaling.messages import Moderate, ProtocolError
from signaling.participant import Participant
from signaling.room import Room


def moderate(room: Room, by: Participant, message: Moderate, now: float) -> None:
    """Do what a participant asks as a moderator. `now` is seconds since 1970. Raises ProtocolError."""
    if not by.grants.moderate:
        raise ProtocolError("not_permitted", "only moderators may do this; ask one of them")
    perform(room, message, by.role, now, by)


def perform(room: Room, message: Moderate, role: Role, now: float, by: Participant | None = None) -> None:
    """Do what somebody of `role` has decided; `by` None: from outside the room. Raises ProtocolError.

    Somebody can be decided about only by who is above them: moderators by the owner.
    """
    # A token may let somebody moderate who has another role: then as a moderator does.
    role = role if role == "owner" else "moderator"
    match message.action:
        case "lock":
            room.set_policy(replace(room.policy, locked=message.enabled), now)
        case "lobby":
            room.set_policy(replace(room.policy, lobby=message.enabled), now)
        case "end":
            room.close(ROOM_ENDED)
        case "admit":
            room.admit(_waiting(room, message.client_id), now)
        case "deny":
            person = _waiting(room, message.client_id)
            room.lobby.remember_removed(person)
            person.outbox.close(DENIED)
        case "remove":
            person = _subject(room, message.client_id, role, by)
            room.lobby.remember_removed(person)
            person.outbox.close(REMOVED)
        case "mute":
            person = _subject(room, message.client_id, role, by)
            room.silence(person, [message.source] if message.source is not None else None, by)
        case "role":
            assert message.role is not None
            person = _subject(room, message.client_id, role, by)
            if not outranks(role, message.role):
                raise ProtocolError("not_permitted", f"only the owner makes somebody {message.role}")
            room.set_role(person, message.role)


def _waiting(room: Room, client_id: str) -> Participant:
    person = room.lobby.get(client_id)
    if person is None:
        raise ProtocolError("unknown_recipient", f"nobody in the lobby has the id {client_id!r}")
    return person


def _subject(room: Room, client_id: str, role: Role, by: Participant | None) -> Participant:
    person = room.get(client_id)
    if person is None:
        raise ProtocolError("unknown_recipient", f"nobody in this room has the id {client_id!r}")
    theirs: Role = "moderator" if person.grants.moderate and person.role != "owner" else person.role
    if person is by or not outranks(role, theirs):
        raise ProtocolError("not_permitted", f"a {role} may not decide this about a {theirs}")
    return person
