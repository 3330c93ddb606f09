"""A server that is about to end opens no rooms, and says so."""

from __future__ import annotations

import pytest
from signaling_fakes import connected, counting, hush, told

from signaling.closing import Refused
from signaling.draining import Draining, ServerDraining
from signaling.outbox import Outbox
from signaling.rooms import Account, Rooms
from signaling.settings import RoomSettings

ADA = Account(1, "ada")
NOTICE = {"type": "draining", "endsAt": 1_700_000_005_250, "url": None}


def join(rooms, room_id="room", **who):
    return rooms.join(room_id, connected(Outbox(100, 1_000_000)), 0.0, **who)


@pytest.fixture
def rooms():
    return Rooms(RoomSettings(), new_id=counting())


def drain(rooms, url=None):
    rooms.drain(Draining(1_700_000_005.25, url))


def test_everybody_is_told(rooms):
    _, ada = join(rooms, account=ADA)
    _, bob = join(rooms, "other", account=ADA)
    for participant in (ada, bob):
        hush(participant)
    drain(rooms, "https://b.example.com")
    for participant in (ada, bob):
        assert told(participant) == [NOTICE | {"url": "https://b.example.com"}]


def test_who_comes_later_is_told_after_the_welcome(rooms):
    join(rooms, account=ADA)
    drain(rooms)
    _, guest = join(rooms)
    messages = told(guest)
    assert messages[0]["type"] == "welcome"
    assert messages[-1] == NOTICE


def test_no_room_is_opened(rooms):
    drain(rooms)
    with pytest.raises(ServerDraining, match="opens no new rooms; try again in a moment"):
        rooms.create(0.0)
    with pytest.raises(Refused) as caught:
        join(rooms, "new", account=ADA)
    assert (caught.value.closing.code, caught.value.closing.close_code) == ("server_draining", 4410)
    assert len(rooms) == 0


def test_people_are_sent_where_there_is_room(rooms):
    drain(rooms, "https://b.example.com")
    with pytest.raises(ServerDraining, match=r"go to https://b\.example\.com"):
        rooms.create(0.0)
