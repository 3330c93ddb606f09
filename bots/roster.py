"""Who and what is in the room, kept from the server's messages. No IO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bots import messages
from bots.events import (
    Event,
    ModeChanged,
    NameChanged,
    ParticipantJoined,
    ParticipantLeft,
    QualityChanged,
    SpeakersChanged,
    TrackAdded,
    TrackChanged,
    TrackRemoved,
)
from bots.messages import KIND_OF, Json, Mode, Participant, Quality, Speaker, TrackInfo, Welcome
from bots.track import RemoteTrack


class Roster:
    """The room as the bot knows it."""

    def __init__(self, welcome: Welcome, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self.client_id = welcome.client_id
        self.room_id = welcome.room_id
        self.mode: Mode = welcome.mode
        self.room_mode = welcome.room_mode
        self.participants: dict[str, Participant] = {p.id: p for p in welcome.participants}
        self.tracks: dict[str, RemoteTrack] = {}
        self.qualities: dict[str, Quality] = {}
        self.speakers: tuple[Speaker, ...] = welcome.speakers
        self._clock = clock
        self._before_us = {p.id for p in welcome.participants}
        self._announcing: set[str] = set()
        for info in welcome.tracks:
            self._add(info)

    def was_first(self, client_id: str) -> bool:
        """Whether that participant was in the room before the bot."""
        return client_id in self._before_us

    def name_of(self, client_id: str) -> str:
        """The display name, or the id of somebody who has none here."""
        participant = self.participants.get(client_id)
        return participant.display_name if participant else client_id

    def apply(self, message: Json) -> list[Event]:
        """Take in a message of the server. Raises ProtocolViolated, and then nothing has changed."""
        match message.get("type"):
            case "participants":
                return self._participants(message)
            case "presence":
                return self._presence(message)
            case "profile":
                return self._profile(message)
            case "tracks":
                return self._tracks(message)
            case "mode":
                mode = messages.mode(message)
                if mode == self.mode:
                    return []
                self.mode = mode
                return [ModeChanged(mode)]
            case "quality":
                qualities = messages.qualities(message)
                self.qualities |= qualities
                return [QualityChanged(client_id, quality) for client_id, quality in qualities.items()]
            case "speakers":
                return self._speak(messages.speakers(message))
            case _:
                return []

    def heard(self, client_id: str, source: str) -> tuple[RemoteTrack | None, list[Event]]:
        """The track that a frame of this participant belongs to.

        A participant that never announces tracks (the original protocol has no `tracks`) gets one by its
        first frame.
        """
        track = self.tracks.get(f"{client_id}:{source}")
        if track is not None or client_id in self._announcing or client_id not in self.participants:
            return track, []
        info = TrackInfo(f"{client_id}:{source}", client_id, KIND_OF[source], source)
        track = self.tracks[info.id] = RemoteTrack(info, self._clock)
        return track, [TrackAdded(track)]

    def clear(self, error: Exception | None) -> None:
        """The bot has left: all tracks end."""
        for track in self.tracks.values():
            track.end(error)
        self.tracks.clear()

    def _participants(self, message: Json) -> list[Event]:
        there = {p.id: p for p in map(messages.participant, messages.objects(message, "participants"))}
        events: list[Event] = []
        for client_id, participant in there.items():
            if client_id not in self.participants and client_id != self.client_id:
                events.append(ParticipantJoined(participant))
        for client_id in [c for c in self.participants if c not in there]:
            events += self._remove(client_id)
        if not self.participants:
            # A server of the original protocol names nobody in its welcome.
            self._before_us |= set(there)
        self.participants = there
        return events

    def _presence(self, message: Json) -> list[Event]:
        action = messages.field(message, "action", str)
        client_id = messages.field(message, "clientId", str)
        if action == "leave":
            return self._remove(client_id)
        if action != "join" or client_id in self.participants:
            return []
        participant = Participant(client_id, str(message.get("displayName", "")))
        self.participants[client_id] = participant
        return [ParticipantJoined(participant)]

    def _profile(self, message: Json) -> list[Event]:
        participant = Participant(
            messages.field(message, "clientId", str), messages.field(message, "displayName", str)
        )
        if participant.id not in self.participants:
            return []
        self.participants[participant.id] = participant
        return [NameChanged(participant)]

    def _speak(self, speakers: tuple[Speaker, ...]) -> list[Event]:
        if speakers == self.speakers:
            return []
        self.speakers = speakers
        return [SpeakersChanged(speakers)]

    def _tracks(self, message: Json) -> list[Event]:
        events: list[Event] = []
        action = messages.field(message, "action", str)
        for info in messages.tracks(message):
            if info.client_id == self.client_id:
                continue
            track = self.tracks.get(info.id)
            if action == "removed":
                self.speakers = tuple(s for s in self.speakers if s.track_id != info.id)
                self._announcing.add(info.client_id)
                events += self._end(info.id)
            elif track is None:
                events.append(TrackAdded(self._add(info)))
            else:
                self._announcing.add(info.client_id)
                track.info = replace(info)
                events.append(TrackChanged(track))
        return events

    def _add(self, info: TrackInfo) -> RemoteTrack:
        self._announcing.add(info.client_id)
        track = RemoteTrack(info, self._clock)
        if info.client_id != self.client_id:
            self.tracks[info.id] = track
        return track

    def _end(self, track_id: str) -> list[Event]:
        track = self.tracks.pop(track_id, None)
        if track is None:
            return []
        track.end()
        return [TrackRemoved(track)]

    def _remove(self, client_id: str) -> list[Event]:
        self._before_us.discard(client_id)
        self._announcing.discard(client_id)
        self.qualities.pop(client_id, None)
        events: list[Event] = []
        for track_id in [t.id for t in self.tracks.values() if t.client_id == client_id]:
            events += self._end(track_id)
        participant = self.participants.pop(client_id, None)
        if participant is not None:
            events.append(ParticipantLeft(participant))
        return events
