"""The rooms of this server: opened, joined, and gone some time after they are empty. No IO."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from signaling.closing import Closing, Refused
from signaling.counters import Counters
from signaling.messages import SFU
from signaling.names import ROOM_ID_ALPHABET, ROOM_ID_CHARACTERS, clean_display_name, is_room_id
from signaling.negotiator import Negotiator
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.room import Room
from signaling.settings import RoomMode, RoomSettings


class TooManyRooms(Exception):  # noqa: N818
    """The server holds as many rooms as it may."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who a participant is when it is not a guest."""

    user_id: int
    name: str


class Rooms:
    """Owns every room. `now` is seconds on a clock that never goes back."""

    def __init__(
        self,
        settings: RoomSettings,
        *,
        media: Negotiator | None = None,
        counters: Counters | None = None,
        choose: Callable[[str], str] = secrets.choice,
        new_id: Callable[[], str] = lambda: secrets.token_hex(6),
    ) -> None:
        """`choose` picks a character of a room id, `new_id` makes the ids of participants and messages."""
        self.settings = settings
        self.counters = counters if counters is not None else Counters()
        self._media = media
        self._choose = choose
        self._new_id = new_id
        self._rooms: dict[str, Room] = {}
        self._expires: dict[str, float] = {}
        self._closing: Closing | None = None

    def __len__(self) -> int:
        return len(self._rooms)

    def __iter__(self) -> Iterator[Room]:
        return iter(tuple(self._rooms.values()))

    @property
    def participant_count(self) -> int:
        """In all rooms."""
        return sum(map(len, self._rooms.values()))

    def get(self, room_id: str) -> Room | None:
        """Return the room, or None where there is none of that id."""
        return self._rooms.get(room_id)

    def create(self, now: float, room_mode: RoomMode | None = None) -> Room:
        """Open an empty room under a new id. Raises TooManyRooms."""
        while True:
            room_id = "".join(self._choose(ROOM_ID_ALPHABET) for _ in range(ROOM_ID_CHARACTERS))
            if room_id not in self._rooms:
                break
        room = self._open(room_id, room_mode or self.settings.mode)
        self._expires[room_id] = now + self.settings.created_grace
        return room

    def join(
        self,
        room_id: str,
        outbox: Outbox,
        now: float,
        *,
        account: Account | None = None,
        display_name: str = "",
        local: bool = False,
    ) -> tuple[Room, Participant]:
        """Let somebody into a room; an account opens the room where there is none. Raises Refused.

        An empty `display_name` becomes the account's name, or that of a guest.
        """
        if self._closing is not None:
            raise Refused(self._closing.code, self._closing.message)
        if not is_room_id(room_id):
            raise Refused("bad_request", "The room id must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -.")
        if account is None and not self.settings.guests:
            raise Refused(
                "guests_not_allowed", "Guests may not join rooms on this server. Sign in and join again."
            )
        participant_id = self._new_participant_id(room_id)
        name = self._name(display_name, account, participant_id)
        room = self._rooms.get(room_id)
        if room is None:
            room = self._open_for(account, room_id)
        participant = Participant(participant_id, name, outbox, account.user_id if account else None, local)
        room.join(participant)
        self._expires.pop(room_id, None)
        self.counters.joins += 1
        return room, participant

    def leave(self, room: Room, participant: Participant, now: float) -> None:
        """Take a participant out of its room. Nothing happens if it has left."""
        if participant.id not in room:
            return
        try:
            room.leave(participant)
        finally:
            self.counters.leaves += 1
            if not room:
                self._expires[room.id] = now + self.settings.empty_grace

    def expire(self, now: float) -> int:
        """Forget the rooms that have been empty for long enough; return how many there were."""
        expired = [room_id for room_id, at in self._expires.items() if at <= now]
        for room_id in expired:
            del self._expires[room_id]
            del self._rooms[room_id]
        self.counters.rooms_expired += len(expired)
        return len(expired)

    def close(self, closing: Closing) -> None:
        """End every connection and let nobody in any more."""
        self._closing = closing
        for room in self:
            room.close(closing)

    def _open(self, room_id: str, room_mode: RoomMode) -> Room:
        if len(self._rooms) >= self.settings.max_rooms:
            raise TooManyRooms(
                f"The server has {len(self._rooms)} rooms, as many as it may. Try again later."
            )
        room = Room(
            room_id, room_mode, self.settings, media=self._media, counters=self.counters, new_id=self._new_id
        )
        self._rooms[room_id] = room
        self.counters.rooms_opened += 1
        return room

    def _open_for(self, account: Account | None, room_id: str) -> Room:
        if account is None:
            raise Refused(
                "room_not_found",
                "There is no such room. Check the link, or sign in to open a room under this name.",
            )
        try:
            return self._open(room_id, self.settings.mode)
        except TooManyRooms as error:
            raise Refused("room_full", str(error)) from error

    def _new_participant_id(self, room_id: str) -> str:
        room = self._rooms.get(room_id)
        while True:
            participant_id = self._new_id()
            if participant_id != SFU and (room is None or participant_id not in room):
                return participant_id

    def _name(self, wanted: str, account: Account | None, participant_id: str) -> str:
        limit = self.settings.display_name_characters
        if wanted.strip():
            try:
                return clean_display_name(wanted, limit)
            except ValueError as error:
                raise Refused("bad_request", str(error)) from error
        guest = f"Guest {participant_id[:4]}"
        if account is None:
            return guest
        try:
            return clean_display_name(account.name[:limit], limit)
        except ValueError:
            return guest
