"""Connections that break and are resumed, in a time that the test moves by hand."""

from __future__ import annotations

import pytest
from signaling_fakes import ScriptedNegotiator, connected, counting, numbered, told

from signaling.closing import REPLACED, SERVER_STOPPING, TOO_SLOW, Closing, Refused
from signaling.messages import DeclareTracks, SendChat
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.resume import MAX_SPENT, ResumeRefused, ResumeTokens
from signaling.rooms import Account, Rooms
from signaling.settings import RoomSettings

ADA = Account(1, "ada")
BOB = Account(2, "bob")


class World:
    """Rooms in which Ada and Bob are."""

    def __init__(self, messages: int = 100, **settings: object) -> None:
        self.media = ScriptedNegotiator()
        self.rooms = Rooms(
            RoomSettings(**settings), media=self.media, new_id=counting(), new_token=counting("token")
        )
        self.room, self.ada = self.join(ADA, messages=messages)
        _, self.bob = self.join(BOB)
        told(self.bob)

    def join(self, account=None, now=0.0, messages=100, **who):
        outbox = connected(Outbox(messages, 1_000_000))
        return self.rooms.join("room", outbox, now, account=account, **who)

    def resume(self, token, after, now=0.0, room="room"):
        _, participant, resumed = self.rooms.resume(room, token, after, now)
        connected(participant.outbox)
        return participant, resumed


def test_the_welcome_says_how_to_resume():
    world = World(resume_seconds=12)
    welcome = numbered(world.ada)[0]
    assert (welcome["seq"], welcome["resume"]) == (1, {"token": "token1", "seconds": 12})


def test_a_broken_connection_is_resumed_and_nobody_notices():
    world = World()
    seq = numbered(world.ada)[-1]["seq"]
    world.rooms.detach(world.room, world.ada, 100.0)
    assert (world.rooms.detached_count, world.rooms.participant_count) == (1, 2)
    world.room.receive(world.bob, SendChat("while you were away"), 0.0)
    world.room.media_closed(world.ada.id, "consent-expired")
    world.ada.received = 7
    assert world.rooms.expire(129.9) == 0
    participant, resumed = world.resume("token1", seq, 129.9)
    assert participant is world.ada
    assert resumed == {
        "type": "resumed",
        "clientId": world.ada.id,
        "roomId": "room",
        "mode": "p2p",
        "missed": 2,
        "received": 7,
        "resume": {"token": "token3", "seconds": 30.0},
    }
    chat, media = numbered(world.ada)
    assert (chat["text"], chat["seq"]) == ("while you were away", seq + 1)
    assert (media["type"], media["state"], media["seq"]) == ("media", "closed", seq + 2)
    assert [m["type"] for m in told(world.bob)] == ["chat"]
    assert world.media.calls == []
    assert (world.rooms.detached_count, world.rooms.counters.resumed) == (0, 1)
    # Its time ended with the resumption.
    world.rooms.expire(1000.0)
    assert world.ada.id in world.room


def test_messages_on_their_way_when_it_broke_are_sent_again():
    world = World()
    seq = numbered(world.ada)[-1]["seq"]
    for text in "abc":
        world.room.receive(world.bob, SendChat(text), 0.0)
    assert len(numbered(world.ada)) == 3
    world.rooms.detach(world.room, world.ada, 0.0)
    _, resumed = world.resume("token1", seq + 1)
    assert resumed["missed"] == 2
    assert [(m["text"], m["seq"]) for m in numbered(world.ada)] == [("b", seq + 2), ("c", seq + 3)]


@pytest.mark.parametrize("after", [None, 1, 10**9])
def test_who_missed_too_much_is_told_the_state(after):
    world = World(messages=3)
    numbered(world.ada)
    world.rooms.detach(world.room, world.ada, 0.0)
    for number in range(10):
        world.room.receive(world.bob, SendChat(str(number)), 0.0)
    world.room.receive(world.bob, DeclareTracks({"camera": True}), 0.0)
    world.room.media_closed(world.ada.id, "consent-expired")
    world.join(account=Account(3, "eve"))
    _, resumed = world.resume("token1", after)
    assert resumed["missed"] is None
    assert (resumed["mode"], resumed["participants"]) == (
        "sfu",
        [{"id": p.id, "displayName": p.display_name, "role": "speaker"} for p in world.room.participants],
    )
    assert resumed["tracks"] == [t.to_json() for t in world.room.tracks] != []
    assert resumed["media"] == {"type": "media", "state": "closed", "reason": "consent-expired"}
    assert (resumed["seq"], numbered(world.ada)) == (world.ada.outbox.last_seq, [])
    # From there on it goes on as usual.
    world.room.receive(world.bob, SendChat("now"), 0.0)
    (chat,) = numbered(world.ada)
    assert (chat["text"], chat["seq"]) == ("now", resumed["seq"] + 1)


def test_after_the_grace_the_participant_leaves():
    world = World()
    world.rooms.detach(world.room, world.ada, 100.0)
    world.rooms.expire(129.9)
    assert told(world.bob) == []
    world.rooms.expire(130.0)
    assert [(m["type"], m["action"]) for m in told(world.bob)] == [("presence", "leave")]
    assert world.media.calls == [("leave", "room", world.ada.id)]
    assert (world.rooms.detached_count, world.rooms.counters.leaves) == (0, 1)


def test_the_last_one_is_waited_for_before_the_room_is_empty():
    world = World()
    world.rooms.leave(world.room, world.bob, 0.0)
    world.rooms.detach(world.room, world.ada, 0.0)
    assert world.rooms.expire(30.0) == 0
    assert world.rooms.expire(89.9) == 0
    assert world.rooms.expire(90.0) == 1


def test_taking_over_a_connection_that_seems_alive():
    world = World()
    ends: list[Closing] = []
    world.ada.outbox.attach(lambda: None, ends.append)
    _, resumed = world.resume("token1", 2)
    assert resumed["clientId"] == world.ada.id
    assert ends == [REPLACED]
    assert told(world.bob) == []


@pytest.mark.parametrize(
    ("prepare", "token", "room", "reason"),
    [
        (lambda world: None, "made up", "room", "unknown"),
        (lambda world: None, "", "room", "unknown"),
        (lambda world: world.rooms.detach(world.room, world.ada, -30.0), "token1", "room", "late"),
        (lambda world: world.rooms.leave(world.room, world.ada, 0.0), "token1", "room", "late"),
        (lambda world: world.rooms.heard(world.resume("token1", 2)[0]), "token1", "room", "used"),
        (lambda world: None, "token1", "other", "other_room"),
        (lambda world: None, "token1", "no such", "other_room"),
    ],
)
def test_tokens_that_open_nothing(prepare, token, room, reason):
    world = World()
    world.rooms.join("other", Outbox(9, 9999), 0.0, account=BOB)
    prepare(world)
    with pytest.raises(ResumeRefused) as caught:
        world.rooms.resume(room, token, 2, 0.0)
    assert (caught.value.closing.code, caught.value.closing.close_code) == ("resume_unknown", 4412)
    assert caught.value.reason == reason
    assert world.rooms.counters.resumes_refused == {reason: 1}


def test_a_token_for_another_room_stays_good():
    world = World()
    with pytest.raises(ResumeRefused):
        world.rooms.resume("other", "token1", 2, 0.0)
    assert world.resume("token1", 2)[0] is world.ada


def test_the_next_token_is_good_for_the_next_time():
    world = World()
    token = "token1"
    for _ in range(5):
        world.rooms.detach(world.room, world.ada, 0.0)
        token = world.resume(token, 2)[1]["resume"]["token"]
    assert world.rooms.counters.resumed == 5


def test_a_resumed_that_was_lost_costs_no_rejoin():
    world = World()
    numbered(world.ada)
    after = world.ada.outbox.last_seq
    lost = [world.resume("token1", after)[1]["resume"]["token"] for _ in range(2)]
    world.rooms.detach(world.room, world.ada, 0.0)
    ada, resumed = world.resume("token1", after)
    assert (ada, resumed["missed"], len(set(lost))) == (world.ada, 0, 2)
    # The client speaks: it has the newest token, and that one alone is good.
    world.rooms.heard(ada)
    for token in ("token1", *lost):
        with pytest.raises(ResumeRefused):
            world.rooms.resume("room", token, 2, 0.0)
    assert world.resume(resumed["resume"]["token"], after)[0] is world.ada


def test_where_connections_are_not_resumed_a_broken_one_is_a_leave():
    world = World(resume_seconds=0)
    assert "resume" not in numbered(world.ada)[0]
    world.rooms.detach(world.room, world.ada, 0.0)
    assert world.ada.id not in world.room


def test_the_detached_count_in_the_room():
    world = World(max_participants=2)
    world.rooms.detach(world.room, world.ada, 0.0)
    with pytest.raises(Refused, match="full"):
        world.join(BOB)
    assert world.resume("token1", 2)[0] is world.ada


def test_an_ended_outbox_is_not_resumed():
    world = World()
    world.ada.outbox.close(TOO_SLOW)
    with pytest.raises(Refused) as caught:
        world.rooms.resume("room", "token1", 2, 0.0)
    assert caught.value.closing == TOO_SLOW
    world.rooms.detach(world.room, world.ada, 0.0)
    assert world.ada.id not in world.room


def test_a_server_that_stops_waits_for_nobody():
    world = World()
    world.rooms.detach(world.room, world.ada, 0.0)
    world.rooms.close(SERVER_STOPPING, 1.0)
    assert world.ada.id not in world.room
    assert world.rooms.detached_count == 0
    with pytest.raises(Refused, match="restarted"):
        world.rooms.resume("room", "token1", 2, 1.0)


@pytest.mark.parametrize(
    ("account", "device", "detached", "stays"),
    [
        (ADA, "phone", True, False),
        (ADA, "phone", False, True),
        (ADA, "laptop", True, True),
        (ADA, None, True, True),
        (BOB, "phone", True, True),
        (None, "phone", True, True),
    ],
)
def test_a_join_replaces_the_ghost_of_the_same_device(account, device, detached, stays):
    world = World()
    _, ghost = world.join(ADA, device="phone")
    if detached:
        world.rooms.detach(world.room, ghost, 0.0)
    told(world.bob)
    _, newcomer = world.join(account, device=device)
    assert (ghost.id in world.room) is stays
    left = [m["clientId"] for m in told(world.bob) if m.get("action") == "leave"]
    assert left == ([] if stays else [ghost.id])
    welcome = told(newcomer)[0]
    assert (ghost.id in {p["id"] for p in welcome["participants"]}) is stays


def test_a_ghost_makes_room_for_itself():
    world = World(max_participants=3)
    _, ghost = world.join(ADA, device="phone")
    world.rooms.detach(world.room, ghost, 0.0)
    world.join(ADA, device="phone")
    assert (len(world.room), world.rooms.detached_count) == (3, 0)


def test_a_refused_join_leaves_no_token():
    world = World(max_participants=2)
    with pytest.raises(Refused, match="full"):
        world.join(BOB)
    with pytest.raises(ResumeRefused):
        world.rooms.resume("room", "token3", 1, 0.0)


def test_history_is_forgotten_in_time():
    world = World(resume_seconds=30, heartbeat=20)
    numbered(world.ada)
    for now in (1000.0, 1059.9):
        world.rooms.expire(now)
    assert world.ada.outbox.kept_bytes > 0
    world.rooms.expire(1060.0)
    assert world.ada.outbox.kept_bytes == 0


def test_spent_tokens_are_bounded():
    tokens = ResumeTokens(counting())
    somebody = Participant("p", "P", Outbox(1, 1))
    for _ in range(MAX_SPENT + 1):
        tokens.issue("room", somebody)
        tokens.spend(somebody, "used")
    reasons = []
    for number in (1, 2, MAX_SPENT + 1):
        with pytest.raises(ResumeRefused) as caught:
            tokens.find("room", f"n{number}")
        reasons.append(caught.value.reason)
    assert (reasons, len(tokens)) == (["unknown", "used", "used"], 0)


def test_tokens_cannot_be_guessed():
    tokens = ResumeTokens()
    made = set()
    for _ in range(100):
        somebody = Participant("p", "P", Outbox(1, 1))
        tokens.issue("room", somebody)
        made.add(somebody.resume_token)
    assert len(made) == 100
    assert all(len(token) >= 32 for token in made)
