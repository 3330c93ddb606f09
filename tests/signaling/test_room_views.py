"""Whatever happens in a room, what each participant has been told adds up to what the room is."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from signaling_fakes import ScriptedNegotiator, enter, make_room, told

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
        self.mode = ""
        self.people: dict[str, str] = {}
        self.tracks: dict[str, dict[str, object]] = {}

    def apply(self, message: dict) -> None:
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

    @rule(target=people)
    def join(self):
        self.count += 1
        participant = enter(self.room, f"p{self.count}")
        self.views[participant.id] = View()
        self.names[participant.id] = participant.display_name
        self.crowded = self.crowded or len(self.names) > 2
        return participant

    @rule(participant=consumes(people))
    def leave(self, participant):
        self.room.leave(participant)
        told(participant)
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
            for message in told(participant):
                view.apply(message)
            assert view.people == self.names
            assert view.tracks == {track.id: track.to_json() for track in self.room.tracks}
            assert view.mode == self.room.mode


RoomViews.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRoomViews = RoomViews.TestCase
