"""Session descriptions: real ones survive, broken ones are refused with a sentence that names the line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import sdp
from sfu.wire.sdp import Attribute, MediaDescription, Origin, SdpError, SessionDescription, parse

DATA = Path(__file__).parents[2] / "data" / "sdp"
OFFERS = sorted(path.stem for path in DATA.glob("*.sdp"))

HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def load(name: str) -> str:
    return (DATA / f"{name}.sdp").read_bytes().decode()


def test_the_captured_offers_are_there() -> None:
    assert {name.partition("-")[0] for name in OFFERS} == {"aiortc", "chromium", "firefox"}


@pytest.mark.parametrize("name", OFFERS)
def test_real_offers_are_fixed_points(name: str) -> None:
    text = load(name)
    session = parse(text)
    assert parse(str(session)) == session
    # Nothing is lost: only the order of a= and other lines may differ.
    assert sorted(str(session).splitlines()) == sorted(line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("name", OFFERS)
def test_lf_and_crlf_are_the_same(name: str) -> None:
    text = load(name)
    assert "\r\n" in text
    assert parse(text.replace("\r\n", "\n")) == parse(text)


def test_values() -> None:
    session = parse(
        HEAD + "a=ice-lite\r\na=group:BUNDLE 0\r\n"
        "m=video 9/2 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
        "a=mid:0\r\na=fmtp:96 a=b:c\r\na=empty:\r\n"
    )
    assert session == SessionDescription(
        origin=Origin("-", 1, 2, "IP4", "127.0.0.1"),
        lines=(("t", "0 0"),),
        attributes=(Attribute("ice-lite"), Attribute("group", "BUNDLE 0")),
        media=(
            MediaDescription(
                media="video",
                port=9,
                port_count=2,
                protocol="UDP/TLS/RTP/SAVPF",
                formats=("96", "97"),
                lines=(("c", "IN IP4 0.0.0.0"),),
                attributes=(Attribute("mid", "0"), Attribute("fmtp", "96 a=b:c"), Attribute("empty", "")),
            ),
        ),
    )
    assert session.media[0].line == 7
    assert [attribute.line for attribute in session.media[0].attributes] == [9, 10, 11]
    assert sdp.first(session.attributes, "group") == Attribute("group", "BUNDLE 0")
    assert sdp.first(session.attributes, "mid") is None


BAD = [
    ("", "SDP is empty, expected v=0 on line 1"),
    ("\r\n\r\n", "SDP is empty, expected v=0 on line 1"),
    ("v=0", "SDP ends after line 1, expected v=, o= and s= lines first"),
    ("v=1\no=- 1 1 IN IP4 0.0.0.0\ns=-\n", "SDP line 1: expected v=0, found 'v=1'"),
    ("hello", "SDP line 1: expected a lower-case letter and =, found 'hello'"),
    ("{}\n", "SDP line 1: expected a lower-case letter and =, found '{}'"),
    ("o=- 1 1 IN IP4 0.0.0.0\nv=0\n", "SDP line 1: expected v=, found 'o=- 1 1 IN IP4 0.0.0.0'"),
    ("v=0\nm=audio 9 X 0\n", "SDP line 2: expected o=, found 'm=audio 9 X 0'"),
    (
        "v=0\no=- one 1 IN IP4 0.0.0.0\ns=-\n",
        "SDP line 2: expected o=name, session id, version, IN, IP4 or IP6, address,"
        " found 'o=- one 1 IN IP4 0.0.0.0'",
    ),
    ("v=0\no=- 1 ² IN IP4 0.0.0.0\ns=-\n", "SDP line 2: expected o=name"),
    (
        HEAD + "a=mid:0\0\r\n",
        "SDP line 5: expected Unicode text without NUL and lone CR, found 'a=mid:0\\x00'",
    ),
    (HEAD + "a=mid:0\ra=x\r\n", "SDP line 5: expected Unicode text without NUL and lone CR"),
    (HEAD + "a=mid:\ud800\r\n", "SDP line 5: expected Unicode text without NUL and lone CR"),
    (HEAD + "\r\na=x\r\n", "SDP line 5: expected a lower-case letter and =, found ''"),
    (HEAD + "x=1\r\n", "SDP line 5: expected one of a=, b=, c=, e=, i=, k=, p=, r=, t=, u=, z=, found 'x=1'"),
    (HEAD + "a=\r\n", "SDP line 5: expected a=name or a=name:value, found 'a='"),
    (HEAD + "a=two words\r\n", "SDP line 5: expected a=name or a=name:value, found 'a=two words'"),
    (
        HEAD + "m=audio\r\n",
        "SDP line 5: expected m=media, port 0 to 65535, protocol, formats, found 'm=audio'",
    ),
    (HEAD + "m=audio 65536 RTP/AVP 0\r\n", "SDP line 5: expected m=media, port 0 to 65535"),
    (HEAD + "m=audio -1 RTP/AVP 0\r\n", "SDP line 5: expected m=media, port 0 to 65535"),
    (HEAD + "m=audio 9/0 RTP/AVP 0\r\n", "SDP line 5: expected m=media, port 0 to 65535"),
    (HEAD + "m=audio 9 RTP/AVP\r\n", "SDP line 5: expected m=media, port 0 to 65535"),
    (HEAD + "m=audio 9 RTP//AVP 0\r\n", "SDP line 5: expected m=media, port 0 to 65535"),
    (HEAD + "m=audio 9 RTP/AVP 0  8\r\n", "SDP line 5: expected m=media, port 0 to 65535"),
    (
        HEAD + "m=audio 9 RTP/AVP 0\r\nt=0 0\r\n",
        "SDP line 6: expected one of a=, b=, c=, i=, k=, found 't=0 0'",
    ),
    (
        HEAD + "a=x:" + "y" * 65_000 + "\r\n",
        "SDP line 5: expected at most 8,192 characters on a line, found 'a=x:" + "y" * 53 + "...'",
    ),
    (HEAD + "a=x\n" * 20_000, "SDP has over 16,384 lines"),
    (HEAD + "a=xy\n" * 60_000, "SDP has 300,043 characters, expected at most 262,144"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_text_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SdpError) as error:
        parse(text)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "\udfff"])
def test_a_value_cannot_break_out_of_its_line(value: str) -> None:
    with pytest.raises(ValueError, match="contains a line break, NUL or surrogate"):
        str(SessionDescription(attributes=(Attribute("x", value),)))


@pytest.mark.parametrize(
    ("text", "maximum", "value"),
    [
        ("0", 0, 0),
        ("127", 127, 127),
        ("128", 127, None),
        ("-1", 9, None),
        ("+1", 9, None),
        ("", 9, None),
        ("1_0", 99, None),
        (" 1", 9, None),
        ("1.0", 9, None),
        ("²", 9, None),
        ("١", 9, None),
        ("9" * 21, 10**30, None),
    ],
)
def test_numbers(text: str, maximum: int, value: int | None) -> None:
    assert sdp.number(text, maximum) == value


tokens = st.from_regex(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,8}", fullmatch=True)
values = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=20)
attributes = st.lists(st.builds(Attribute, tokens, st.none() | values), max_size=5).map(tuple)
protocols = st.lists(tokens, min_size=1, max_size=4).map("/".join)
media = st.builds(
    MediaDescription,
    media=tokens,
    port=st.integers(0, 65535),
    protocol=protocols,
    formats=st.lists(tokens, min_size=1, max_size=4).map(tuple),
    port_count=st.integers(1, 65535),
    lines=st.lists(st.tuples(st.sampled_from("icbk"), values), max_size=3).map(tuple),
    attributes=attributes,
)
sessions = st.builds(
    SessionDescription,
    origin=st.builds(Origin, tokens, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), tokens, tokens),
    name=values,
    lines=st.lists(st.tuples(st.sampled_from("iuepcbtrzk"), values), max_size=3).map(tuple),
    attributes=attributes,
    media=st.lists(media, max_size=3).map(tuple),
)


@given(sessions)
def test_what_is_written_is_read(session: SessionDescription) -> None:
    assert parse(str(session)) == session
    assert parse(str(session).replace("\r\n", "\n")) == session


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for candidate in (text, HEAD + text, HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" + text):
        try:
            session = parse(candidate)
        except SdpError:
            continue
        assert parse(str(session)) == session


def test_the_largest_text_is_read_in_bounded_time() -> None:
    text = HEAD + "m=a 0 b c\r\na=d\r\n" * 8_000
    start = time.thread_time()
    assert len(parse(text).media) == 8_000
    # Measured: 0.06 s. The margin is for a busy machine; quadratic work would take minutes.
    assert time.thread_time() - start < 5
