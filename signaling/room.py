"""A room: who is in it, what they have to show, by which path, and what each of them is told. No IO.

Everything that happens is put on the participants' outboxes in the order in which it happened, so what a
participant has been told always adds up to what the room is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

from signaling import announcements
from signaling.closing import Closing, Refused
from signaling.counters import Counters
from signaling.draining import Draining
from signaling.messages import (
    SFU,
    ClientMessage,
    DeclareTracks,
    Negotiate,
    Ping,
    ProtocolError,
    SendChat,
    SetProfile,
    SetSubscription,
)
from signaling.negotiator import Negotiator
from signaling.participant import Participant
from signaling.settings import Mode, RoomMode, RoomSettings
from signaling.subscription import Subscription
from signaling.track import Encoding, Source, Track

# Ends of media that the client brought about itself: telling it would make it connect again.
_OWN_DOING = frozenset(("left", "replaced"))


class Room:
    """One room. Participants join it through `Rooms`, which owns it."""

    def __init__(
        self,
        room_id: str,
        room_mode: RoomMode,
        settings: RoomSettings,
        *,
        media: Negotiator | None,
        counters: Counters,
        new_id: Callable[[], str],
    ) -> None:
        """`media` is None where there is no media server: then the room is p2p whatever its mode.

        `new_id` returns an id that is in no use: for chat messages.
        """
        self.id = room_id
        self.room_mode = room_mode
        self._settings = settings
        self._media = media
        self._counters = counters
        self._new_id = new_id
        self._participants: dict[str, Participant] = {}
        self.mode: Mode = self._first_mode()

    def __len__(self) -> int:
        return len(self._participants)

    def __contains__(self, participant_id: object) -> bool:
        return participant_id in self._participants

    @property
    def participants(self) -> tuple[Participant, ...]:
        """In the order in which they came."""
        return tuple(self._participants.values())

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What there is to see and hear."""
        return tuple(self._all_tracks())

    def join(self, newcomer: Participant) -> None:
        """Let a participant in, welcome it, and tell the others. Raises Refused when the room is full."""
        if len(self._participants) >= self._settings.max_participants:
            raise Refused(
                "room_full",
                f"The room is full: {self._settings.max_participants} people are in it. Try again later.",
            )
        self._participants[newcomer.id] = newcomer
        switched = self._switch_mode()
        welcome = announcements.welcome(
            newcomer,
            self.id,
            self.room_mode,
            self.mode,
            self.participants,
            self._all_tracks(),
            self._settings,
        )
        self._tell(newcomer, welcome)
        self._tell(newcomer, announcements.participants_list(self.participants))
        self._tell_others(newcomer, announcements.presence("join", newcomer))
        if switched:
            self._tell_others(newcomer, announcements.mode_changed(self.mode))

    def resume(self, participant: Participant, after: int | None) -> dict[str, object]:
        """Make what a participant missed wait for it again; return the `resumed` that it is told first.

        `after` is the number of the last message that it has. Where what came after that is not to be had any
        more, `resumed` carries the state of the room instead. The others are told nothing.
        """
        outbox = participant.outbox
        replayed = after is not None and outbox.rewind(after)
        missed = len(outbox) if replayed else None
        message = announcements.resumed(participant, self.id, self.mode, missed, self._settings)
        if not replayed:
            outbox.skip()
            message |= announcements.state(
                outbox.last_seq, self.participants, self._all_tracks(), participant.media
            )
        return message

    def leave(self, participant: Participant) -> None:
        """Take a participant out, free what it held, and tell the others. Nothing happens if it has left."""
        if self._participants.get(participant.id) is not participant:
            return
        del self._participants[participant.id]
        gone = tuple(participant.tracks.values())
        participant.tracks.clear()
        if gone:
            self._tell_all(announcements.tracks_changed("removed", gone))
        self._tell_all(announcements.presence("leave", participant))
        if not self._participants:
            self.mode = self._first_mode()
        if self._media is not None:
            self._media.leave(self.id, participant.id)
            if not self._participants:
                self._media.close_room(self.id)

    def drain(self, draining: Draining, participant: Participant) -> None:
        """Tell a participant that the server is about to end."""
        self._tell(participant, announcements.draining(draining))

    def close(self, closing: Closing) -> None:
        """End everybody's connection; each leaves as its connection ends."""
        for participant in self.participants:
            participant.outbox.close(closing)

    def receive(self, sender: Participant, message: ClientMessage, now: float) -> None:
        """Do what a participant asks. `now` is seconds since 1970. Raises ProtocolError."""
        match message:
            case SetProfile():
                sender.display_name = message.display_name
                self._tell_all(announcements.profile(sender))
            case SendChat():
                self._tell_all(announcements.chat(self._new_id(), sender, message.text, int(now * 1000)))
            case Negotiate() if message.to == SFU:
                self._negotiate(sender, message)
            case Negotiate():
                self._relay(sender, message)
            case DeclareTracks():
                self._declare(sender, message.tracks)
            case SetSubscription():
                self._set_subscription(sender, message)
            case Ping():
                self._tell(sender, announcements.pong(message.id))

    def _set_subscription(self, sender: Participant, message: SetSubscription) -> None:
        media = self._media_server()
        # The size first: what is resumed then comes in the layer that is right.
        if message.wish is not None:
            media.wish(self.id, sender.id, message.track_id, message.wish)
        if message.paused is not None:
            media.pause(self.id, sender.id, message.track_id, message.paused)

    # What the media server tells.

    def subscription_changed(self, participant_id: str, subscription: Subscription) -> None:
        """A participant gets another layer of a track than before."""
        participant = self._participants.get(participant_id)
        if participant is not None:
            self._tell(participant, announcements.subscription(subscription))

    def encodings_wanted(self, participant_id: str, track_id: str, active: Mapping[str, bool]) -> None:
        """A participant is to send these encodings of its track and let the others rest."""
        participant = self._participants.get(participant_id)
        if participant is not None:
            self._tell(participant, announcements.encodings(track_id, active))

    def track_published(self, participant_id: str, source: Source, encodings: tuple[Encoding, ...]) -> None:
        """A participant's track can be subscribed to, or is sent in other encodings than before."""
        participant = self._participants.get(participant_id)
        if participant is not None:
            track = participant.tracks.get(source) or Track(participant.id, source)
            self._change(participant, {source: replace(track, sfu=True, encodings=encodings)})

    def track_unpublished(self, participant_id: str, source: Source) -> None:
        """A participant's track cannot be subscribed to any more."""
        participant = self._participants.get(participant_id)
        if participant is not None and source in participant.tracks:
            track = participant.tracks[source]
            gone = replace(track, sfu=False, encodings=()) if track.declared else None
            self._change(participant, {source: gone})

    def media_connected(self, participant_id: str) -> None:
        """A participant's media flows."""
        participant = self._participants.get(participant_id)
        if participant is not None:
            self._tell_media(participant, announcements.media_connected())

    def media_closed(self, participant_id: str, reason: str) -> None:
        """A participant's media has ended; it stays in the room."""
        participant = self._participants.get(participant_id)
        if participant is not None and reason not in _OWN_DOING:
            self._tell_media(participant, announcements.media_closed(reason))

    def may_send_data(self, participant_id: str) -> bool:
        """Whether a participant may send data messages through the media server; asked for each one."""
        return participant_id in self._participants

    def data_refused(self, participant_id: str, code: str, message: str) -> None:
        """A participant's data message was not delivered."""
        participant = self._participants.get(participant_id)
        if participant is not None:
            self._tell(participant, announcements.error(code, message, request="data"))

    # How it is done.

    def _first_mode(self) -> Mode:
        return "sfu" if self.room_mode == "sfu" and self._media is not None else "p2p"

    def _switch_mode(self) -> bool:
        crowded = len(self._participants) > self._settings.p2p_limit
        if self.mode == "sfu" or self.room_mode != "auto" or self._media is None or not crowded:
            return False
        self.mode = "sfu"
        self._counters.mode_switches += 1
        return True

    def _media_server(self) -> Negotiator:
        if self._media is None:
            raise ProtocolError(
                "media_unavailable", "this server has no media server; negotiate with participants"
            )
        if self.mode == "p2p":
            raise ProtocolError("media_unavailable", "the room is in mode p2p; negotiate with participants")
        return self._media

    def _negotiate(self, sender: Participant, message: Negotiate) -> None:
        media = self._media_server()
        if message.action == "answer":
            raise ProtocolError("sdp_unexpected", "sfu was sent an answer; to sfu the client always offers")
        if message.action == "ice":
            # The server is ICE-lite: it learns the client's addresses from the checks that it receives.
            return
        answer = media.offer(
            self.id, sender.id, message.sdp, message.publish, message.subscribe, local=sender.local
        )
        self._tell(sender, announcements.sfu_answer(sender, answer, message.id))

    def _relay(self, sender: Participant, message: Negotiate) -> None:
        recipient = self._participants.get(message.to)
        if recipient is None:
            raise ProtocolError("unknown_recipient", f"nobody in this room has the id {message.to!r}")
        if recipient is sender:
            raise ProtocolError(
                "unknown_recipient", f"{message.to!r} is the sender; name another participant"
            )
        self._tell(recipient, announcements.relayed(message.body, sender))

    def _declare(self, participant: Participant, declared: Mapping[Source, bool]) -> None:
        changes: dict[Source, Track | None] = {}
        for source, muted in declared.items():
            track = participant.tracks.get(source) or Track(participant.id, source)
            changes[source] = replace(track, declared=True, muted=muted)
        for source, track in participant.tracks.items():
            if source not in declared:
                changes[source] = replace(track, declared=False, muted=False) if track.sfu else None
        self._change(participant, changes)

    def _change(self, participant: Participant, changes: Mapping[Source, Track | None]) -> None:
        told: dict[Literal["added", "updated", "removed"], list[Track]] = {
            "removed": [],
            "added": [],
            "updated": [],
        }
        for source, track in changes.items():
            before = participant.tracks.get(source)
            if track is not None:
                participant.tracks[source] = track
                if before is None:
                    told["added"].append(track)
                elif before.to_json() != track.to_json():
                    told["updated"].append(track)
            elif before is not None:
                told["removed"].append(participant.tracks.pop(source))
        for action, tracks in told.items():
            if tracks:
                self._tell_all(announcements.tracks_changed(action, tracks))

    def _all_tracks(self) -> Iterator[Track]:
        for participant in self._participants.values():
            yield from participant.tracks.values()

    def _tell_media(self, participant: Participant, message: Mapping[str, object]) -> None:
        participant.media = message
        self._tell(participant, message)

    def _tell(self, participant: Participant, message: Mapping[str, object]) -> None:
        participant.outbox.put(announcements.encode(message))

    def _tell_all(self, message: Mapping[str, object]) -> None:
        frame = announcements.encode(message)
        for participant in self._participants.values():
            participant.outbox.put(frame)

    def _tell_others(self, but: Participant, message: Mapping[str, object]) -> None:
        frame = announcements.encode(message)
        for participant in self._participants.values():
            if participant is not but:
                participant.outbox.put(frame)
