"""Which rooms there are: opened, joined, expired, refused."""

from __future__ import annotations

import itertools
import secrets

import pytest
from signaling_fakes import ScriptedNegotiator, connected, counting, told

from signaling.closing import SERVER_STOPPING, Refused
from signaling.messages import DeclareTracks
from signaling.names import ROOM_ID_ALPHABET, is_room_id
from signaling.outbox import Outbox
from signaling.rooms import Account, Rooms, TooManyRooms
from signaling.settings import RoomSettings
from signaling.track import KIND_OF_SOURCE, Encoding

ADA = Account(1, "ada")


def make_rooms(media=None, **settings) -> Rooms:
    return Rooms(RoomSettings(**settings), media=media, new_id=counting())


def join(rooms, room_id="room", now=0.0, **who):
    return rooms.join(room_id, connected(Outbox(100, 1_000_000)), now, **who)


def test_a_created_room_waits_for_its_first_participant():
    rooms = make_rooms()
    room = rooms.create(1000.0)
    assert is_room_id(room.id)
    assert rooms.get(room.id) is room
    assert rooms.expire(1599.9) == 0
    assert rooms.expire(1600.0) == 1
    assert (len(rooms), rooms.get(room.id)) == (0, None)


def test_a_room_outlives_its_last_participant_for_a_while():
    rooms = make_rooms()
    room, ada = join(rooms, account=ADA)
    assert rooms.expire(1e9) == 0
    rooms.leave(room, ada, 1000.0)
    rooms.leave(room, ada, 5000.0)
    assert rooms.expire(1059.9) == 0
    same, guest = join(rooms, now=1059.9)
    assert same is room
    assert rooms.expire(1e9) == 0
    rooms.leave(room, guest, 2000.0)
    assert rooms.expire(2060.0) == 1
    assert len(rooms) == 0
    assert rooms.counters.joins == rooms.counters.leaves == 2


def test_a_room_is_expired_even_if_its_media_fails_to_end():
    class Stubborn(ScriptedNegotiator):
        def leave(self, room_id, participant_id):
            raise RuntimeError("no")

    rooms = make_rooms(Stubborn())
    room, ada = join(rooms, account=ADA)
    with pytest.raises(RuntimeError):
        rooms.leave(room, ada, 0.0)
    assert len(room) == 0
    assert rooms.expire(60.0) == 1


def test_room_ids_are_drawn_until_one_is_free():
    letters = itertools.chain("a" * 20, "b" * 10)
    rooms = Rooms(RoomSettings(), choose=lambda alphabet: next(letters))
    assert [rooms.create(0.0).id for _ in range(2)] == ["a" * 10, "b" * 10]


def test_room_ids_are_not_guessable():
    ids = {Rooms(RoomSettings()).create(0.0).id for _ in range(100)}
    assert len(ids) == 100
    assert len(ROOM_ID_ALPHABET) ** 10 > 2**49


@pytest.mark.parametrize(
    ("wanted", "mode"), [(None, "auto"), ("p2p", "p2p"), ("sfu", "sfu"), ("auto", "auto")]
)
def test_the_creator_chooses_the_mode(wanted, mode):
    assert make_rooms().create(0.0, wanted).room_mode == mode
    assert make_rooms(mode="sfu").create(0.0).room_mode == "sfu"


def test_participant_ids_are_unique_and_never_the_media_servers():
    ids = iter(["sfu", "x", "x", "sfu", "y"])
    rooms = Rooms(RoomSettings(), new_id=lambda: next(ids))
    assert [join(rooms, account=ADA)[1].id for _ in range(2)] == ["x", "y"]


@pytest.mark.parametrize(
    ("who", "name", "user_id"),
    [
        ({"account": ADA}, "ada", 1),
        ({"account": ADA, "display_name": " Ada  L. "}, "Ada L.", 1),
        ({"account": ADA, "display_name": "  "}, "ada", 1),
        ({"account": Account(2, "x" * 100)}, "x" * 64, 2),
        ({"account": Account(3, "\u202e")}, "Guest n2", 3),
        ({}, "Guest n2", None),
        ({"display_name": "Bob"}, "Bob", None),
    ],
)
def test_names(who, name, user_id):
    rooms = make_rooms()
    join(rooms, account=ADA)
    participant = join(rooms, **who)[1]
    assert (participant.display_name, participant.user_id) == (name, user_id)


@pytest.mark.parametrize(
    ("settings", "room_id", "who", "code", "close_code", "sentence"),
    [
        ({}, "a b", {"account": ADA}, "bad_request", 4400, "room id must be 1 to 64"),
        ({}, "", {"account": ADA}, "bad_request", 4400, "room id must be 1 to 64"),
        ({}, "x" * 65, {"account": ADA}, "bad_request", 4400, "room id must be 1 to 64"),
        ({}, "new", {"account": ADA, "display_name": "x" * 65}, "bad_request", 4400, "has 65 characters"),
        ({}, "new", {"account": ADA, "display_name": "\x07"}, "bad_request", 4400, "displayName is empty"),
        ({}, "new", {}, "room_not_found", 4404, "no such room"),
        ({"guests": False}, "new", {}, "guests_not_allowed", 4403, "Sign in"),
        ({"guests": False}, "old", {}, "guests_not_allowed", 4403, "Sign in"),
        ({"max_participants": 1}, "old", {}, "room_full", 4409, "1 people are in it"),
        ({"max_rooms": 1}, "new", {"account": ADA}, "room_full", 4409, "has 1 rooms"),
    ],
)
def test_refusals_leave_no_trace(settings, room_id, who, code, close_code, sentence):
    rooms = make_rooms(**settings)
    _, inside = join(rooms, "old", account=ADA)
    told(inside)
    with pytest.raises(Refused, match=sentence) as caught:
        join(rooms, room_id, **who)
    assert (caught.value.closing.code, caught.value.closing.close_code) == (code, close_code)
    assert ([r.id for r in rooms], rooms.participant_count, told(inside)) == (["old"], 1, [])


def test_the_welcome_to_a_full_room_fits_its_outbox():
    settings = RoomSettings(max_participants=60, send_queue_bytes=1, display_name_characters=64)
    rooms = Rooms(settings, media=ScriptedNegotiator(), new_id=lambda: secrets.token_hex(6))
    for _ in range(59):
        room, participant = join(rooms, account=ADA, display_name="\U0001f600" * 64)
        room.receive(participant, DeclareTracks(dict.fromkeys(KIND_OF_SOURCE, True)), 0.0)
        for source in KIND_OF_SOURCE:
            room.track_published(participant.id, source, (Encoding("abc", "VP8"),) * 3)
    outbox = connected(Outbox(2, settings.outbox_bytes))
    rooms.join("room", outbox, 0.0, account=ADA, display_name="\U0001f600" * 64)
    assert (len(outbox), outbox.closing) == (2, None)


def test_too_many_rooms():
    rooms = make_rooms(max_rooms=2)
    rooms.create(0.0)
    rooms.create(0.0)
    with pytest.raises(TooManyRooms, match="has 2 rooms, as many as it may"):
        rooms.create(0.0)
    rooms.expire(600.0)
    rooms.create(600.0)


def test_a_server_that_stops_lets_nobody_in():
    rooms = make_rooms()
    _, ada = join(rooms, account=ADA)
    rooms.close(SERVER_STOPPING, 0.0)
    assert ada.outbox.closing is SERVER_STOPPING
    with pytest.raises(Refused, match="restarted") as caught:
        join(rooms, account=ADA)
    assert caught.value.closing.close_code == 4410


@pytest.mark.parametrize(
    ("field", "value"),
    [("mode", "mesh"), ("p2p_limit", 0), ("max_rooms", -1), ("heartbeat", 0.0), ("empty_grace", -1.0)],
)
def test_settings_out_of_range_are_named(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value!r}"):
        RoomSettings(**{field: value})
