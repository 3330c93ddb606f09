"""A room: who is in it, what they have to show, by which path, and what each of them is told. No IO.

Everything that happens is put on the participants' outboxes in the order in which it happened, so what a
participant has been told always adds up to what the room is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from signaling import announcements
from signaling.closing import REMOVED, Closing, Refused
from signaling.counters import Counters
from signaling.draining import Draining
from signaling.grants import GRANTS_OF_ROLE, Role
from signaling.history import ChatHistory, ChatMessage
from signaling.lobby import Lobby
from signaling.messages import (
    SFU,
    ClientMessage,
    DeclareTracks,
    GetStats,
    Moderate,
    Negotiate,
    Ping,
    ProtocolError,
    SendChat,
    SetProfile,
    SetSubscription,
)
from signaling.negotiator import MediaPermissions, Negotiator
from signaling.participant import Participant
from signaling.policy import RoomPolicy
from signaling.quality import CallQuality
from signaling.room_event import RoomEvent, RoomEventType, ignore
from signaling.settings import Mode, RoomMode, RoomSettings
from signaling.speaker import Speaker
from signaling.subscription import Subscription
from signaling.track import Encoding, Source, Track

# Ends of media that the client brought about itself: telling it would make it connect again.
_OWN_DOING = frozenset(("left", "replaced"))

DEFAULT_POLICY = RoomPolicy()


def _no_stats(_participant_id: str) -> Mapping[str, object]:
    return {}


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
        policy: RoomPolicy = DEFAULT_POLICY,
        history: Iterable[ChatMessage] = (),
        record: Callable[[RoomEvent], None] = ignore,
        new_session: Callable[[], str] = lambda: secrets.token_hex(8),
        stats: Callable[[str], Mapping[str, object]] = _no_stats,
    ) -> None:
        """`media` is None where there is no media server: then the room is p2p whatever its mode.

        `new_id` returns an id that is in no use: for chat messages. `history` is what was said
        before, `record` is told of what happens, `new_session` names calls, and
        `stats` returns the figures that concern a participant.
        """
        self.id = room_id
        self.room_mode = room_mode
        self._settings = settings
        self._media = media
        self._counters = counters
        self._new_id = new_id
        self._record = record
        self._new_session = new_session
        self._stats = stats
        self._participants: dict[str, Participant] = {}
        self._speakers: Sequence[Speaker] = ()
        self.policy = policy
        self.lobby = Lobby()
        self.history = ChatHistory(
            settings.chat_history,
            settings.chat_history_characters,
            settings.chat_history_seconds,
            history,
        )
        self.session_id = ""
        """Of the call that goes on, or was the last one."""
        self.mode: Mode = self._first_mode()

    def __len__(self) -> int:
        return len(self._participants)

    def __contains__(self, participant_id: object) -> bool:
        """Whether somebody of that id is in the room or in its lobby."""
        return participant_id in self._participants or participant_id in self.lobby

    @property
    def is_deserted(self) -> bool:
        """Whether nobody is in the room or in its lobby."""
        return not self._participants and not self.lobby

    def get(self, participant_id: str) -> Participant | None:
        """Return who is in the room under that id."""
        return self._participants.get(participant_id)

    @property
    def participants(self) -> tuple[Participant, ...]:
        """In the order in which they came."""
        return tuple(self._participants.values())

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What there is to see and hear."""
        return tuple(self._all_tracks())

    def join(self, newcomer: Participant, now: float = 0.0, *, invited: bool = False) -> None:
        """Let a participant in, welcome it, and tell the others; or have it wait in the lobby.

        `now` is seconds since 1970. `invited`: what guests may not is not asked. Raises Refused.
        """
        self._check(newcomer, invited)
        if self._has_to_wait(newcomer, invited):
            if len(self.lobby) >= self._settings.max_waiting:
                raise Refused("room_full", "Too many people wait to be let in. Try again later.")
            self.lobby.enter(newcomer)
            self._tell(newcomer, announcements.in_lobby(newcomer, self.id, self.policy, self._settings))
            self._tell_moderators()
            return
        self._check_capacity()
        self._enter(newcomer, now)

    def admit(self, waiting: Participant, now: float) -> None:
        """Let somebody in who waits in the lobby. Raises ProtocolError when the room is full."""
        try:
            self._check_capacity()
        except Refused as refusal:
            raise ProtocolError("room_full", refusal.closing.message) from None
        self.lobby.leave(waiting)
        self.lobby.remember_admitted(waiting)
        self._enter(waiting, now)
        self._tell_moderators()

    def _check(self, newcomer: Participant, invited: bool) -> None:
        if self.lobby.was_removed(newcomer):
            raise Refused(REMOVED.code, REMOVED.message)
        if self.policy.locked and not newcomer.grants.moderate:
            raise Refused("room_locked", "The room is locked. Ask somebody in it to unlock it.")
        if self.policy.guests == "deny" and newcomer.role == "guest" and not invited:
            raise Refused("guests_not_allowed", "Guests may not join this room. Sign in and join again.")

    def _check_capacity(self) -> None:
        limit = self.limit
        if len(self._participants) >= limit:
            raise Refused("room_full", f"The room is full: {limit} people are in it. Try again later.")

    def _has_to_wait(self, newcomer: Participant, invited: bool) -> bool:
        if newcomer.grants.moderate or newcomer.grants.bot or self.lobby.was_admitted(newcomer):
            return False
        if newcomer.role == "guest" and not invited and self.policy.guests == "lobby":
            return True
        return self.policy.lobby

    @property
    def limit(self) -> int:
        """How many people may be in the room."""
        own = self.policy.max_participants
        return min(own, self._settings.max_participants) if own else self._settings.max_participants

    def _enter(self, newcomer: Participant, now: float) -> None:
        if not self._participants:
            self.session_id = self._new_session()
            self._happened("room.started", {})
        self._participants[newcomer.id] = newcomer
        switched = self._switch_mode()
        welcome = announcements.welcome(
            newcomer,
            self.id,
            self.room_mode,
            self.mode,
            self._shown_to(newcomer),
            self._all_tracks(),
            self._shown_speakers(),
            self.history.recent(now),
            self.policy,
            self._settings,
        )
        self._tell(newcomer, welcome)
        self._tell(newcomer, announcements.participants_list(self._shown_to(newcomer)))
        if newcomer.grants.moderate and self.lobby:
            self._tell(newcomer, announcements.waiting(self.lobby.waiting))
        if not newcomer.grants.hidden:
            self._tell_others(newcomer, announcements.presence("join", newcomer))
        self._happened("participant.joined", _described(newcomer))
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
            if participant.id in self.lobby:
                return message | {"seq": outbox.last_seq, "lobby": True}
            message |= announcements.state(
                outbox.last_seq,
                self._shown_to(participant),
                self._all_tracks(),
                self._shown_speakers(),
                participant.media,
            )
            message |= {"room": announcements.room_state(self.policy), "role": participant.role}
            message["grants"] = participant.grants.to_json()
            if participant.grants.moderate:
                message["waiting"] = announcements.waiting(self.lobby.waiting)["participants"]
        return message

    def leave(self, participant: Participant) -> None:
        """Take a participant out, free what it held, and tell the others. Nothing happens if it has left."""
        if self.lobby.leave(participant):
            self._tell_moderators()
            return
        if self._participants.get(participant.id) is not participant:
            return
        del self._participants[participant.id]
        gone = tuple(participant.tracks.values())
        participant.tracks.clear()
        if gone:
            self._tell_all(announcements.tracks_changed("removed", gone))
        self._drop_speakers(gone)
        for track in gone:
            if track.sfu:
                self._happened("track.unpublished", _track(track))
        if not participant.grants.hidden:
            self._tell_all(announcements.presence("leave", participant))
        self._happened("participant.left", _described(participant))
        if not self._participants:
            self.mode = self._first_mode()
            self._happened("room.ended", {})
        if self._media is not None:
            self._media.leave(self.id, participant.id)
            if not self._participants:
                self._media.close_room(self.id)

    def drain(self, draining: Draining, participant: Participant) -> None:
        """Tell a participant that the server is about to end."""
        self._tell(participant, announcements.draining(draining))

    def close(self, closing: Closing) -> None:
        """End everybody's connection; each leaves as its connection ends."""
        for participant in (*self.participants, *self.lobby.waiting):
            participant.outbox.close(closing)

    # What moderators decide; moderation.py says who may.

    def set_policy(self, policy: RoomPolicy, now: float, room_mode: RoomMode | None = None) -> None:
        """Set the room otherwise and tell everybody; the mode p2p holds from the next call on."""
        if room_mode is not None:
            self.room_mode = room_mode
            if not self._participants:
                self.mode = self._first_mode()
            elif room_mode == "sfu":
                self._go_through_server(always=True)
        before, self.policy = self.policy, policy
        if before != policy:
            self._tell_all(announcements.room_changed(policy))
            self._happened("policy.changed", {"locked": policy.locked, "lobby": policy.lobby})
        if not policy.lobby:
            for waiting in self.lobby.waiting:
                if not self._has_to_wait(waiting, invited=False) and len(self._participants) < self.limit:
                    self.admit(waiting, now)

    def set_role(self, participant: Participant, role: Role) -> None:
        """Make somebody another role; what they may no longer do ends at once."""
        was = participant.grants
        participant.role = role
        participant.grants = replace(GRANTS_OF_ROLE[role], hidden=was.hidden, bot=was.bot)
        self._tell(participant, announcements.role_changed(participant, own=True))
        if not was.hidden:
            self._tell_others(participant, announcements.role_changed(participant, own=False))
        self._permit(participant)
        refused = [source for source in participant.tracks if not participant.grants.may_publish(source)]
        self._change(participant, dict.fromkeys(refused))
        if participant.grants.moderate and not was.moderate:
            self._tell(participant, announcements.waiting(self.lobby.waiting))
        self._happened("role.changed", {"userId": participant.user_id, "role": role})

    def silence(
        self, participant: Participant, sources: Iterable[Source] | None, by: Participant | None
    ) -> None:
        """Stop what somebody sends, all of it where `sources` is None, until they unmute it themselves."""
        stopped = [
            source
            for source in (participant.tracks if sources is None else sources)
            if source in participant.tracks and not participant.tracks[source].muted
        ]
        if not stopped:
            return
        participant.silenced |= dict.fromkeys(stopped, False)
        self._tell(participant, announcements.muted(stopped, by))
        changes = {source: replace(participant.tracks[source], muted=True) for source in stopped}
        self._change(participant, changes)
        # Between two people media does not pass the server: from now on it does, where the room allows.
        self._go_through_server(always=False)
        self._permit(participant)

    def _permissions(self, participant: Participant) -> MediaPermissions:
        grants = participant.grants
        return MediaPermissions(
            grants.sources, grants.subscribe, frozenset(participant.silenced), self.policy.video_codecs
        )

    def _permit(self, participant: Participant) -> None:
        if self._media is not None:
            self._media.permit(self.id, participant.id, self._permissions(participant))
        if participant.grants.needs_server:
            self._go_through_server(always=False)

    def _go_through_server(self, *, always: bool) -> None:
        if self.mode == "sfu" or self._media is None or not (always or self.room_mode == "auto"):
            return
        self.mode = "sfu"
        self._counters.mode_switches += 1
        self._tell_all(announcements.mode_changed(self.mode))

    def receive(self, sender: Participant, message: ClientMessage, now: float) -> None:
        """Do what a participant asks. `now` is seconds since 1970. Raises ProtocolError."""
        if sender.id in self.lobby:
            self._receive_in_lobby(sender, message)
            return
        match message:
            case SetProfile():
                sender.display_name = message.display_name
                if sender.grants.hidden:
                    self._tell(sender, announcements.profile(sender))
                else:
                    self._tell_all(announcements.profile(sender))
            case SendChat():
                if not sender.grants.chat or sender.grants.hidden:
                    raise ProtocolError("not_permitted", "you may not write to this room; ask a moderator")
                self._say(sender, message.text, now)
            case Negotiate() if message.to == SFU:
                self._negotiate(sender, message)
            case Negotiate():
                self._relay(sender, message)
            case DeclareTracks():
                self._declare(sender, message.tracks)
            case SetSubscription():
                self._set_subscription(sender, message)
            case Moderate():
                # Rooms knows who may: see moderation.py.
                raise ProtocolError("not_permitted", "only moderators may do this")
            case GetStats():
                self._tell(sender, announcements.stats(self._stats(sender.id), message.id))
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
            new = not track.sfu
            track = replace(track, sfu=True, encodings=encodings)
            self._change(participant, {source: track})
            if new:
                self._happened("track.published", _track(track))

    def track_unpublished(self, participant_id: str, source: Source) -> None:
        """A participant's track cannot be subscribed to any more."""
        participant = self._participants.get(participant_id)
        if participant is not None and source in participant.tracks:
            track = participant.tracks[source]
            gone = replace(track, sfu=False, encodings=()) if track.declared else None
            self._change(participant, {source: gone})
            if track.sfu:
                self._happened("track.unpublished", _track(track))

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

    def speakers_changed(self, speakers: Sequence[Speaker]) -> None:
        """Others speak than before, or another one is the loudest; the loudest are first."""
        self._speakers = speakers
        self._tell_all(announcements.speakers(self._shown_speakers()))

    def tell_quality(
        self, news: Mapping[str, CallQuality], known: Mapping[str, CallQuality], newcomers: Container[str]
    ) -> None:
        """Tell everybody how the calls of some go: `news`, and to `newcomers` all that is `known`."""
        hidden = {p.id for p in self._participants.values() if p.grants.hidden}
        for participant in self._participants.values():
            told = known if participant.id in newcomers else news
            told = {id_: q for id_, q in told.items() if id_ == participant.id or id_ not in hidden}
            if told:
                self._tell(participant, announcements.quality(told, participant.id))

    def may_send_data(self, participant_id: str) -> bool:
        """Whether a participant may send data messages through the media server; asked for each one."""
        participant = self._participants.get(participant_id)
        return participant is not None and participant.grants.data and not participant.grants.hidden

    def data_refused(self, participant_id: str, code: str, message: str) -> None:
        """A participant's data message was not delivered."""
        participant = self._participants.get(participant_id)
        if participant is not None:
            self._tell(participant, announcements.error(code, message, request="data"))

    # How it is done.

    def _first_mode(self) -> Mode:
        return "sfu" if self.room_mode == "sfu" and self._media is not None else "p2p"

    def _switch_mode(self) -> bool:
        crowded = len(self._participants) > self._settings.p2p_limit or any(
            participant.grants.needs_server for participant in self._participants.values()
        )
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
            self.id,
            sender.id,
            message.sdp,
            message.publish,
            message.subscribe,
            local=sender.local,
            permissions=self._permissions(sender),
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
        if sender.grants.needs_server or recipient.grants.needs_server:
            # What goes from one to the other directly cannot be held to what they may.
            raise ProtocolError(
                "not_permitted", "one of the two may not send or receive everything; negotiate with sfu"
            )
        self._tell(recipient, announcements.relayed(message.body, sender))

    def _declare(self, participant: Participant, declared: Mapping[Source, bool]) -> None:
        for source in declared:
            if not participant.grants.may_publish(source):
                raise ProtocolError("not_permitted", f"you may not show {source} here; ask a moderator")
        lifted = False
        for source, acknowledged in tuple(participant.silenced.items()):
            if acknowledged and not declared.get(source, True):
                del participant.silenced[source]
                lifted = True
            elif declared.get(source, True):
                participant.silenced[source] = True
        if lifted:
            self._permit(participant)
        changes: dict[Source, Track | None] = {}
        for source, muted in declared.items():
            track = participant.tracks.get(source) or Track(participant.id, source)
            stopped = muted or source in participant.silenced
            changes[source] = replace(track, declared=True, muted=stopped)
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
        gone: list[Track] = []
        for source, track in changes.items():
            before = participant.tracks.get(source)
            if before is not None and before.sfu and not (track is not None and track.sfu):
                gone.append(before)
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
        self._drop_speakers(gone)

    def _drop_speakers(self, gone: Iterable[Track]) -> None:
        # The media server tells nothing more of a room whose last transport has ended.
        ids = {track.id for track in gone}
        left = [speaker for speaker in self._speakers if speaker.track_id not in ids]
        if len(left) < len(self._speakers):
            self.speakers_changed(left)

    def _receive_in_lobby(self, sender: Participant, message: ClientMessage) -> None:
        match message:
            case SetProfile():
                sender.display_name = message.display_name
                self._tell(sender, announcements.profile(sender))
                self._tell_moderators()
            case Ping():
                self._tell(sender, announcements.pong(message.id))
            case _:
                raise ProtocolError("not_admitted", "wait in the lobby until a moderator lets you in")

    def _say(self, sender: Participant, text: str, now: float) -> None:
        said = ChatMessage(self._new_id(), sender.id, sender.display_name, text, int(now * 1000))
        self.history.add(said)
        self._tell_all(announcements.chat(said))
        self._happened("chat.sent", said.to_json())

    def _happened(self, kind: RoomEventType, data: Mapping[str, object]) -> None:
        self._record(RoomEvent(kind, self.id, self.session_id, data))

    def _shown_to(self, viewer: Participant) -> list[Participant]:
        return [p for p in self._participants.values() if p is viewer or not p.grants.hidden]

    def _tell_moderators(self) -> None:
        message = announcements.waiting(self.lobby.waiting)
        for participant in self._participants.values():
            if participant.grants.moderate:
                self._tell(participant, message)

    def _all_tracks(self) -> Iterator[Track]:
        for participant in self._participants.values():
            yield from participant.tracks.values()

    def _shown_speakers(self) -> list[Speaker]:
        """Who is seen to speak: nobody who is hidden, or whose track has gone since."""
        return [
            speaker
            for speaker in self._speakers
            if (owner := self._participants.get(speaker.client_id)) is not None
            and not owner.grants.hidden
            and any(track.id == speaker.track_id and track.sfu for track in owner.tracks.values())
        ]

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


def _described(participant: Participant) -> dict[str, object]:
    return {
        "participantId": participant.id,
        "displayName": participant.display_name,
        "userId": participant.user_id,
        "role": participant.role,
        "hidden": participant.grants.hidden,
        "bot": participant.grants.bot,
    }


def _track(track: Track) -> dict[str, object]:
    return {"trackId": track.id, "participantId": track.client_id, "source": track.source}
