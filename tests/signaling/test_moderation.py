"""What moderators decide, and that nobody else does."""

import pytest
from signaling_fakes import ScriptedNegotiator, connected, enter, hush, make_room, told

from signaling.closing import Refused
from signaling.grants import GRANTS_OF_ROLE, Grants
from signaling.messages import (
    DeclareTracks,
    Moderate,
    Negotiate,
    Ping,
    ProtocolError,
    SendChat,
    SetProfile,
)
from signaling.moderation import moderate, perform
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.policy import RoomPolicy
from signaling.room import Room
from signaling.rooms import Rooms
from signaling.settings import RoomSettings
from signaling.visit import Account, StoredRoom, Visit

NOW = 1_700_000_000.0
HIDDEN = Grants(publish=frozenset(), chat=False, data=False, hidden=True)


def come(room, name, role="speaker", **fields):
    fields.setdefault("grants", GRANTS_OF_ROLE[role])
    return enter(room, name, role=role, **fields)


def set_to(room, **policy):
    room.set_policy(RoomPolicy(**policy), NOW)


def types(participant):
    return [message["type"] for message in told(participant)]


def test_the_lobby_holds_people_until_a_moderator_lets_them_in():
    room = make_room()
    set_to(room, lobby=True, name="Standup")
    boss, peer = come(room, "boss", "owner"), None
    hush(boss)
    guest = come(room, "guest", "guest")
    assert told(guest) == [{"type": "lobby", "clientId": "guest", "roomId": "r", "room": {"name": "Standup"}}]
    waiting = [{"id": "guest", "displayName": "GUEST", "role": "guest"}]
    assert told(boss) == [{"type": "waiting", "participants": waiting}]
    assert ([p.id for p in room.participants], "guest" in room) == (["boss"], True)
    peer = come(room, "mod", "moderator")
    assert told(peer)[-1] == {"type": "waiting", "participants": waiting}
    moderate(room, boss, Moderate("admit", "guest"), NOW)
    assert types(guest) == ["welcome", "participants"]
    assert told(boss)[-2:] == [
        {
            "type": "presence",
            "action": "join",
            "clientId": "guest",
            "displayName": "GUEST",
            "role": "guest",
        },
        {"type": "waiting", "participants": []},
    ]
    assert types(peer) == ["presence", "waiting"]


def test_who_waits_can_only_choose_a_name_and_ask_whether_anybody_is_there():
    room = make_room(media=ScriptedNegotiator())
    set_to(room, lobby=True)
    boss, guest = come(room, "boss", "owner"), come(room, "guest", "guest")
    hush(boss, guest)
    for message in (
        SendChat("let me in"),
        DeclareTracks({"camera": False}),
        Negotiate("offer", "sfu", {}, "v=0"),
        Negotiate("offer", "boss", {}, "v=0"),
        Moderate("admit", "guest"),
    ):
        with pytest.raises(ProtocolError) as caught:
            room.receive(guest, message, NOW)
        assert caught.value.code == "not_admitted"
    room.receive(guest, Ping(), NOW)
    room.receive(guest, SetProfile("Grace"), NOW)
    assert types(guest) == ["pong", "profile"]
    assert told(boss)[-1]["participants"][0]["displayName"] == "Grace"
    with pytest.raises(ProtocolError, match="nobody in this room"):
        room.receive(boss, Negotiate("offer", "guest", {}, "v=0"), NOW)


def test_who_is_denied_is_told_and_does_not_get_in_again():
    room = make_room()
    set_to(room, lobby=True)
    boss, guest = come(room, "boss", "owner"), come(room, "guest", "guest", keys=frozenset({"device:d"}))
    moderate(room, boss, Moderate("deny", "guest"), NOW)
    assert guest.outbox.closing.close_code == 4403
    room.leave(guest)
    assert told(boss)[-1] == {"type": "waiting", "participants": []}
    with pytest.raises(Refused, match="removed you"):
        come(room, "again", "guest", keys=frozenset({"device:d"}))


def test_who_was_let_in_does_not_wait_again():
    room = make_room()
    set_to(room, lobby=True)
    boss, guest = come(room, "boss", "owner"), come(room, "guest", "guest", keys=frozenset({"device:d"}))
    moderate(room, boss, Moderate("admit", "guest"), NOW)
    room.leave(guest)
    assert types(come(room, "again", "guest", keys=frozenset({"device:d"}))) == ["welcome", "participants"]


def test_the_lobby_is_bounded_and_lets_all_in_when_it_is_switched_off():
    room = make_room(settings=RoomSettings(max_waiting=2))
    set_to(room, lobby=True)
    boss = come(room, "boss", "owner")
    a, b = come(room, "a"), come(room, "b")
    with pytest.raises(Refused, match="Too many people wait"):
        come(room, "c")
    moderate(room, boss, Moderate("lobby", enabled=False), NOW)
    assert [p.id for p in room.participants] == ["boss", "a", "b"]
    assert types(a)[:3] == ["lobby", "welcome", "participants"]
    assert "welcome" in types(b)


@pytest.mark.parametrize(
    ("policy", "role", "invited", "outcome"),
    [
        ({}, "guest", False, "in"),
        ({"guests": "lobby"}, "guest", False, "waits"),
        ({"guests": "lobby"}, "speaker", False, "in"),
        ({"guests": "deny"}, "guest", False, "guests_not_allowed"),
        ({"guests": "deny"}, "guest", True, "in"),
        ({"lobby": True}, "moderator", False, "in"),
        ({"lobby": True}, "speaker", True, "waits"),
        ({"locked": True}, "speaker", True, "room_locked"),
        ({"locked": True}, "owner", False, "in"),
    ],
)
def test_who_gets_in(policy, role, invited, outcome):
    room = make_room()
    set_to(room, **policy)
    newcomer = Participant("n", "N", connected(Outbox(99, 1_000_000)), role=role, grants=GRANTS_OF_ROLE[role])
    try:
        room.join(newcomer, NOW, invited=invited)
        result = "waits" if "n" in room.lobby else "in"
    except Refused as refusal:
        result = refusal.closing.code
    assert result == outcome


@pytest.mark.parametrize("role", ["speaker", "listener", "guest"])
@pytest.mark.parametrize(
    "message",
    [
        Moderate("lock"),
        Moderate("lobby"),
        Moderate("end"),
        Moderate("admit", "waiting"),
        Moderate("deny", "waiting"),
        Moderate("remove", "other"),
        Moderate("mute", "other"),
        Moderate("role", "other", role="listener"),
        Moderate("role", "me", role="moderator"),
    ],
)
def test_nobody_else_moderates(role, message):
    room = make_room()
    other, me = come(room, "other"), come(room, "me", role)
    set_to(room, guests="lobby")
    come(room, "waiting", "guest")
    hush(other, me)
    with pytest.raises(ProtocolError) as caught:
        moderate(room, me, message, NOW)
    assert caught.value.code == "not_permitted"
    assert told(other) == told(me) == []
    assert other.outbox.closing is None


@pytest.mark.parametrize(
    ("by", "about", "allowed"),
    [
        ("owner", "moderator", True),
        ("owner", "speaker", True),
        ("moderator", "guest", True),
        ("moderator", "moderator", False),
        ("moderator", "owner", False),
        ("owner", "owner", False),
    ],
)
@pytest.mark.parametrize("action", ["remove", "mute", "role"])
def test_one_decides_only_about_who_is_below(by, about, allowed, action):
    room = make_room()
    come(room, "other", about)
    actor = come(room, "actor", by)
    message = Moderate(action, "other", role="listener" if action == "role" else None)
    if allowed:
        moderate(room, actor, message, NOW)
        return
    with pytest.raises(ProtocolError, match="may not decide"):
        moderate(room, actor, message, NOW)


def test_only_the_owner_makes_moderators():
    room = make_room()
    owner, mod, other = come(room, "o", "owner"), come(room, "m", "moderator"), come(room, "x")
    with pytest.raises(ProtocolError, match="only the owner"):
        moderate(room, mod, Moderate("role", "x", role="moderator"), NOW)
    hush(mod, other)
    moderate(room, owner, Moderate("role", "x", role="moderator"), NOW)
    assert told(mod) == [{"type": "role", "clientId": "x", "role": "moderator"}]
    assert told(other)[0]["grants"]["moderate"] is True
    moderate(room, other, Moderate("lock"), NOW)
    assert room.policy.locked


def test_removal_ends_the_connection():
    room = make_room()
    owner, other = come(room, "o", "owner"), come(room, "x", keys=frozenset({"user:7"}))
    moderate(room, owner, Moderate("remove", "x"), NOW)
    assert (other.outbox.closing.code, other.outbox.closing.close_code) == ("removed", 4413)
    room.leave(other)
    with pytest.raises(Refused, match="removed"):
        come(room, "y", keys=frozenset({"user:7"}))


def test_the_end_for_all_reaches_those_who_wait_too():
    room = make_room()
    set_to(room, lobby=True)
    people = [come(room, "o", "owner"), come(room, "x")]
    perform(room, Moderate("end"), "owner", NOW)
    assert {(p.outbox.closing.code, p.outbox.closing.close_code) for p in people} == {("room_closed", 4410)}


def test_a_mute_stops_media_at_the_server_until_its_owner_lifts_it():
    media = ScriptedNegotiator()
    room = make_room("sfu", media=media)
    owner, other = come(room, "o", "owner"), come(room, "x")
    room.receive(other, DeclareTracks({"camera": False, "microphone": False}), NOW)
    hush(owner, other)
    moderate(room, owner, Moderate("mute", "x", source="microphone"), NOW)
    assert told(other)[0] == {"type": "muted", "sources": ["microphone"], "by": "o"}
    assert [t["muted"] for m in told(owner) for t in m["tracks"]] == [True]
    assert media.permissions["x"].muted == {"microphone"}
    # It has not noticed yet: that is no wish to unmute.
    room.receive(other, DeclareTracks({"camera": False, "microphone": False}), NOW)
    assert (told(owner), media.permissions["x"].muted) == ([], {"microphone"})
    room.receive(other, Negotiate("offer", "sfu", {}, "v=0"), NOW)
    assert media.permissions["x"].muted == {"microphone"}
    room.receive(other, DeclareTracks({"camera": False, "microphone": True}), NOW)
    assert media.permissions["x"].muted == {"microphone"}
    room.receive(other, DeclareTracks({"camera": False, "microphone": False}), NOW)
    assert media.permissions["x"].muted == frozenset()
    assert [t["muted"] for m in told(owner) for t in m["tracks"]] == [False]


def test_a_mute_between_two_makes_media_go_through_the_server():
    room = make_room("auto", media=ScriptedNegotiator())
    owner, other = come(room, "o", "owner"), come(room, "x")
    room.receive(other, DeclareTracks({"microphone": False}), NOW)
    assert room.mode == "p2p"
    moderate(room, owner, Moderate("mute", "x"), NOW)
    assert room.mode == "sfu"


def test_a_demotion_ends_what_is_sent():
    media = ScriptedNegotiator()
    room = make_room("auto", media=media)
    owner, other = come(room, "o", "owner"), come(room, "x")
    room.receive(other, DeclareTracks({"microphone": False}), NOW)
    hush(owner)
    moderate(room, owner, Moderate("role", "x", role="listener"), NOW)
    assert media.permissions["x"].publish == frozenset()
    assert types(owner) == ["role", "mode", "tracks"]
    with pytest.raises(ProtocolError, match="you may not show microphone"):
        room.receive(other, DeclareTracks({"microphone": False}), NOW)
    with pytest.raises(ProtocolError) as caught:
        room.receive(other, Negotiate("offer", "o", {}, "v=0"), NOW)
    assert caught.value.code == "not_permitted"
    with pytest.raises(ProtocolError):
        room.receive(owner, Negotiate("offer", "x", {}, "v=0"), NOW)
    assert not room.may_send_data("x")


def test_a_listener_makes_an_auto_room_use_the_server():
    room = make_room("auto", media=ScriptedNegotiator())
    come(room, "a")
    come(room, "b", "listener")
    assert room.mode == "sfu"


def test_chat_and_data_need_their_grants():
    room = make_room()
    a, b = come(room, "a", grants=Grants(chat=False, data=False)), come(room, "b")
    hush(a, b)
    with pytest.raises(ProtocolError) as caught:
        room.receive(a, SendChat("hi"), NOW)
    assert (caught.value.code, told(b)) == ("not_permitted", [])
    assert (room.may_send_data("a"), room.may_send_data("b"), room.may_send_data("c")) == (False, True, False)


def test_who_is_hidden_is_told_of_nobody_and_sees_all():
    room = make_room()
    a = come(room, "a")
    hush(a)
    ghost = come(room, "ghost", grants=HIDDEN)
    assert [p["id"] for p in told(ghost)[0]["participants"]] == ["a", "ghost"]
    room.receive(ghost, SetProfile("Boo"), NOW)
    with pytest.raises(ProtocolError):
        room.receive(ghost, SendChat("boo"), NOW)
    b = come(room, "b")
    assert [p["id"] for p in told(b)[0]["participants"]] == ["a", "b"]
    assert "presence" in types(ghost)
    room.leave(ghost)
    assert "ghost" not in str(told(a)) + str(told(b))


def test_late_comers_are_given_what_was_said():
    room = make_room(settings=RoomSettings(chat_history=2, chat_history_seconds=60.0))
    a = come(room, "a")
    for index in range(3):
        room.receive(a, SendChat(f"m{index}"), NOW + 30 * index)
    late = Participant("b", "B", connected(Outbox(99, 1_000_000)))
    room.join(late, NOW + 90)
    assert [m["text"] for m in told(late)[0]["chat"]] == ["m1", "m2"]
    later = Participant("c", "C", connected(Outbox(99, 1_000_000)))
    room.join(later, NOW + 120)
    assert [m["text"] for m in told(later)[0]["chat"]] == ["m2"]


def test_what_happens_is_recorded_in_order():
    seen = []
    room = Room(
        "r",
        "auto",
        RoomSettings(),
        media=None,
        counters=Rooms(RoomSettings()).counters,
        new_id=lambda: "id",
        record=lambda event: seen.append((event.type, event.session_id)),
        new_session=lambda: "s1",
    )
    a = come(room, "a")
    room.track_published("a", "camera", ())
    room.track_published("a", "camera", ())
    room.receive(a, SendChat("hi"), NOW)
    room.leave(a)
    assert seen == [
        (kind, "s1")
        for kind in (
            "room.started",
            "participant.joined",
            "track.published",
            "chat.sent",
            "track.unpublished",
            "participant.left",
            "room.ended",
        )
    ]


def test_who_waits_is_resumed_and_keeps_the_room_open():
    rooms = Rooms(RoomSettings(), new_token=iter("abcdef").__next__)
    lobby = StoredRoom("auto", RoomPolicy(lobby=True))
    room, guest = rooms.join("r", connected(Outbox(99, 1_000_000)), 0.0, visit=Visit(room=lobby))
    assert told(guest)[0]["resume"]["token"] == "a"
    rooms.detach(room, guest, 1.0)
    rooms.expire(20.0)
    owner = Visit(Account(1, "ada"), "owner", GRANTS_OF_ROLE["owner"], room=lobby)
    rooms.join("r", connected(Outbox(99, 1_000_000)), 20.0, visit=owner)
    room.admit(guest, NOW)
    again, person, opening = rooms.resume("r", "a", 1, 25.0)
    assert (again, person, opening["missed"]) == (room, guest, 2)
    assert types(guest) == ["welcome", "participants"]


def test_who_waits_and_is_gone_leaves_the_lobby_and_the_room_closes():
    rooms = Rooms(RoomSettings())
    visit = Visit(room=StoredRoom("auto", RoomPolicy(lobby=True)))
    room, guest = rooms.join("r", connected(Outbox(99, 1_000_000)), 0.0, visit=visit)
    assert rooms.expire(500.0) == 0
    rooms.detach(room, guest, 500.0)
    rooms.expire(531.0)
    assert (len(room.lobby), rooms.expire(592.0)) == (0, 1)


def test_a_room_whose_only_visitor_was_refused_is_forgotten():
    rooms = Rooms(RoomSettings())
    visit = Visit(room=StoredRoom("auto", RoomPolicy(locked=True)))
    with pytest.raises(Refused, match="locked"):
        rooms.join("r", connected(Outbox(99, 1_000_000)), 0.0, visit=visit)
    assert (len(rooms), rooms.expire(60.0), len(rooms)) == (1, 1, 0)
