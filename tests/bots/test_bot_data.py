import contextlib

import pytest
from bot_stand_in import Server
from hypothesis import given
from hypothesis import strategies as st

import bots
from bots.data import MAX_MESSAGE_BYTES, DataMessage, seal, unseal


@pytest.mark.parametrize(
    ("payload", "to", "topic", "sealed"),
    [
        ("hi", None, "", "\nhi"),
        (b"\x00\n\xff", None, "", b"\n\x00\n\xff"),
        ("12,34", ["c0ffee"], "cursor", '{"to": ["c0ffee"], "topic": "cursor"}\n12,34'),
        (b"", None, "⏎\n", b'{"topic": "\\u23ce\\n"}\n'),
    ],
)
def test_what_goes_onto_the_channel(payload, to, topic, sealed):
    assert seal(payload, to, topic) == sealed


def test_a_message_of_the_largest_size_goes_and_one_byte_more_does_not():
    assert len(seal(b"x" * (MAX_MESSAGE_BYTES - 1), None, "")) == MAX_MESSAGE_BYTES
    with pytest.raises(ValueError, match=r"has 65537 bytes, expected at most 65536"):
        seal(b"x" * MAX_MESSAGE_BYTES, None, "")
    # Counted in UTF-8.
    with pytest.raises(ValueError, match="65537 bytes"):
        seal("é" * (MAX_MESSAGE_BYTES // 2), None, "")


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ('{"from":"c1"}\nhi\nyou', DataMessage("c1", "", "hi\nyou")),
        (b'{"from":"c1","topic":"cursor"}\n\x00\xff', DataMessage("c1", "cursor", b"\x00\xff")),
    ],
)
def test_what_the_server_sends_is_read(message, read):
    assert unseal(message) == read


@pytest.mark.parametrize(
    "message", ["", "hi", "\nhi", "[]\nhi", b"\xff\nhi", '{"from":1}\n', '{"from":"a","topic":1}\n']
)
def test_what_is_none_of_it_is_refused(message):
    with pytest.raises(ValueError, match="a data message of the server"):
        unseal(message)


@given(st.binary() | st.text())
def test_nothing_else_than_value_error_comes_of_any_message(message):
    with contextlib.suppress(ValueError):
        unseal(message)


@pytest.mark.parametrize(
    ("mode", "data", "reason"),
    [
        ("sfu", False, "join with data=True"),
        ("p2p", True, "the room is in mode p2p"),
    ],
)
async def test_where_there_are_no_channels_it_says_why(mode, data, reason):
    async with Server() as server:
        server.mode = mode
        async with bots.Room.join(server.url, data=data) as room:
            with pytest.raises(bots.MediaFailed, match=reason):
                await room.send_data("hi")
        with pytest.raises(bots.RoomLeft):
            await room.send_data("hi")
