from __future__ import annotations

import pytest

import bots
from bots import address


@pytest.mark.parametrize(
    ("text", "socket", "room_id"),
    [
        ("http://localhost:8080/r/abc", "ws://localhost:8080/ws/abc", "abc"),
        ("https://chat.example/r/a_B-9/", "wss://chat.example/ws/a_B-9", "a_B-9"),
        ("ws://127.0.0.1:9/ws/x", "ws://127.0.0.1:9/ws/x", "x"),
        ("wss://[::1]:8443/ws/x?token=old", "wss://[::1]:8443/ws/x", "x"),
        ("http://host/chatter/r/abc?name=me#now", "ws://host/chatter/ws/abc", "abc"),
        ("http://host/r/" + "a" * 64, "ws://host/ws/" + "a" * 64, "a" * 64),
    ],
)
def test_addresses_of_a_room(text, socket, room_id):
    found = address.parse(text)
    assert (str(found.socket), found.room_id) == (socket, room_id)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no room address: expected http"),
        ("abc", "is no room address: expected http"),
        ("ftp://host/r/abc", "is no room address: expected http"),
        ("http:///r/abc", "is no"),
        ("http://host:99999/r/abc", "is no address"),
        ("http://host/", "has no room in its path"),
        ("http://host/r/", "has no room in its path"),
        ("http://host/ws/abc", "has no room in its path"),
        ("ws://host/r/abc", "has no room in its path"),
        ("http://host/r/a b", "'a b' is no room id: 1 to 64 of A-Z a-z 0-9 _ -"),
        ("http://host/r/" + "a" * 65, "is no room id"),
    ],
)
def test_what_is_no_address_of_a_room(text, sentence):
    with pytest.raises(bots.AddressInvalid, match=sentence):
        address.parse(text)


def test_who_joins_is_in_the_query():
    found = address.parse("http://host/r/abc")
    assert str(found.with_query("t&1", "Ä b")) == "ws://host/ws/abc?token=t%261&displayName=%C3%84+b"
    assert str(found.with_query(None, None)) == "ws://host/ws/abc"
