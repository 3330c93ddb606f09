"""The rooms of this server: opened, joined, and gone some time after they are empty. No IO.

A participant leaves by itself, or some time after its connection broke: until then it is detached, and a new
connection may take its place.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from signaling.closing import Closing, Refused
from signaling.counters import Counters
from signaling.draining import Draining, ServerDraining
from signaling.messages import SFU
from signaling.names import ROOM_ID_ALPHABET, ROOM_ID_CHARACTERS, clean_display_name, is_room_id
from signaling.negotiator import Negotiator
from signaling.observer import NoObserver, Observer
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.policy import RoomPolicy
from signaling.resume import ResumeRefused, ResumeTokens, new_token
from signaling.room import Room
from signaling.room_event import RoomEvent, ignore
from signaling.settings import RoomMode, RoomSettings
from signaling.stats import NoStats, StatsSource
from signaling.visit import Account, StoredRoom, Visit


class TooManyRooms(Exception):  # noqa: N818
    """The server holds as many rooms as it may."""


class Rooms:
    """Owns every room. `now` is seconds on a clock that never goes back."""

    def __init__(
        self,
        settings: RoomSettings,
        *,
        media: Negotiator | None = None,
        counters: Counters | None = None,
        observer: Observer | None = None,
        choose: Callable[[str], str] = secrets.choice,
        new_id: Callable[[], str] = lambda: secrets.token_hex(6),
        new_token: Callable[[], str] = new_token,
    ) -> None:
        """`choose` picks a character of a room id, `new_id` makes the ids of participants and messages,
        `new_token` what connections are resumed with."""
        self.settings = settings
        self.counters = counters if counters is not None else Counters()
        self.observer: Observer = observer if observer is not None else NoObserver()
        self._media = media
        self._choose = choose
        self._new_id = new_id
        self._rooms: dict[str, Room] = {}
        self._expires: dict[str, float] = {}
        self._tokens = ResumeTokens(new_token)
        self._detached: dict[Participant, tuple[Room, float]] = {}
        """In the order in which their time ends."""
        self._aged_at = float("-inf")
        self._closing: Closing | None = None
        self.record: Callable[[RoomEvent], None] = ignore
        """Told of what happens in rooms that are opened from now on."""
        self.draining: Draining | None = None
        """Set while the server is about to end."""
        self.stats: StatsSource = NoStats()
        """Where the figures come from that participants may ask for."""

    def __len__(self) -> int:
        return len(self._rooms)

    def __iter__(self) -> Iterator[Room]:
        return iter(tuple(self._rooms.values()))

    @property
    def participant_count(self) -> int:
        """In all rooms."""
        return sum(map(len, self._rooms.values()))

    @property
    def detached_count(self) -> int:
        """Participants in all rooms whose connection broke and may be resumed."""
        return len(self._detached)

    def get(self, room_id: str) -> Room | None:
        """Return the room, or None where there is none of that id."""
        return self._rooms.get(room_id)

    def create(self, now: float, room_mode: RoomMode | None = None, stored: StoredRoom | None = None) -> Room:
        """Open an empty room under a new id. Raises TooManyRooms, ServerDraining."""
        if self.draining is not None:
            raise ServerDraining(self.draining)
        while True:
            room_id = "".join(self._choose(ROOM_ID_ALPHABET) for _ in range(ROOM_ID_CHARACTERS))
            if room_id not in self._rooms:
                break
        room = self._open(room_id, room_mode or self.settings.mode, stored)
        self._expires[room_id] = now + self.settings.created_grace
        return room

    def join(
        self,
        room_id: str,
        outbox: Outbox,
        now: float,
        *,
        account: Account | None = None,
        visit: Visit | None = None,
        wall: float = 0.0,
        display_name: str = "",
        local: bool = False,
        device: str | None = None,
    ) -> tuple[Room, Participant]:
        """Let somebody into a room; an account opens the room where there is none. Raises Refused.

        `visit` is who it is; without it, `account`. `wall` is seconds since 1970. An empty `display_name`
        becomes the account's name, or that of a guest. A detached participant of the
        same account and `device` leaves: it was the same person.
        """
        self._check_open()
        if not is_room_id(room_id):
            raise Refused("bad_request", "The room id must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -.")
        visit = visit or Visit.of_account(account)
        account = visit.account
        if account is None and not visit.invited and not self.settings.guests:
            raise Refused(
                "guests_not_allowed", "Guests may not join rooms on this server. Sign in and join again."
            )
        participant_id = self._new_participant_id(room_id)
        name = self._name(display_name.strip() or visit.display_name, account, participant_id)
        room = self._rooms.get(room_id)
        if room is None:
            room = self._open_for(visit, room_id)
            self._expires[room_id] = now + self.settings.empty_grace
        user_id = account.user_id if account else None
        participant = Participant(
            participant_id,
            name,
            outbox,
            user_id,
            local,
            device,
            role=visit.role,
            grants=visit.grants,
            keys=_keys(visit, device),
        )
        self._lay_ghosts(room, participant, now)
        if self.settings.resume_seconds:
            self._tokens.issue(room_id, participant)
        try:
            room.join(participant, wall, invited=visit.invited)
        except Refused:
            self._tokens.spend(participant, "unknown")
            raise
        self._expires.pop(room_id, None)
        self.counters.joins += 1
        if self.draining is not None:
            room.drain(self.draining, participant)
        return room, participant

    def detach(self, room: Room, participant: Participant, now: float) -> None:
        """A participant's connection broke: it stays in the room until it is resumed or its time is over.

        Where connections are not resumed it leaves.
        """
        participant.outbox.detach()
        if participant.id not in room:
            return
        if participant.outbox.closing is not None or not participant.resume_token:
            self.leave(room, participant, now)
            return
        self._detached[participant] = (room, now + self.settings.resume_seconds)

    def resume(
        self, room_id: str, token: str, after: int | None, now: float, *, local: bool = False
    ) -> tuple[Room, Participant, dict[str, object]]:
        """Give a participant's place to a new connection, also where the old one seems to live.

        `after` is the number of the last message that the client has. Returns the `resumed` to be sent first;
        the connection then has to attach to the outbox. Raises Refused.
        """
        self._check_open()
        try:
            participant = self._tokens.find(room_id, token)
            room, until = self._detached.get(participant, (self._rooms[room_id], float("inf")))
            if until <= now:
                self.leave(room, participant, now)
                raise ResumeRefused("late")
        except ResumeRefused as refusal:
            self.counters.resumes_refused[refusal.reason] += 1
            raise
        if participant.outbox.closing is not None:
            raise Refused(participant.outbox.closing.code, participant.outbox.closing.message)
        self._detached.pop(participant, None)
        self._tokens.renew(room_id, participant, token)
        participant.local = local
        self.counters.resumed += 1
        return room, participant, room.resume(participant, after)

    def heard(self, participant: Participant) -> None:
        """A message came on a participant's connection: it has what it was told first, its newest token."""
        if participant.former_token:
            self._tokens.confirm(participant)

    def leave(self, room: Room, participant: Participant, now: float) -> None:
        """Take a participant out of its room. Nothing happens if it has left."""
        if participant.id not in room:
            return
        self._detached.pop(participant, None)
        self._tokens.spend(participant, "late")
        try:
            room.leave(participant)
        finally:
            participant.outbox.detach()
            self.counters.frames_dropped += participant.outbox.dropped
            self.counters.leaves += 1
            if room.is_deserted:
                self._expires[room.id] = now + self.settings.empty_grace

    def remove(self, room: Room, participant_id: str, closing: Closing, now: float) -> bool:
        """Take somebody out of a room against their will; `closing` tells them. False: nobody of that id is
        there."""
        participant = next((p for p in room.participants if p.id == participant_id), None)
        if participant is None:
            return False
        participant.outbox.close(closing)
        self.leave(room, participant, now)
        return True

    def expire(self, now: float) -> int:
        """End what is over: the time of the detached, rooms that have long been empty, and messages that
        nobody will ask for again. Returns how many rooms were forgotten.
        """
        for participant, (room, until) in tuple(self._detached.items()):
            if until > now:
                break
            self.leave(room, participant, now)
        self._age(now)
        expired = [room_id for room_id, at in self._expires.items() if at <= now]
        for room_id in expired:
            del self._expires[room_id]
            del self._rooms[room_id]
        self.counters.rooms_expired += len(expired)
        return len(expired)

    def drain(self, draining: Draining) -> None:
        """Open no room any more, and tell everybody; who is in a room may stay, leave and come back."""
        self.draining = draining
        for room in self:
            for participant in room.participants:
                room.drain(draining, participant)

    def close(self, closing: Closing, now: float) -> None:
        """End every connection and let nobody in any more; the detached leave."""
        self._closing = closing
        for room in self:
            room.close(closing)
        for participant, (room, _) in tuple(self._detached.items()):
            self.leave(room, participant, now)

    def forget(self, room_id: str, closing: Closing, now: float) -> None:
        """End a room at once, and everybody's connection to it. Nothing happens where it is not open."""
        room = self._rooms.get(room_id)
        if room is None:
            return
        room.close(closing)
        for participant in (*room.participants, *room.lobby.waiting):
            self.leave(room, participant, now)
        self._expires.pop(room_id, None)
        del self._rooms[room_id]

    def _check_open(self) -> None:
        if self._closing is not None:
            raise Refused(self._closing.code, self._closing.message)

    def _lay_ghosts(self, room: Room, newcomer: Participant, now: float) -> None:
        if newcomer.user_id is None or newcomer.device is None:
            return
        for ghost in room.participants:
            same = (ghost.user_id, ghost.device) == (newcomer.user_id, newcomer.device)
            if same and ghost in self._detached:
                self.leave(room, ghost, now)

    def _age(self, now: float) -> None:
        if now - self._aged_at < self.settings.history_seconds:
            return
        self._aged_at = now
        for room in self:
            for participant in room.participants:
                participant.outbox.age()

    def _open(self, room_id: str, room_mode: RoomMode, stored: StoredRoom | None = None) -> Room:
        if len(self._rooms) >= self.settings.max_rooms:
            raise TooManyRooms(
                f"The server has {len(self._rooms)} rooms, as many as it may. Try again later."
            )
        room = Room(
            room_id,
            room_mode,
            self.settings,
            media=self._media,
            counters=self.counters,
            new_id=self._new_id,
            policy=stored.policy if stored is not None else RoomPolicy(),
            history=stored.history if stored is not None else (),
            record=self.record,
            stats=lambda participant_id: self.stats.stats_of(room_id, participant_id),
        )
        self._rooms[room_id] = room
        self.counters.rooms_opened += 1
        return room

    def _open_for(self, visit: Visit, room_id: str) -> Room:
        if visit.account is None and visit.room is None:
            raise Refused(
                "room_not_found",
                "There is no such room. Check the link, or sign in to open a room under this name.",
            )
        if self.draining is not None:
            raise self.draining.refusal()
        try:
            mode = visit.room.mode if visit.room is not None else self.settings.mode
            return self._open(room_id, mode, visit.room)
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


def _keys(visit: Visit, device: str | None) -> frozenset[str]:
    keys = {f"device:{device}"} if device is not None else set()
    if visit.account is not None:
        keys.add(f"user:{visit.account.user_id}")
    if visit.token_id is not None:
        keys.add(f"token:{visit.token_id}")
    return frozenset(keys)
