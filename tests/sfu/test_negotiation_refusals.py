"""Offers that no client should send: refused with a code and a sentence, and never at length."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.errors import NegotiationError
from sfu.negotiation import read_offer
from sfu.wire import sdp
from tests.sfu.offers import (
    AUDIO,
    AUDIO_LEVEL,
    CONFIG,
    FINGERPRINT,
    OFFER,
    OFFERS,
    ORIENTATION,
    SESSION,
    VIDEO,
    answer,
    changed,
    load,
)

MALFORMED = "sdp_malformed"
REFUSED = [
    ("garbage", "garbage", MALFORMED, "SDP line 1: expected a lower-case letter and ="),
    ("empty", "", MALFORMED, "SDP is empty"),
    ("no media", SESSION, MALFORMED, "SDP has no m= line"),
    ("NUL", changed(("a=mid:1", "a=mid:1\0")), MALFORMED, "SDP line 18: expected Unicode text without NUL"),
    ("long line", OFFER + "a=x:" + "y" * 65_536, MALFORMED, "SDP line 24: expected at most 8,192 characters"),
    (
        "mid twice",
        changed(("a=mid:1", "a=mid:0")),
        MALFORMED,
        "SDP line 18: expected another mid on each m-line",
    ),
    (
        "mid with a space",
        changed(("a=mid:1", "a=mid:1 2")),
        MALFORMED,
        "SDP line 18: expected a mid of 1 to 16",
    ),
    ("long mid", changed(("mid:1", "mid:" + "1" * 17)), MALFORMED, "SDP line 18: expected a mid of 1 to 16"),
    ("empty mid", changed(("a=mid:1", "a=mid:")), MALFORMED, "SDP line 18: expected a mid of 1 to 16"),
    (
        "payload type 128",
        changed(("SAVPF 96", "SAVPF 128")),
        MALFORMED,
        "SDP line 17: expected payload types from 0",
    ),
    (
        "payload type -1",
        changed(("SAVPF 96", "SAVPF -1")),
        MALFORMED,
        "SDP line 17: expected payload types from 0",
    ),
    (
        "payload type x",
        changed(("SAVPF 96", "SAVPF x")),
        MALFORMED,
        "SDP line 17: expected payload types from 0",
    ),
    (
        "huge",
        changed(("SAVPF 96", "SAVPF " + "9" * 400)),
        MALFORMED,
        "SDP line 17: expected payload types from 0 to 127",
    ),
    ("rtpmap 300", changed(("rtpmap:96", "rtpmap:300")), MALFORMED, "SDP line 21: expected one a=rtpmap"),
    (
        "rtpmap bare",
        changed(("rtpmap:96 VP8/90000", "rtpmap:96 VP8")),
        MALFORMED,
        "SDP line 21: expected one",
    ),
    ("rtpmap twice", OFFER + "a=rtpmap:96 H264/90000\n", MALFORMED, "SDP line 24: expected one a=rtpmap"),
    ("fmtp x", OFFER + "a=fmtp:x y\n", MALFORMED, "SDP line 24: expected a=fmtp:payload type 0 to 127"),
    ("rtcp-fb 200", OFFER + "a=rtcp-fb:200 nack\n", MALFORMED, "SDP line 24: expected a=rtcp-fb"),
    (
        "extmap 0",
        changed(("extmap:2", "extmap:0")),
        MALFORMED,
        "SDP line 22: expected an extmap id from 1 to 255",
    ),
    (
        "extmap 256",
        changed(("extmap:2", "extmap:256")),
        MALFORMED,
        "SDP line 22: expected an extmap id from 1",
    ),
    (
        "extmap 9999",
        changed(("extmap:2", "extmap:9999")),
        MALFORMED,
        "SDP line 22: expected an extmap id from 1",
    ),
    ("extmap bare", changed((f"2 {ORIENTATION}", "2")), MALFORMED, "SDP line 22: expected a=extmap:id URI"),
    (
        "extmap way",
        changed(("extmap:2", "extmap:2/both")),
        MALFORMED,
        "SDP line 22: expected a=extmap:id URI",
    ),
    ("extmap id twice", OFFER + "a=extmap:2 urn:x\n", MALFORMED, "SDP line 24: expected each extmap id once"),
    (
        "extmap id of another",
        changed(("extmap:2", "extmap:1")),
        MALFORMED,
        f"SDP line 22: expected another id, as 1 is {AUDIO_LEVEL} in this BUNDLE group",
    ),
    (
        "extmap URI with another id",
        changed((ORIENTATION, AUDIO_LEVEL)),
        MALFORMED,
        "SDP line 22: expected id 1, as elsewhere in this BUNDLE group",
    ),
    (
        "ssrc x",
        changed(("ssrc:2", "ssrc:x")),
        MALFORMED,
        "SDP line 23: expected an SSRC from 0 to 4294967295",
    ),
    ("ssrc 2^32", changed(("ssrc:2", "ssrc:4294967296")), MALFORMED, "SDP line 23: expected an SSRC from 0"),
    ("ssrc twice", changed(("ssrc:2", "ssrc:1")), MALFORMED, "SDP has SSRC 1 on the m-lines 0 and 1"),
    (
        "cname",
        changed(("ssrc:2 cname:c", "ssrc:2 cname:" + "é" * 128)),
        MALFORMED,
        "SDP line 23: expected a cname",
    ),
    ("rid", OFFER + "a=rid:q sideways\n", MALFORMED, "SDP line 24: expected a=rid:id send or a=rid:id recv"),
    ("simulcast", OFFER + "a=simulcast:q\n", MALFORMED, "SDP line 24: expected a=simulcast:send ids"),
    ("group twice", changed(("BUNDLE 0 1", "BUNDLE 0 0")), MALFORMED, "SDP line 5: expected each mid once"),
    (
        "group of nobody",
        changed(("BUNDLE 0 1", "BUNDLE 0 7")),
        MALFORMED,
        "SDP line 5: expected each mid once",
    ),
    ("short ufrag", changed((":user", ":use")), MALFORMED, "SDP line 6: expected 4 to 256 letters, digits"),
    ("odd ufrag", changed((":user", ":us:er")), MALFORMED, "SDP line 6: expected 4 to 256 letters, digits"),
    ("short pwd", changed(("p" * 22, "p" * 21)), MALFORMED, "SDP line 7: expected 22 to 256 letters, digits"),
    (
        "fingerprint",
        changed((":0A\n", ":0\n")),
        MALFORMED,
        "SDP line 8: expected a=fingerprint:algorithm and its",
    ),
    (
        "digest length",
        changed((":0A\n", "\n")),
        MALFORMED,
        "SDP line 8: expected a=fingerprint:algorithm and its",
    ),
    ("no ufrag", changed(("a=ice-ufrag:user\n", "")), "sdp_no_ice", "The offer has no a=ice-ufrag, expected"),
    (
        "no pwd",
        changed((f"a=ice-pwd:{'p' * 22}\n", "")),
        "sdp_no_ice",
        "The offer has no a=ice-pwd, expected",
    ),
    (
        "lite",
        changed(("t=0 0\n", "t=0 0\na=ice-lite\n")),
        "sdp_no_ice",
        "The offer has a=ice-lite, expected full",
    ),
    (
        "no DTLS",
        changed((f"a=fingerprint:{FINGERPRINT}\n", "")),
        "sdp_no_dtls",
        "The offer has no a=fingerprint, ",
    ),
    (
        "md5",
        changed(("sha-256", "md5")),
        "sdp_no_dtls",
        "The offer has no a=fingerprint with one of sha-256, ",
    ),
    (
        "passive",
        changed(("actpass", "passive")),
        "sdp_no_dtls",
        "The offer has a=setup:passive, expected actpass",
    ),
    ("holdconn", changed(("actpass", "holdconn")), "sdp_no_dtls", "The offer has a=setup:holdconn, expected"),
    ("no group", changed(("a=group:BUNDLE 0 1\n", "")), "sdp_not_bundled", "The offer has no a=group:BUNDLE"),
    ("empty group", changed(("BUNDLE 0 1", "BUNDLE")), "sdp_not_bundled", "The offer has no a=group:BUNDLE"),
    (
        "no rtcp-mux",
        SESSION + AUDIO + VIDEO.replace("a=rtcp-mux\n", ""),
        "sdp_not_bundled",
        "The m-line with mid 1 has no a=rtcp-mux",
    ),
    (
        "1,000 m-lines",
        SESSION + "".join(VIDEO.replace("mid:1", f"mid:{i}") for i in range(1000)),
        "sdp_too_many_media",
        "The offer has 1,000 m-lines, expected at most 256",
    ),
]


@pytest.mark.parametrize(
    ("text", "code", "sentence"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_bad_offers_are_refused(text: str, code: str, sentence: str) -> None:
    with pytest.raises(NegotiationError) as error:
        read_offer(text, config=CONFIG)
    assert error.value.code == code
    assert str(error.value).startswith(sentence)


def test_the_password_is_not_in_the_error() -> None:
    with pytest.raises(NegotiationError) as error:
        read_offer(changed(("p" * 22, "secret!")), config=CONFIG)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (changed(("BUNDLE 0 1", "BUNDLE 0")), "it is not in the first BUNDLE group"),
        (changed(("a=mid:1\n", ""), ("BUNDLE 0 1", "BUNDLE 0")), "it is not in the first BUNDLE group"),
        (
            changed(("BUNDLE 0 1", "BUNDLE 0\na=group:BUNDLE 1")),
            "it is not in the first BUNDLE group",
        ),
        (changed(("m=video 9", "m=video 0")), "the offer has port 0"),
        (
            SESSION + AUDIO + VIDEO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
            "its protocol is RTP/AVP, not UDP/TLS/RTP/SAVPF",
        ),
        (changed(("VP8", "H265")), "it offers none of VP8, H264, VP9, AV1"),
        (changed(("VP8/90000", "VP8/48000")), "it offers none of VP8, H264, VP9, AV1"),
        (changed((" 96", " 72"), (":96", ":72")), "it offers none of VP8, H264, VP9, AV1"),
    ],
)
def test_lines_are_rejected_alone(text: str, reason: str) -> None:
    remote = read_offer(text, config=CONFIG)
    assert [line.rejected for line in remote.media] == ["", reason]
    video = remote.media[1]
    assert (video.codecs, video.sends, video.receives) == ((), False, False)
    answered = answer(remote)
    assert sdp.Attribute("group", "BUNDLE 0") in answered.attributes
    assert answered.media[1].port == 0
    assert answered.media[1].formats == video.formats
    assert answered.media[1].protocol == video.protocol


@st.composite
def mutated_offers(draw: st.DrawFn) -> str:
    lines = load(draw(st.sampled_from(OFFERS))).split("\r\n")
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["delete", "repeat", "move", "cut", "insert", "digits", "word"])):
            case "delete":
                lines.pop(at)
                lines = lines or [""]
            case "repeat":
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "insert":
                position = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:position] + draw(st.text(max_size=4)) + lines[at][position:]
            case "digits":
                number = str(
                    draw(st.sampled_from([-1, 0, 15, 64, 95, 127, 128, 255, 256, 4096, 65536, 2**32, 10**30]))
                )
                lines[at] = re.sub(r"\d+", number, lines[at], count=1)
            case "word":
                words = lines[at].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(
                    st.sampled_from(["", "*", "BUNDLE", "send", ":", "/"])
                )
                lines[at] = " ".join(words)
    return "\r\n".join(lines)


@given(mutated_offers())
def test_mutated_offers_are_answered_or_refused(text: str) -> None:
    try:
        remote = read_offer(text, config=CONFIG)
    except NegotiationError as error:
        sentence = str(error)
    else:
        answered = answer(remote)
        assert len(answered.media) == len(remote.media) + len(remote.others) + (remote.data is not None)
        return
    assert 20 < len(sentence) < 400
    assert "\n" not in sentence


PARAMETERS = ";".join("a" for _ in range(4_000))
# What would be quadratic in a careless reader, as long as a description may be, and the code of the refusal.
COSTLY = {
    "m-lines": (SESSION + "m=audio 0 a b\n" * 18_000, "sdp_too_many_media"),
    "formats": (
        changed(("SAVPF 96", "SAVPF" + " 96" * 2_700), ("VP8", "H264")) + f"a=fmtp:96 {PARAMETERS}\n" * 20,
        "",
    ),
    "ssrcs": (OFFER + "".join(f"a=ssrc:{i} cname:x\n" for i in range(10, 12_000)), ""),
    "groups": (OFFER + ("a=ssrc-group:FID" + " 1" * 4_000 + "\n") * 30, ""),
    "rids": (OFFER + "".join(f"a=rid:{i} send\n" for i in range(12_000)), ""),
    "attributes": (OFFER + "a=x\n" * 16_000, ""),
    "spaces": (OFFER + ("a=rtpmap:1" + " " * 8_000 + "x\n") * 30, "sdp_malformed"),
    "digits": (OFFER + ("a=extmap:" + "1" * 8_000 + "\n") * 30, "sdp_malformed"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_no_offer_takes_long(name: str) -> None:
    text, code = COSTLY[name]
    assert 100_000 < len(text) < sdp.MAX_LENGTH or name == "attributes"
    start = time.thread_time()
    try:
        answer(read_offer(text, config=CONFIG))
        refused = ""
    except NegotiationError as error:
        refused = error.code
    # Measured: at most 0.06 s of CPU; quadratic work would take far longer.
    assert time.thread_time() - start < 2
    assert refused == code


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("sctp-port:5000", "sctp-port:0", "expected a number from 1 to 65535, found 'a=sctp-port:0'"),
        ("sctp-port:5000", "sctp-port:x", "expected a number from 1 to 65535, found 'a=sctp-port:x'"),
        ("sctp-port:5000", "sctp-port", "expected a number from 1 to 65535, found 'a=sctp-port'"),
        ("size:262144", "size:-1", "expected a number from 0 to 18446744073709551615, found 'a=max-message-"),
        ("size:262144", "size:" + "9" * 30, "expected a number from 0 to 18446744073709551615, found 'a=max"),
    ],
)
def test_numbers_of_the_data_line(before: str, after: str, sentence: str) -> None:
    with pytest.raises(NegotiationError) as error:
        read_offer(load("chromium-datachannel").replace(before, after), config=CONFIG)
    assert error.value.code == MALFORMED
    assert sentence in str(error.value)
