import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire.envelope import MAX_HEADER_BYTES, Envelope, parse, stamped


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ("\nhello", Envelope("hello")),
        ("\n", Envelope("")),
        ("{}\nline\nline", Envelope("line\nline")),
        ('{"to": null, "topic": "t"}\n', Envelope("", None, "t")),
        ('{"to": ["a", "b", "a"], "more": 1}\nx', Envelope("x", ("a", "b"))),
        (b"\n\x00\xff\n", Envelope(b"\x00\xff\n")),
        (b'{"to": ["a"]}\n\x80', Envelope(b"\x80", ("a",))),
    ],
)
def test_what_is_read(message, read):
    assert parse(message) == read


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("hello", "a data message has no line feed, expected a header line before the payload"),
        (b"", "a data message has no line feed, expected a header line before the payload"),
        ("{\n", "the header line is not JSON, expected an object or nothing"),
        (b"\xff\n", "the header line is not JSON, expected an object or nothing"),
        ("[" * 4000 + "\n", "the header line is not JSON, expected an object or nothing"),
        ("[]\n", "the header line is not an object, expected one or nothing"),
        (" " * (MAX_HEADER_BYTES + 1) + "\n", "the header line has more than 4096 bytes"),
        ('{"to": "a"}\n', "to is not a list of 1 to 100 participant ids"),
        ('{"to": []}\n', "to is not a list of 1 to 100 participant ids"),
        ('{"to": [1]}\n', "to is not a list of 1 to 100 participant ids"),
        ('{"to": [""]}\n', "to is not a list of 1 to 100 participant ids"),
        ('{"topic": 5}\n', "topic is not a text of at most 64 characters"),
        ('{"topic": "' + "x" * 65 + '"}\n', "topic is not a text of at most 64 characters"),
    ],
)
def test_what_is_refused(message, sentence):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the sentence is compared whole
        parse(message)
    assert str(error.value) == sentence


HEADERS = st.sampled_from(
    ["{", "}", "[", '"to"', '"topic"', ":", ",", '"a"', "1", "null", "\n", " ", "\\ud800"]
)


@given(st.one_of(st.text(), st.binary(), st.lists(HEADERS).map("".join)))
def test_any_message_is_read_or_refused(message):
    try:
        read = parse(message)
    except ValueError:
        return
    assert type(read.payload) is type(message)


@given(
    st.one_of(st.text(), st.binary()),
    st.text(max_size=64),
    st.text(min_size=1, alphabet="abc123", max_size=9),
)
def test_the_stamp_is_a_line_before_the_same_payload(payload, topic, sender):
    message = stamped(Envelope(payload, ("x",), topic), sender)
    newline = "\n" if isinstance(message, str) else b"\n"
    header, _, rest = message.partition(newline)
    assert rest == payload
    assert json.loads(header) == {"from": sender, **({"topic": topic} if topic else {})}
    # What one client gets, another may send on.
    assert parse(message) == Envelope(payload, None, topic)
