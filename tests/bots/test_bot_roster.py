from __future__ import annotations

import pytest

import bots
from bots import messages
from bots.roster import Roster

ANN, BEN = {"id": "a", "displayName": "Ann"}, {"id": "b", "displayName": "Ben"}


def track(track_id="a:camera", kind="video", **fields):
    client_id, source = track_id.split(":")
    return {"id": track_id, "clientId": client_id, "kind": kind, "source": source, "muted": False, **fields}


def make(**fields):
    welcome = {"type": "welcome", "clientId": "me", "roomId": "r", "roomMode": "auto", "mode": "p2p"}
    lists = {"participants": [ANN], "tracks": [track()], "iceServers": []}
    return Roster(messages.welcome({**welcome, **lists, **fields}), lambda: 0.0)


def told(roster, **message):
    return [(type(event).__name__, subject(event)) for event in roster.apply(message)]


def subject(event):
    for name in ("participant", "track"):
        if hasattr(event, name):
            return getattr(event, name).id
    return event.client_id if isinstance(event, bots.QualityChanged) else event.mode


def test_quality_is_known_from_then_on():
    roster = make()
    cause = {"code": "downlink_loss", "text": "your downlink loses 6 % of packets", "trackId": None}
    entries = [
        {"clientId": "a", "score": 100, "grade": "good"},
        {"clientId": "me", "score": 38, "grade": "poor", "cause": cause},
    ]
    assert told(roster, type="quality", participants=entries) == [
        ("QualityChanged", "a"),
        ("QualityChanged", "me"),
    ]
    assert roster.qualities == {
        "a": bots.Quality(100, "good"),
        "me": bots.Quality(38, "poor", "your downlink loses 6 % of packets"),
    }
    roster.apply({"type": "presence", "action": "leave", "clientId": "a"})
    assert set(roster.qualities) == {"me"}


def test_who_speaks_is_known_until_that_changes():
    speaker = {"clientId": "a", "trackId": "a:microphone", "audioLevel": 0.25}
    roster = make(tracks=[track("a:microphone", "audio")], speakers=[speaker])
    known = bots.Speaker("a", "a:microphone", 0.25)
    assert roster.speakers == (known,)
    assert roster.apply({"type": "speakers", "speakers": [speaker]}) == []
    assert roster.apply({"type": "speakers", "speakers": []}) == [bots.SpeakersChanged(())]
    assert roster.apply({"type": "speakers", "speakers": [speaker]}) == [bots.SpeakersChanged((known,))]
    roster.apply({"type": "tracks", "action": "removed", "tracks": [track("a:microphone", "audio")]})
    assert roster.speakers == ()


@pytest.mark.parametrize("entry", [{}, {"clientId": "a", "trackId": "a:microphone", "audioLevel": "loud"}, 7])
def test_speakers_that_are_none_are_refused(entry):
    with pytest.raises(bots.ProtocolViolated, match=r"speakers|message"):
        make().apply({"type": "speakers", "speakers": [entry]})


@pytest.mark.parametrize("entry", [{"clientId": "a"}, {"clientId": "a", "score": "high", "grade": "good"}, 7])
def test_quality_that_is_none_is_refused(entry):
    with pytest.raises(bots.ProtocolViolated, match=r"quality|message"):
        make().apply({"type": "quality", "participants": [entry]})


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (
            {"type": "presence", "action": "join", "clientId": "b", "displayName": "Ben"},
            [("ParticipantJoined", "b")],
        ),
        ({"type": "presence", "action": "join", "clientId": "a", "displayName": "Ann"}, []),
        (
            {"type": "presence", "action": "leave", "clientId": "a"},
            [("TrackRemoved", "a:camera"), ("ParticipantLeft", "a")],
        ),
        ({"type": "presence", "action": "leave", "clientId": "x"}, []),
        ({"type": "profile", "clientId": "a", "displayName": "Anna"}, [("NameChanged", "a")]),
        ({"type": "profile", "clientId": "x", "displayName": "Anna"}, []),
        ({"type": "participants", "participants": [ANN, BEN]}, [("ParticipantJoined", "b")]),
        (
            {"type": "participants", "participants": [BEN]},
            [("ParticipantJoined", "b"), ("TrackRemoved", "a:camera"), ("ParticipantLeft", "a")],
        ),
        (
            {"type": "tracks", "action": "added", "tracks": [track("b:microphone", "audio")]},
            [("TrackAdded", "b:microphone")],
        ),
        ({"type": "tracks", "action": "added", "tracks": [track("me:camera")]}, []),
        (
            {"type": "tracks", "action": "updated", "tracks": [track(sfu=True)]},
            [("TrackChanged", "a:camera")],
        ),
        ({"type": "tracks", "action": "removed", "tracks": [track()]}, [("TrackRemoved", "a:camera")]),
        ({"type": "tracks", "action": "removed", "tracks": [track("x:camera")]}, []),
        ({"type": "mode", "mode": "sfu"}, [("ModeChanged", "sfu")]),
        ({"type": "mode", "mode": "p2p"}, []),
        ({"type": "applause", "loudness": 3}, []),
        ({}, []),
    ],
)
def test_what_a_message_means(message, events):
    assert told(make(), **message) == events


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"type": "presence", "action": "join"}, "presence: clientId is missing, expected str"),
        ({"type": "presence", "action": "join", "clientId": 7}, "presence: clientId is 7, expected str"),
        ({"type": "participants", "participants": {}}, "participants: participants is {}, expected list"),
        ({"type": "participants", "participants": [3]}, "participants holds something that is no object"),
        ({"type": "tracks", "action": "added", "tracks": [track(kind="smell")]}, "track kind is 'smell'"),
        ({"type": "mode", "mode": "mesh"}, "mode is 'mesh', expected p2p or sfu"),
    ],
)
def test_a_message_that_the_protocol_does_not_allow_changes_nothing(message, sentence):
    roster = make()
    before = (dict(roster.participants), dict(roster.tracks), roster.mode)
    with pytest.raises(bots.ProtocolViolated, match=sentence):
        roster.apply(message)
    assert (roster.participants, roster.tracks, roster.mode) == before


def test_a_track_stays_the_same_object():
    roster = make()
    camera = roster.tracks["a:camera"]
    roster.apply({"type": "tracks", "action": "added", "tracks": [track(sfu=True, muted=True)]})
    assert roster.tracks["a:camera"] is camera
    assert (camera.info.sfu, camera.muted) == (True, True)


def test_who_was_there_first():
    roster = make()
    roster.apply({"type": "presence", "action": "join", "clientId": "b", "displayName": "Ben"})
    assert (roster.was_first("a"), roster.was_first("b")) == (True, False)


def test_a_server_that_names_nobody_in_its_welcome():
    roster = Roster(messages.welcome({"type": "welcome", "clientId": "me"}), lambda: 0.0)
    roster.apply({"type": "participants", "participants": [ANN, {"id": "me", "displayName": "Me"}]})
    assert roster.was_first("a")
    assert roster.mode == "p2p"


def test_frames_make_a_track_only_for_those_who_announce_none():
    roster = make(participants=[ANN, BEN])
    assert roster.heard("a", "screen") == (None, [])
    assert roster.heard("nobody", "camera") == (None, [])
    found, events = roster.heard("b", "camera")
    assert (found.id, found.kind, len(events)) == ("b:camera", "video", 1)
    assert roster.heard("b", "camera") == (found, [])


def test_welcome_without_an_id_is_refused():
    with pytest.raises(bots.ProtocolViolated, match="welcome: clientId is missing"):
        messages.welcome({"type": "welcome"})
