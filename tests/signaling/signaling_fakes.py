"""Stand-ins and short ways for the tests of signaling."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping

from sfu.events import Event
from sfu.offer import Answer as SfuAnswer
from sfu.offer import Offer, Permissions
from signaling.counters import Counters
from signaling.negotiator import Answer, MediaPermissions, Negotiator
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.room import Room
from signaling.settings import RoomMode, RoomSettings

DEFAULTS = RoomSettings()


def counting(prefix: str = "n") -> Callable[[], str]:
    """Ids that a test can foretell: n1, n2, …"""
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers)}"


class ScriptedNegotiator:
    """Notes what it is asked; answers with `answer` or raises `error`."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.answer = Answer("v=0 answer", {}, {})
        self.permissions: dict[str, MediaPermissions] = {}
        self.error: Exception | None = None

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error

    def offer(
        self,
        room_id: str,
        participant_id: str,
        sdp: str,
        publish: Mapping[str, str],
        subscribe: Mapping[str, str],
        *,
        local: bool,
        permissions: MediaPermissions,
    ) -> Answer:
        self.permissions[participant_id] = permissions
        self._note("offer", room_id, participant_id, sdp, dict(publish), dict(subscribe), local)
        return self.answer

    def permit(self, room_id: str, participant_id: str, permissions: MediaPermissions) -> None:
        self.permissions[participant_id] = permissions
        self.calls.append(("permit", room_id, participant_id, permissions))

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool) -> None:
        self._note("pause", room_id, participant_id, track_id, paused)

    def wish(self, room_id: str, participant_id: str, track_id: str, wish: object) -> None:
        self._note("wish", room_id, participant_id, track_id, wish)

    def leave(self, room_id: str, participant_id: str) -> None:
        self.calls.append(("leave", room_id, participant_id))

    def close_room(self, room_id: str) -> None:
        self.calls.append(("close_room", room_id))


class ScriptedMediaServer:
    """The part of the SFU's server that signaling uses."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.answer = SfuAnswer("v=0 answer", {"0": "me:microphone"}, {"1": None})
        self.error: Exception | None = None
        self._callback: Callable[[Event], None] | None = None

    def emit(self, event: Event) -> None:
        assert self._callback is not None
        self._callback(event)

    def on_event(self, callback: Callable[[Event], None]) -> None:
        self._callback = callback

    def permit_data(self, may_send: Callable[[str, str], bool]) -> None:
        self.may_send_data = may_send

    def permit(self, room_id: str, participant_id: str, permissions: Permissions) -> None:
        self.calls.append(("permit", room_id, participant_id, permissions))

    def offer(self, room_id: str, participant_id: str, offer: Offer, *, local: bool = False) -> SfuAnswer:
        self.calls.append(("offer", room_id, participant_id, offer, local))
        if self.error is not None:
            raise self.error
        return self.answer

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool) -> None:
        self.calls.append(("pause", room_id, participant_id, track_id, paused))

    def wish(self, room_id: str, participant_id: str, track_id: str, wish: object) -> None:
        self.calls.append(("wish", room_id, participant_id, track_id, wish))
        if self.error is not None:
            raise self.error

    def leave(self, room_id: str, participant_id: str) -> None:
        self.calls.append(("leave", room_id, participant_id))

    def close_room(self, room_id: str) -> None:
        self.calls.append(("close_room", room_id))


def make_room(
    mode: RoomMode = "auto", *, media: Negotiator | None = None, settings: RoomSettings = DEFAULTS
) -> Room:
    return Room("r", mode, settings, media=media, counters=Counters(), new_id=counting("m"))


def enter(room: Room, participant_id: str, *, messages: int = 10_000, **fields: object) -> Participant:
    """Join under the id, which is the name too, in capitals; the outbox takes so many messages."""
    outbox = connected(Outbox(messages, 10_000_000))
    participant = Participant(participant_id, participant_id.upper(), outbox, **fields)
    room.join(participant)
    return participant


def connected(outbox: Outbox) -> Outbox:
    """The outbox with a connection that does nothing."""
    outbox.attach(lambda: None, lambda closing: None)
    return outbox


def numbered(participant: Participant) -> list[dict[str, object]]:
    """What a participant has been told since the last look, as it is sent."""
    messages = []
    while (frame := participant.outbox.take()) is not None:
        messages.append(json.loads(frame))
    return messages


def told(participant: Participant) -> list[dict[str, object]]:
    """What a participant has been told since the last look, without the numbers."""
    messages = numbered(participant)
    for message in messages:
        assert message.pop("seq") > 0
    return messages


def hush(*participants: Participant) -> None:
    """Forget what they have been told so far."""
    for participant in participants:
        told(participant)
