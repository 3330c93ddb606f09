"""Whatever happens in a room, what each participant has been told adds up to what the room is.

Also when connections break at any point, with messages on their way, and are resumed.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from signaling_fakes import ScriptedNegotiator, connected, enter, make_room, numbered

from signaling.messages import DeclareTracks, SetProfile
from signaling.settings import RoomSettings
from signaling.track import KIND_OF_SOURCE, Encoding

SOURCES = st.sampled_from(sorted(KIND_OF_SOURCE))
ENCODINGS = st.lists(
    st.builds(Encoding, st.sampled_from(["", "l", "h"]), st.sampled_from(["VP8", "opus"])),
    min_size=1,
    max_size=3,
).map(tuple)


class View:
    """What a client knows, by its messages alone, and it is strict about them."""

    def __init__(self) -> None:
        self.seq = 0
        self.mode = ""
        self.people: dict[str, str] = {}
        self.tracks: dict[str, dict[str, object]] = {}

    def resume(self, message: dict) -> None:
        if message["missed"] is None:
            self.seq = message["seq"]
            self.mode = message["mode"]
            self.people = {p["id"]: p["displayName"] for p in message["participants"]}
            self.tracks = {t["id"]: t for t in message["tracks"]}

    def apply(self, message: dict) -> None:
        self.seq += 1
        assert message["seq"] == self.seq
        match message["type"]:
            case "welcome":
                assert not self.people
                self.mode = message["mode"]
                self.people = {p["id"]: p["displayName"] for p in message["participants"]}
                self.tracks = {t["id"]: t for t in message["tracks"]}
            case "participants":
                assert self.people == {p["id"]: p["displayName"] for p in message["participants"]}
            case "presence" if message["action"] == "join":
                assert message["clientId"] not in self.people
                self.people[message["clientId"]] = message["displayName"]
            case "presence":
                assert self.people.pop(message["clientId"]) == message["displayName"]
                assert message["clientId"] not in {t["clientId"] for t in self.tracks.values()}
            case "profile":
                assert message["clientId"] in self.people
                self.people[message["clientId"]] = message["displayName"]
            case "mode":
                assert message["mode"] != self.mode
                self.mode = message["mode"]
            case "tracks":
                self._tracks(message["action"], message["tracks"])
            case _:
                raise AssertionError(message)

    def _tracks(self, action: str, tracks: list[dict]) -> None:
        assert tracks
        for track in tracks:
            assert track["clientId"] in self.people
            if action == "added":
                assert track["id"] not in self.tracks
                self.tracks[track["id"]] = track
            elif action == "updated":
                assert self.tracks[track["id"]] != track
                self.tracks[track["id"]] = track
            else:
                assert self.tracks.pop(track["id"]) == track


class RoomViews(RuleBasedStateMachine):
    people = Bundle("people")

    def __init__(self) -> None:
        super().__init__()
        self.room = make_room("auto", media=ScriptedNegotiator(), settings=RoomSettings(max_participants=50))
        self.views: dict[str, View] = {}
        self.declared: dict[tuple[str, str], bool] = {}
        self.published: dict[tuple[str, str], tuple[Encoding, ...]] = {}
        self.names: dict[str, str] = {}
        self.crowded = False
        self.count = 0
        self.dying: dict[str, int] = {}
        """Whose connection is about to break, and how many more messages still arrive."""

    @rule(target=people, messages=st.sampled_from([4, 10_000]))
    def join(self, messages):
        self.count += 1
        participant = enter(self.room, f"p{self.count}", messages=messages)
        self.views[participant.id] = View()
        self.names[participant.id] = participant.display_name
        self.crowded = self.crowded or len(self.names) > 2
        return participant

    @rule(participant=consumes(people))
    def leave(self, participant):
        self.room.leave(participant)
        self.dying.pop(participant.id, None)
        del self.views[participant.id], self.names[participant.id]
        self.declared = {key: v for key, v in self.declared.items() if key[0] != participant.id}
        self.published = {key: v for key, v in self.published.items() if key[0] != participant.id}
        self.crowded = self.crowded and bool(self.names)

    @rule(participant=people, tracks=st.dictionaries(SOURCES, st.booleans()))
    def declare(self, participant, tracks):
        self.room.receive(participant, DeclareTracks(tracks), 0.0)
        self.declared = {key: v for key, v in self.declared.items() if key[0] != participant.id}
        self.declared |= {(participant.id, source): muted for source, muted in tracks.items()}

    @rule(participant=people, source=SOURCES, encodings=ENCODINGS)
    def publish(self, participant, source, encodings):
        self.room.track_published(participant.id, source, encodings)
        self.published[participant.id, source] = encodings

    @rule(participant=people, source=SOURCES)
    def unpublish(self, participant, source):
        self.room.track_unpublished(participant.id, source)
        self.published.pop((participant.id, source), None)

    @rule(participant=people, name=st.sampled_from(["Ada", "Bob"]))
    def rename(self, participant, name):
        self.room.receive(participant, SetProfile(name), 0.0)
        self.names[participant.id] = name

    @rule(participant=people, arriving=st.integers(0, 6))
    def begin_to_die(self, participant, arriving):
        self.dying.setdefault(participant.id, arriving)

    @precondition(lambda self: self.dying)
    @rule(data=st.data())
    def notice_the_death(self, data):
        self._somebody_dying(data).outbox.detach()

    @precondition(lambda self: self.dying)
    @rule(data=st.data())
    def resume(self, data):
        """Whether the death was noticed or not."""
        participant = self._somebody_dying(data)
        del self.dying[participant.id]
        view = self.views[participant.id]
        told_first = self.room.resume(participant, view.seq)
        connected(participant.outbox)
        assert told_first["missed"] in (None, len(participant.outbox))
        view.resume(told_first)

    @invariant()
    def the_room_is_what_was_done(self):
        tracks = {
            f"{client}:{source}": {
                "id": f"{client}:{source}",
                "clientId": client,
                "kind": KIND_OF_SOURCE[source],
                "source": source,
                "muted": self.declared.get((client, source), False),
                "sfu": (client, source) in self.published,
                "encodings": [
                    {"rid": e.rid, "codec": e.codec} for e in self.published.get((client, source), ())
                ],
            }
            for client, source in self.declared.keys() | self.published.keys()
        }
        assert {track.id: track.to_json() for track in self.room.tracks} == tracks
        assert {p.id: p.display_name for p in self.room.participants} == self.names
        assert self.room.mode == ("sfu" if self.crowded else "p2p")

    @invariant()
    def everybody_knows_it(self):
        for participant in self.room.participants:
            view = self.views[participant.id]
            assert participant.outbox.closing is None
            if participant.id in self.dying:
                self._send_in_vain(participant)
                continue
            for message in numbered(participant):
                view.apply(message)
            assert view.people == self.names
            assert view.tracks == {track.id: track.to_json() for track in self.room.tracks}
            assert view.mode == self.room.mode

    def _somebody_dying(self, data):
        participant_id = data.draw(st.sampled_from(sorted(self.dying)))
        return next(p for p in self.room.participants if p.id == participant_id)

    def _send_in_vain(self, participant):
        if not participant.outbox.is_attached:
            return
        for message in numbered(participant):
            if self.dying[participant.id] > 0:
                self.dying[participant.id] -= 1
                self.views[participant.id].apply(message)


RoomViews.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestRoomViews = RoomViews.TestCase
