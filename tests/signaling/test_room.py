"""What a room tells whom. Tables: what is done, what each has been told."""

from __future__ import annotations

import json

import pytest
from signaling_fakes import ScriptedNegotiator, connected, enter, hush, make_room, told

from sfu.events import SpeakersChanged
from signaling.closing import SERVER_STOPPING, TOO_SLOW, Refused
from signaling.grants import GRANTS_OF_ROLE, Grants
from signaling.media import deliver
from signaling.messages import (
    DeclareTracks,
    Ping,
    ProtocolError,
    SendChat,
    SetProfile,
    SetSubscription,
    parse,
)
from signaling.negotiator import Answer
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.settings import RoomSettings
from signaling.speaker import Speaker
from signaling.subscription import Subscription
from signaling.track import Encoding
from signaling.wish import Wish

NOW = 1_700_000_000.1234


def track(client, source, kind, *, muted=False, sfu=False, encodings=()):
    return {
        "id": f"{client}:{source}",
        "clientId": client,
        "kind": kind,
        "source": source,
        "muted": muted,
        "sfu": sfu,
        "encodings": [{"rid": rid, "codec": codec} for rid, codec in encodings],
    }


def webrtc(to, action="offer", **fields):
    body = {"type": "webrtc", "action": action, "to": to, "sdp": "v=0", "candidate": None} | fields
    return parse(json.dumps(body), RoomSettings())


def test_a_newcomer_is_welcomed_and_announced():
    settings = RoomSettings(ice_servers=({"urls": "stun:s"},), max_participants=7)
    room = make_room("auto", media=ScriptedNegotiator(), settings=settings)
    a = enter(room, "a")
    room.receive(a, DeclareTracks({"camera": True}), NOW)
    hush(a)
    b = enter(room, "b")
    people = [
        {"id": "a", "displayName": "A", "role": "speaker"},
        {"id": "b", "displayName": "B", "role": "speaker"},
    ]
    assert told(b) == [
        {
            "type": "welcome",
            "clientId": "b",
            "roomId": "r",
            "roomMode": "auto",
            "mode": "p2p",
            "participants": people,
            "tracks": [track("a", "camera", "video", muted=True)],
            "speakers": [],
            "chat": [],
            "room": {"name": "", "locked": False, "lobby": False, "guests": "allow"},
            "role": "speaker",
            "grants": GRANTS_OF_ROLE["speaker"].to_json(),
            "iceServers": [{"urls": "stun:s"}],
            "limits": {
                "participants": 7,
                "messageBytes": 65_536,
                "descriptionBytes": 393_216,
                "chatCharacters": 4_000,
                "displayNameCharacters": 64,
            },
        },
        {"type": "participants", "participants": people},
    ]
    assert told(a) == [
        {"type": "presence", "action": "join", "clientId": "b", "displayName": "B", "role": "speaker"}
    ]


def test_a_full_room_refuses_and_stays_as_it_is():
    room = make_room(settings=RoomSettings(max_participants=2))
    a, b = enter(room, "a"), enter(room, "b")
    hush(a, b)
    with pytest.raises(Refused, match="The room is full: 2 people are in it") as caught:
        enter(room, "c")
    assert caught.value.closing.close_code == 4409
    assert [p.id for p in room.participants] == ["a", "b"]
    assert told(a) == told(b) == []


def test_leaving_takes_the_tracks_along():
    media = ScriptedNegotiator()
    room = make_room(media=media)
    a, b = enter(room, "a"), enter(room, "b")
    room.receive(a, DeclareTracks({"microphone": False, "camera": False}), NOW)
    hush(a, b)
    room.leave(a)
    assert told(a) == []
    assert told(b) == [
        {
            "type": "tracks",
            "action": "removed",
            "tracks": [track("a", "microphone", "audio"), track("a", "camera", "video")],
        },
        {"type": "presence", "action": "leave", "clientId": "a", "displayName": "A", "role": "speaker"},
    ]
    assert (len(room), room.tracks) == (1, ())
    assert media.calls == [("leave", "r", "a")]
    room.leave(a)
    assert told(b) == []
    room.leave(b)
    assert media.calls[1:] == [("leave", "r", "b"), ("close_room", "r")]


def test_one_who_left_is_not_taken_for_a_namesake():
    room = make_room()
    first = enter(room, "a")
    room.leave(first)
    second = enter(room, "a")
    room.leave(first)
    assert room.participants == (second,)


def test_chat_and_profile_go_to_everybody():
    room = make_room()
    a, b = enter(room, "a"), enter(room, "b")
    hush(a, b)
    room.receive(b, SetProfile("Bob", id=1), NOW)
    room.receive(b, SendChat("hi", id=2), NOW)
    expected = [
        {"type": "profile", "clientId": "b", "displayName": "Bob"},
        {
            "type": "chat",
            "id": "m1",
            "from": "b",
            "displayName": "Bob",
            "text": "hi",
            "timestamp": 1_700_000_000_123,
        },
    ]
    assert told(a) == told(b) == expected


def test_ping_is_answered_to_the_sender_alone():
    room = make_room()
    a, b = enter(room, "a"), enter(room, "b")
    hush(a, b)
    room.receive(a, Ping("x"), NOW)
    room.receive(a, Ping(), NOW)
    assert told(a) == [{"type": "pong", "id": "x"}, {"type": "pong"}]
    assert told(b) == []


@pytest.mark.parametrize("action", ["offer", "answer", "ice"])
@pytest.mark.parametrize("mode", ["p2p", "sfu"])
def test_relay_is_untouched_but_for_the_sender(action, mode):
    room = make_room(mode, media=ScriptedNegotiator())
    a, b, c = enter(room, "a"), enter(room, "b"), enter(room, "c")
    hush(a, b, c)
    body = {
        "type": "webrtc",
        "action": action,
        "to": "b",
        "from": "c",
        "id": 4,
        "sdp": "v=0",
        "candidate": {"candidate": "é"},
        "publish": {"any": ["thing", 1.5, None]},
    }
    room.receive(a, parse(json.dumps(body), RoomSettings()), NOW)
    assert told(b) == [body | {"from": "a"}]
    assert told(a) == told(c) == []


@pytest.mark.parametrize(
    ("to", "sentence"),
    [("z", "nobody in this room has the id 'z'"), ("a", "'a' is the sender"), ("SFU", "nobody in this room")],
)
def test_relay_to_nobody(to, sentence):
    room = make_room()
    a, b = enter(room, "a"), enter(room, "b")
    hush(a, b)
    with pytest.raises(ProtocolError, match=sentence) as caught:
        room.receive(a, webrtc(to), NOW)
    assert caught.value.code == "unknown_recipient"
    assert told(a) == told(b) == []


def test_relay_to_one_who_has_left():
    room = make_room()
    a, b = enter(room, "a"), enter(room, "b")
    room.leave(b)
    with pytest.raises(ProtocolError, match="nobody in this room has the id 'b'"):
        room.receive(a, webrtc("b"), NOW)


# source → muted, and what is told of it; the tracks before: camera, not muted.
@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"camera": False}, []),
        ({"camera": True}, [("updated", [track("a", "camera", "video", muted=True)])]),
        ({}, [("removed", [track("a", "camera", "video")])]),
        (
            {"screen": False, "screen-audio": True},
            [
                ("removed", [track("a", "camera", "video")]),
                (
                    "added",
                    [track("a", "screen", "video"), track("a", "screen-audio", "audio", muted=True)],
                ),
            ],
        ),
    ],
)
def test_declaring_tracks(declared, expected):
    room = make_room()
    a, b = enter(room, "a"), enter(room, "b")
    room.receive(a, DeclareTracks({"camera": False}), NOW)
    hush(a, b)
    room.receive(a, DeclareTracks(declared), NOW)
    messages = [{"type": "tracks", "action": action, "tracks": tracks} for action, tracks in expected]
    assert told(a) == told(b) == messages


HIGH = (Encoding("h", "VP8"),)
BOTH = (Encoding("h", "VP8"), Encoding("l", "VP8"))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("publish", ("added", {"sfu": True, "encodings": [("h", "VP8")]})),
        ("publish publish", None),
        ("publish more", ("updated", {"sfu": True, "encodings": [("h", "VP8"), ("l", "VP8")]})),
        ("publish unpublish", ("removed", {"sfu": True, "encodings": [("h", "VP8")]})),
        ("unpublish", None),
        ("mute publish", ("updated", {"muted": True, "sfu": True, "encodings": [("h", "VP8")]})),
        ("publish mute", ("updated", {"muted": True, "sfu": True, "encodings": [("h", "VP8")]})),
        ("publish mute withdraw", ("updated", {"sfu": True, "encodings": [("h", "VP8")]})),
        ("publish mute unpublish", ("updated", {"muted": True})),
        ("publish mute withdraw unpublish", ("removed", {"sfu": True, "encodings": [("h", "VP8")]})),
        ("mute publish unpublish withdraw", ("removed", {"muted": True})),
    ],
)
def test_publishing_tracks(steps, expected):
    """The last step of each row, and what everybody is told of it."""
    room = make_room("sfu", media=ScriptedNegotiator())
    a, b = enter(room, "a"), enter(room, "b")
    for step in steps.split():
        hush(a, b)
        match step:
            case "publish":
                room.track_published("a", "camera", HIGH)
            case "more":
                room.track_published("a", "camera", BOTH)
            case "unpublish":
                room.track_unpublished("a", "camera")
            case "mute":
                room.receive(a, DeclareTracks({"camera": True}), NOW)
            case "withdraw":
                room.receive(a, DeclareTracks({}), NOW)
    messages = []
    if expected is not None:
        action, fields = expected
        messages = [{"type": "tracks", "action": action, "tracks": [track("a", "camera", "video", **fields)]}]
    assert told(a) == told(b) == messages


def test_what_the_media_server_says_of_somebody_gone_is_nothing():
    room = make_room("sfu", media=ScriptedNegotiator())
    a, b = enter(room, "a"), enter(room, "b")
    room.leave(b)
    hush(a)
    room.track_published("b", "camera", HIGH)
    room.track_unpublished("b", "camera")
    room.media_connected("b")
    room.media_closed("b", "left")
    assert told(a) == []
    assert room.tracks == ()


@pytest.mark.parametrize(
    ("room_mode", "media", "limit", "modes"),
    [
        ("auto", True, 2, ["p2p", "p2p", "sfu", "sfu"]),
        ("auto", True, 1, ["p2p", "sfu", "sfu", "sfu"]),
        ("auto", True, 3, ["p2p", "p2p", "p2p", "sfu"]),
        ("auto", False, 2, ["p2p", "p2p", "p2p", "p2p"]),
        ("p2p", True, 2, ["p2p", "p2p", "p2p", "p2p"]),
        ("sfu", True, 2, ["sfu", "sfu", "sfu", "sfu"]),
        ("sfu", False, 2, ["p2p", "p2p", "p2p", "p2p"]),
    ],
)
def test_the_mode_that_each_newcomer_finds(room_mode, media, limit, modes):
    room = make_room(
        room_mode, media=ScriptedNegotiator() if media else None, settings=RoomSettings(p2p_limit=limit)
    )
    welcomes = [told(enter(room, name))[0] for name in "abcd"]
    assert [w["mode"] for w in welcomes] == modes
    assert {w["roomMode"] for w in welcomes} == {room_mode}


def test_a_room_that_grows_changes_its_mode_once_and_keeps_it_until_it_is_empty():
    room = make_room("auto", media=ScriptedNegotiator())
    a, b = enter(room, "a"), enter(room, "b")
    hush(a, b)
    c = enter(room, "c")
    expected = [
        {"type": "presence", "action": "join", "clientId": "c", "displayName": "C", "role": "speaker"},
        {"type": "mode", "mode": "sfu"},
    ]
    assert told(a) == told(b) == expected
    assert "mode" not in [m["type"] for m in told(c)]
    room.leave(c)
    room.leave(b)
    assert room.mode == "sfu"
    assert "mode" not in [m["type"] for m in told(a)]
    enter(room, "d")
    enter(room, "e")
    assert "mode" not in [m["type"] for m in told(a)]
    for participant in room.participants:
        room.leave(participant)
    assert room.mode == "p2p"


def test_an_offer_to_sfu_is_answered_with_its_id():
    media = ScriptedNegotiator()
    media.answer = Answer("v=0 yes", {"0": "a:camera"}, {"1": "b:camera", "2": None})
    room = make_room("sfu", media=media)
    a, b = enter(room, "a", local=True), enter(room, "b")
    hush(a, b)
    offer = webrtc("sfu", publish={"0": {"source": "camera"}}, subscribe={"1": "b:camera"}, id="q")
    room.receive(a, offer, NOW)
    assert media.calls == [("offer", "r", "a", "v=0", {"0": "camera"}, {"1": "b:camera"}, True)]
    assert told(a) == [
        {
            "type": "webrtc",
            "action": "answer",
            "from": "sfu",
            "to": "a",
            "sdp": "v=0 yes",
            "publish": {"0": "a:camera"},
            "subscribe": {"1": "b:camera", "2": None},
            "id": "q",
        }
    ]
    assert told(b) == []
    room.receive(b, webrtc("sfu"), NOW)
    assert media.calls[1] == ("offer", "r", "b", "v=0", {}, {}, False)
    assert "id" not in told(b)[0]


def test_ice_to_sfu_needs_no_answer():
    media = ScriptedNegotiator()
    room = make_room("sfu", media=media)
    a = enter(room, "a")
    hush(a)
    room.receive(a, webrtc("sfu", "ice"), NOW)
    assert (told(a), media.calls) == ([], [])


def test_a_subscription_goes_to_the_media_server():
    media = ScriptedNegotiator()
    room = make_room("sfu", media=media)
    a = enter(room, "a")
    room.receive(a, SetSubscription("b:camera", True), NOW)
    room.receive(a, SetSubscription("b:camera", False), NOW)
    assert media.calls == [("pause", "r", "a", "b:camera", True), ("pause", "r", "a", "b:camera", False)]
    media.calls.clear()
    # The size first, so that what is resumed comes in the right one.
    room.receive(a, SetSubscription("b:camera", False, Wish(320, 180)), NOW)
    assert media.calls == [
        ("wish", "r", "a", "b:camera", Wish(320, 180)),
        ("pause", "r", "a", "b:camera", False),
    ]


def test_who_speaks_is_told_to_all_and_to_newcomers():
    room = make_room("sfu", media=ScriptedNegotiator())
    a, b = enter(room, "a"), enter(room, "b")
    for client in "ab":
        room.track_published(client, "microphone", ())
    hush(a, b)
    speakers = [
        Speaker("b:microphone", 0.0),
        Speaker("a:microphone", -20.0),
        Speaker("gone:microphone", -3.0),
    ]
    deliver(SpeakersChanged("r", tuple(speakers)), {"r": room})
    both = [
        {"clientId": "b", "trackId": "b:microphone", "audioLevel": 1.0},
        {"clientId": "a", "trackId": "a:microphone", "audioLevel": 0.1},
    ]
    assert told(a) == told(b) == [{"type": "speakers", "speakers": both}]
    c = enter(room, "c")
    assert told(c)[0]["speakers"] == both
    room.leave(b)
    assert room.resume(a, None)["speakers"] == both[1:]
    room.speakers_changed([])
    assert told(c)[-1] == {"type": "speakers", "speakers": []}


def a_speaker():
    return {"clientId": "a", "trackId": "a:microphone", "audioLevel": 0.1}


@pytest.mark.parametrize("declared", [False, True])
def test_a_track_that_is_unpublished_takes_its_speaker_along(declared):
    room = make_room("sfu", media=ScriptedNegotiator())
    a, b = enter(room, "a"), enter(room, "b")
    if declared:
        room.receive(a, DeclareTracks({"microphone": False}), NOW)
    for client in "ab":
        room.track_published(client, "microphone", ())
    room.speakers_changed([Speaker("b:microphone", 0.0), Speaker("a:microphone", -20.0)])
    hush(a, b)
    room.track_unpublished("b", "microphone")
    assert told(a)[-1] == told(b)[-1] == {"type": "speakers", "speakers": [a_speaker()]}
    room.track_unpublished("a", "microphone")
    assert told(a)[-1] == {"type": "speakers", "speakers": []}
    # The media server starts the room anew, where nobody has spoken.
    hush(a, b)
    for client in "ab":
        room.track_published(client, "microphone", ())
    assert [message["type"] for message in told(a)] == ["tracks", "tracks"]
    assert told(enter(room, "c"))[0]["speakers"] == []
    assert room.resume(a, None)["speakers"] == []


def test_what_is_no_speaker_is_unpublished_without_a_word_of_speakers():
    room = make_room("sfu", media=ScriptedNegotiator())
    a, b = enter(room, "a"), enter(room, "b")
    for source in ("microphone", "camera"):
        room.track_published("a", source, ())
    room.speakers_changed([Speaker("a:microphone", -20.0)])
    hush(a, b)
    room.track_unpublished("a", "camera")
    assert [message["type"] for message in told(b)] == ["tracks"]
    assert told(enter(room, "c"))[0]["speakers"] == [a_speaker()]


def test_who_leaves_or_may_not_speak_any_more_is_no_speaker():
    room = make_room("sfu", media=ScriptedNegotiator())
    a, b, c = enter(room, "a"), enter(room, "b"), enter(room, "c")
    for client in "ab":
        room.track_published(client, "microphone", ())
    room.speakers_changed([Speaker("b:microphone", 0.0), Speaker("a:microphone", -20.0)])
    hush(a, b, c)
    room.leave(b)
    assert {"type": "speakers", "speakers": [a_speaker()]} in told(c)
    room.set_role(a, "listener")
    assert {"type": "speakers", "speakers": []} in told(c)


def test_nobody_hears_who_is_hidden():
    room = make_room("sfu", media=ScriptedNegotiator())
    a = enter(room, "a")
    hidden = enter(room, "h", grants=Grants(hidden=True))
    room.track_published("h", "microphone", ())
    hush(a, hidden)
    room.speakers_changed([Speaker("h:microphone", -10.0)])
    assert told(a)[-1] == {"type": "speakers", "speakers": []}


def test_layers_are_told_to_those_whom_they_concern():
    room = make_room("sfu", media=ScriptedNegotiator())
    a, b = enter(room, "a"), enter(room, "b")
    hush(a, b)
    room.subscription_changed("b", Subscription("a:camera", "q", 0, 2, 320, 180, "bandwidth"))
    room.encodings_wanted("a", "a:camera", {"q": True, "f": False})
    room.subscription_changed("gone", Subscription("a:camera", "q", 0, 2, None, None, "wanted"))
    room.encodings_wanted("gone", "a:camera", {})
    assert told(b) == [
        {
            "type": "subscription",
            "trackId": "a:camera",
            "rid": "q",
            "spatial": 0,
            "temporal": 2,
            "width": 320,
            "height": 180,
            "reason": "bandwidth",
        }
    ]
    assert told(a) == [
        {
            "type": "encodings",
            "trackId": "a:camera",
            "encodings": [{"rid": "q", "active": True}, {"rid": "f", "active": False}],
        }
    ]


@pytest.mark.parametrize(
    ("room_mode", "media", "message", "code"),
    [
        ("auto", True, webrtc("sfu"), "media_unavailable"),
        ("auto", True, webrtc("sfu", "ice"), "media_unavailable"),
        ("p2p", True, webrtc("sfu", "answer"), "media_unavailable"),
        ("sfu", False, webrtc("sfu"), "media_unavailable"),
        ("auto", True, SetSubscription("b:camera", True), "media_unavailable"),
        ("sfu", True, webrtc("sfu", "answer"), "sdp_unexpected"),
    ],
)
def test_what_sfu_refuses(room_mode, media, message, code):
    negotiator = ScriptedNegotiator()
    room = make_room(room_mode, media=negotiator if media else None)
    a = enter(room, "a")
    hush(a)
    with pytest.raises(ProtocolError, match=r"sfu|p2p|media server") as caught:
        room.receive(a, message, NOW)
    assert caught.value.code == code
    assert (told(a), negotiator.calls) == ([], [])


def test_the_media_servers_refusal_passes_through():
    media = ScriptedNegotiator()
    media.error = ProtocolError("sdp_malformed", "line 3 is not one")
    room = make_room("sfu", media=media)
    a = enter(room, "a")
    hush(a)
    with pytest.raises(ProtocolError, match="line 3 is not one"):
        room.receive(a, webrtc("sfu"), NOW)
    assert told(a) == []
    assert "a" in room


@pytest.mark.parametrize(
    ("reason", "messages"),
    [
        ("consent-expired", [{"type": "media", "state": "closed", "reason": "consent-expired"}]),
        ("dtls-failed", [{"type": "media", "state": "closed", "reason": "dtls-failed"}]),
        # Telling these would make the client connect again, for ever.
        ("replaced", []),
        ("left", []),
    ],
)
def test_the_owner_is_told_of_its_media(reason, messages):
    room = make_room("sfu", media=ScriptedNegotiator())
    a, b = enter(room, "a"), enter(room, "b")
    hush(a, b)
    room.media_connected("a")
    room.media_closed("a", reason)
    assert told(a) == [{"type": "media", "state": "connected"}, *messages]
    assert told(b) == []


def test_one_who_is_too_slow_is_closed_and_the_others_get_everything():
    room = make_room()
    a = enter(room, "a")
    slow = Participant("s", "S", connected(Outbox(4, 10_000)))
    room.join(slow)
    hush(a)
    for number in range(5):
        room.receive(a, SendChat(str(number)), NOW)
    assert slow.outbox.closing is TOO_SLOW
    assert len(slow.outbox) == 0
    assert [m["text"] for m in told(a)] == ["0", "1", "2", "3", "4"]


def test_closing_a_room_ends_every_connection():
    room = make_room()
    a, b = enter(room, "a"), enter(room, "b")
    room.close(SERVER_STOPPING)
    assert a.outbox.closing is b.outbox.closing is SERVER_STOPPING
