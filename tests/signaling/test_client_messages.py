"""What a client sends: frames in, messages or named refusals out."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling import announcements
from signaling.messages import (
    DeclareTracks,
    Negotiate,
    Ping,
    ProtocolError,
    SendChat,
    SetProfile,
    SetSubscription,
    parse,
)
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.settings import RoomSettings
from signaling.wish import Wish

SETTINGS = RoomSettings()

ICE = {"type": "webrtc", "action": "ice", "to": "b", "candidate": {"candidate": "c"}}
OFFER = {"type": "webrtc", "action": "offer", "to": "sfu", "sdp": "v=0"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "profile", "displayName": "  Ada \t L. "}, SetProfile("Ada L.")),
        ({"type": "profile", "displayName": "x" * 64, "id": 1}, SetProfile("x" * 64, 1)),
        ({"type": "chat", "text": " hi\nyou "}, SendChat(" hi\nyou ")),
        ({"type": "chat", "text": "x" * 4000, "id": "a"}, SendChat("x" * 4000, "a")),
        ({"type": "chat", "text": "\U0001f600", "id": 1.5}, SendChat("\U0001f600", 1.5)),
        (ICE, Negotiate("ice", "b", ICE)),
        (ICE | {"candidate": None}, Negotiate("ice", "b", ICE | {"candidate": None})),
        (OFFER, Negotiate("offer", "sfu", OFFER, "v=0")),
        (
            OFFER | {"publish": {"0": {"source": "camera"}}, "subscribe": {"1": "a:camera"}, "id": 7},
            Negotiate(
                "offer",
                "sfu",
                OFFER | {"publish": {"0": {"source": "camera"}}, "subscribe": {"1": "a:camera"}, "id": 7},
                "v=0",
                {"0": "camera"},
                {"1": "a:camera"},
                7,
            ),
        ),
        # Between participants the fields are theirs.
        (
            OFFER | {"to": "b", "publish": 1, "more": [2]},
            Negotiate("offer", "b", OFFER | {"to": "b", "publish": 1, "more": [2]}, "v=0"),
        ),
        ({"type": "tracks", "tracks": []}, DeclareTracks({})),
        (
            {"type": "tracks", "tracks": [{"source": "camera", "muted": True}, {"source": "microphone"}]},
            DeclareTracks({"camera": True, "microphone": False}),
        ),
        ({"type": "subscription", "trackId": "a:camera", "paused": True}, SetSubscription("a:camera", True)),
        (
            {"type": "subscription", "trackId": "a:camera", "width": 640, "height": 360},
            SetSubscription("a:camera", None, Wish(640, 360)),
        ),
        (
            {"type": "subscription", "trackId": "a:camera", "paused": False, "priority": -2, "temporal": 1},
            SetSubscription("a:camera", False, Wish(priority=-2, temporal=1)),
        ),
        ({"type": "ping", "id": "x" * 64, "extra": {}}, Ping("x" * 64)),
        ({"type": "ping", "id": None}, Ping()),
    ],
)
def test_accepts(body, message):
    assert parse(json.dumps(body).encode(), SETTINGS) == message
    assert parse(json.dumps(body), SETTINGS) == message


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"hello", "not JSON"),
        (b"[]", "must be a JSON object, not a list"),
        (b'"text"', 'must be a JSON object, not "text"'),
        (b"null", "must be a JSON object, not nothing"),
        (b'{"type": "ping", "id": NaN}', "NaN is not a JSON number"),
        (b'{"type": "ping", "id": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"type": "ping", "id": 1e999}', "the number 1e999 is too large"),
        pytest.param(b'{"type": "ping", "id": ' + b"9" * 5000 + b"}", "not JSON", id="digits"),
        (b'{"type": "chat", "text": "\xff"}', "not UTF-8 at byte 26"),
        (b'{"type": "chat", "text": "\\ud83d"}', "half of a surrogate pair"),
        pytest.param(b"[" * 60_000, "deeper than 16", id="lists"),
        pytest.param(b'{"a":' * 10_000, "deeper than 16", id="objects"),
        (b'{"type": "ping", "a": ' + b"[" * 16 + b"]" * 16 + b"}", "deeper than 16"),
        ("\ufeff{}".encode(), "not JSON"),
    ],
)
def test_refuses_what_is_not_a_json_object(frame, sentence):
    with pytest.raises(ProtocolError, match=re.escape(sentence)) as caught:
        parse(frame, SETTINGS)
    assert caught.value.code == "malformed_json"
    assert (caught.value.request, caught.value.id) == (None, None)


def test_the_deepest_that_is_allowed():
    assert parse(b'{"type": "ping", "a": ' + b"[" * 15 + b"]" * 15 + b"}", SETTINGS) == Ping()


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        (
            {},
            "unknown_type",
            "one of profile, chat, webrtc, tracks, subscription, moderate, stats, ping",
        ),
        ({"type": None}, "unknown_type", "not nothing"),
        ({"type": 5}, "unknown_type", "not 5"),
        ({"type": ["ping"]}, "unknown_type", "not a list"),
        ({"type": "welcome"}, "unknown_type", 'not "welcome"'),
        ({"type": "ping", "id": True}, "invalid_field", "id must be a string or a number, not true"),
        ({"type": "ping", "id": []}, "invalid_field", "id must be a string or a number"),
        ({"type": "ping", "id": "x" * 65}, "invalid_field", "id must have at most 64"),
        ({"type": "ping", "id": 10**64}, "invalid_field", "id must have at most 64"),
        ({"type": "profile"}, "invalid_field", "displayName must be a string, not nothing"),
        ({"type": "profile", "displayName": 1}, "invalid_field", "displayName must be a string, not 1"),
        ({"type": "profile", "displayName": " \t\u202e "}, "invalid_field", "displayName is empty"),
        ({"type": "profile", "displayName": "x" * 65}, "invalid_field", "has 65 characters"),
        ({"type": "chat"}, "invalid_field", "text must be a string"),
        ({"type": "chat", "text": {"a": 1}}, "invalid_field", "text must be a string, not an object"),
        ({"type": "chat", "text": ""}, "invalid_field", "text is empty"),
        ({"type": "chat", "text": " \n"}, "invalid_field", "text is empty"),
        ({"type": "chat", "text": "x" * 4001}, "invalid_field", "text has 4001 characters"),
        (ICE | {"action": "bye"}, "invalid_field", 'action must be offer, answer or ice, not "bye"'),
        (ICE | {"action": ["ice"]}, "invalid_field", "action must be offer, answer or ice, not a list"),
        (ICE | {"to": None}, "invalid_field", "to must be a string, not nothing"),
        (ICE | {"to": ""}, "invalid_field", "to has 0 characters"),
        (ICE | {"to": "x" * 65}, "invalid_field", "to has 65 characters"),
        (ICE | {"candidate": "c"}, "invalid_field", "candidate must be an object or null"),
        (
            {"type": "webrtc", "action": "ice", "to": "b"},
            "invalid_field",
            "candidate must be an object or null",
        ),
        (OFFER | {"sdp": None}, "invalid_field", "sdp must be a string"),
        (OFFER | {"sdp": ""}, "invalid_field", "sdp has 0 characters"),
        (OFFER | {"publish": []}, "invalid_field", "publish must be an object of m-line mids, not a list"),
        (OFFER | {"publish": {"0": "camera"}}, "invalid_field", "publish.0.source must be one of microphone"),
        (
            OFFER | {"publish": {"0": {"source": "fax"}}},
            "invalid_field",
            'publish.0.source must be .* not "fax"',
        ),
        (OFFER | {"publish": {"0": {"source": {}}}}, "invalid_field", "publish.0.source must be"),
        (OFFER | {"publish": {"": {"source": "camera"}}}, "invalid_field", "publish has a mid that is not 1"),
        (
            OFFER | {"publish": {str(i): {"source": "camera"} for i in range(257)}},
            "invalid_field",
            "publish names 257 m-lines; at most 256",
        ),
        (OFFER | {"subscribe": {"0": None}}, "invalid_field", "subscribe.0 must be a track id, not nothing"),
        (OFFER | {"subscribe": {"0": "x" * 129}}, "invalid_field", "subscribe.0 must be a track id"),
        (
            OFFER | {"subscribe": {str(i): "a:camera" for i in range(257)}},
            "invalid_field",
            "subscribe names 257 m-lines; at most 256",
        ),
        ({"type": "tracks"}, "invalid_field", "tracks must be a list"),
        ({"type": "tracks", "tracks": ["camera"]}, "invalid_field", r"tracks\[0\].source must be one of"),
        (
            {"type": "tracks", "tracks": [{"source": "camera"}] * 2},
            "invalid_field",
            "camera for the second time",
        ),
        ({"type": "tracks", "tracks": [{"source": "camera"}] * 5}, "invalid_field", "tracks has 5 entries"),
        (
            {"type": "tracks", "tracks": [{"source": "camera", "muted": 1}]},
            "invalid_field",
            r"tracks\[0\].muted must be true or false, not 1",
        ),
        ({"type": "subscription", "paused": True}, "invalid_field", "trackId must be a string"),
        (
            {"type": "subscription", "trackId": "a", "paused": 0},
            "invalid_field",
            "paused must be true or false",
        ),
        ({"type": "subscription", "trackId": "a"}, "invalid_field", "subscription says nothing: give paused"),
        (
            {"type": "subscription", "trackId": "a", "width": 640},
            "invalid_field",
            "width and height must be given together",
        ),
        (
            {"type": "subscription", "trackId": "a", "width": 0, "height": 1},
            "invalid_field",
            "width must be a whole number from 1 to 16384, not 0",
        ),
        (
            {"type": "subscription", "trackId": "a", "width": 1, "height": 1.5},
            "invalid_field",
            "height must be a whole number from 1 to 16384, not 1.5",
        ),
        (
            {"type": "subscription", "trackId": "a", "priority": 11},
            "invalid_field",
            "priority must be a whole number from -10 to 10, not 11",
        ),
        (
            {"type": "subscription", "trackId": "a", "temporal": True},
            "invalid_field",
            "temporal must be a whole number from 0 to 7, not true",
        ),
    ],
)
def test_refuses_a_field_and_names_it(body, code, sentence):
    with pytest.raises(ProtocolError, match=sentence) as caught:
        parse(json.dumps(body).encode(), SETTINGS)
    assert caught.value.code == code
    assert caught.value.request == (body.get("type") if isinstance(body.get("type"), str) else None)
    assert len(str(caught.value)) < 200


def test_a_refusal_carries_the_request_id():
    with pytest.raises(ProtocolError, match="text") as caught:
        parse(b'{"type": "chat", "id": "q1"}', SETTINGS)
    assert (caught.value.request, caught.value.id) == ("chat", "q1")


def test_an_unknown_type_is_told_back_in_short():
    with pytest.raises(ProtocolError, match="type must be") as caught:
        parse(json.dumps({"type": "x" * 1000, "id": 3}), SETTINGS)
    assert (caught.value.request, caught.value.id) == ("x" * 64, 3)


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        (RoomSettings(chat_characters=3), {"type": "chat", "text": "four"}),
        (RoomSettings(display_name_characters=3), {"type": "profile", "displayName": "four"}),
    ],
)
def test_limits_are_settings(settings, body):
    with pytest.raises(ProtocolError, match="has 4 characters; it must have 1 to 3"):
        parse(json.dumps(body), settings)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NEARLY = st.fixed_dictionaries(
    {"type": st.sampled_from(["profile", "chat", "webrtc", "tracks", "subscription", "ping"]) | JSON},
    optional={
        "id": JSON,
        "action": st.sampled_from(["offer", "answer", "ice"]) | JSON,
        "to": st.sampled_from(["sfu", "b"]) | JSON,
        "sdp": st.text(min_size=1) | JSON,
        "candidate": JSON,
        "publish": JSON,
        "subscribe": JSON,
        "tracks": JSON,
        "text": JSON,
        "displayName": JSON,
        "trackId": JSON,
        "paused": JSON,
        "width": JSON,
        "height": JSON,
        "priority": JSON,
        "temporal": JSON,
    },
)


@settings(deadline=None)
@given(st.binary(max_size=200) | NEARLY.map(lambda body: json.dumps(body).encode()))
def test_any_bytes_are_a_message_or_a_refusal_that_can_be_sent_on(frame):
    sender = Participant("a", "A", Outbox(1, 1))
    try:
        message = parse(frame, SETTINGS)
    except ProtocolError as error:
        out = announcements.error(error.code, str(error), error.request, error.id)
    else:
        body = message.body if isinstance(message, Negotiate) else {"id": message.id}
        out = announcements.relayed(body, sender)
    assert json.loads(announcements.encode(out), parse_constant=pytest.fail) == out


def test_only_descriptions_may_be_larger_than_other_messages():
    settings = RoomSettings()
    sdp = "v=0\r\n" + "a=x\r\n" * 40_000
    offer = json.dumps({"type": "webrtc", "action": "offer", "to": "sfu", "sdp": sdp}).encode()
    assert len(offer) > settings.message_bytes
    assert parse(offer, settings).sdp == sdp
    for message in (
        {"type": "webrtc", "action": "ice", "to": "sfu", "candidate": {"x": sdp}},
        {"type": "chat", "text": sdp},
    ):
        with pytest.raises(ProtocolError, match="only offers and answers may have more than 65,") as raised:
            parse(json.dumps(message).encode(), settings)
        assert raised.value.code == "message_too_large"
