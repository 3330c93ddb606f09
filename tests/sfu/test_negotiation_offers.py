"""What is read from offers: those of real clients, and what the standards allow besides."""

from __future__ import annotations

import re

import pytest

from sfu.config import MediaConfig
from sfu.negotiation import read_offer
from sfu.negotiation.extensions import MID, REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID
from sfu.parameters import Codec, DataLine, HeaderExtension
from sfu.wire import sdp
from tests.sfu.offers import (
    ABS_SEND_TIME,
    AUDIO,
    AUDIO_LEVEL,
    COLOR_SPACE,
    CONFIG,
    CONTENT_TYPE,
    FINGERPRINT,
    OFFER,
    ORIENTATION,
    PLAYOUT_DELAY,
    SESSION,
    TIMING,
    TRANSPORT_CC,
    VIDEO,
    answer,
    changed,
    load,
    read,
)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        # (mid, kind, sends, receives, codecs with payload types, number of SSRCs, rids)
        (
            "aiortc-sendrecv",
            [
                ("0", "audio", True, True, {"opus": [96]}, 1, ()),
                ("1", "video", True, True, {"VP8": [97], "H264": [99, 101]}, 1, ()),
            ],
        ),
        (
            "chromium-simulcast",
            [
                ("0", "audio", True, False, {"opus": [111]}, 1, ()),
                (
                    "1",
                    "video",
                    True,
                    False,
                    {"VP8": [96], "H264": [102, 104, 108, 114, 116, 39], "VP9": [98, 100], "AV1": [45]},
                    0,
                    ("q", "h", "f"),
                ),
            ],
        ),
        (
            "chromium-recvonly",
            [("0", "audio", False, True, {"opus": [111]}, 0, ())]
            + [
                (
                    mid,
                    "video",
                    False,
                    True,
                    {
                        "VP8": [96],
                        "H264": [102, 104, 108, 114, 116, 39, 41, 43],
                        "VP9": [98, 100, 35, 37],
                        "AV1": [45, 47],
                    },
                    0,
                    (),
                )
                for mid in ("1", "2")
            ],
        ),
        (
            "firefox-simulcast",
            [
                ("0", "audio", True, False, {"opus": [109]}, 1, ()),
                ("1", "video", True, False, {"VP8": [120], "VP9": [121], "AV1": [99]}, 3, ("q", "h", "f")),
            ],
        ),
        (
            "firefox-screen",
            [
                ("0", "audio", True, False, {"opus": [109]}, 1, ()),
                ("1", "video", True, False, {"VP8": [120], "VP9": [121], "AV1": [99]}, 1, ()),
                ("2", "video", True, False, {"VP8": [120], "VP9": [121], "AV1": [99]}, 1, ()),
                ("3", "audio", False, True, {"opus": [109]}, 0, ()),
                ("4", "video", False, True, {"VP8": [120], "VP9": [121], "AV1": [99]}, 0, ()),
            ],
        ),
    ],
)
def test_lines_of_real_offers(name: str, lines: list[tuple[object, ...]]) -> None:
    found = []
    for line in read(name).media:
        assert not line.rejected
        codecs: dict[str, list[int]] = {}
        for codec in line.codecs:
            codecs.setdefault(codec.name, []).append(codec.payload_type)
        assert list(codecs) == [c for c in (*CONFIG.audio_codecs, *CONFIG.video_codecs) if c in codecs]
        found.append((line.mid, line.kind, line.sends, line.receives, codecs, len(line.ssrcs), line.rids))
    assert found == lines


def test_details_of_a_real_line() -> None:
    line = read("chromium-sendrecv").media[1]
    text = load("chromium-sendrecv")
    group = re.search(r"a=ssrc-group:FID (\d+) (\d+)", text)
    cname = re.search(r"cname:(\S+)", text)
    track = re.findall(r"a=msid:\S+ (\S+)", text)
    assert group is not None
    assert cname is not None
    assert line.ssrcs == (int(group[1]),)
    assert line.cname == cname[1]
    assert line.track_name == track[1]
    assert line.rtcp_rsize
    assert line.extmap_allow_mixed
    assert line.codecs[0] == Codec(
        "VP8",
        96,
        90_000,
        feedback=("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"),
        rtx_payload_type=97,
    )
    assert line.rtx_ssrcs == ((int(group[1]), int(group[2])),)
    assert line.codecs[1].parameters == (
        ("level-asymmetry-allowed", "1"),
        ("packetization-mode", "1"),
        ("profile-level-id", "42001f"),
    )
    assert {extension.uri: extension.id for extension in line.extensions} == {
        MID: 4,
        ORIENTATION: 13,
        TRANSPORT_CC: 3,
        PLAYOUT_DELAY: 5,
        CONTENT_TYPE: 6,
        TIMING: 7,
        COLOR_SPACE: 8,
    }
    audio = read("chromium-sendrecv").media[0]
    assert audio.codecs == (
        Codec(
            "opus",
            111,
            48_000,
            2,
            parameters=(("minptime", "10"), ("useinbandfec", "1")),
            feedback=("transport-cc",),
        ),
    )
    assert {extension.uri for extension in audio.extensions} == {MID, AUDIO_LEVEL, TRANSPORT_CC}


def test_stream_ids_only_where_rids_are_sent() -> None:
    def ids(name: str) -> set[str]:
        return {e.uri for e in read(name).media[1].extensions} & {RTP_STREAM_ID, REPAIRED_RTP_STREAM_ID}

    assert ids("chromium-simulcast") == {RTP_STREAM_ID, REPAIRED_RTP_STREAM_ID}
    assert RTP_STREAM_ID in load("chromium-sendrecv")
    assert ids("chromium-sendrecv") == set()


def test_extension_directions_are_kept() -> None:
    video = read("firefox-sendrecv").media[1]
    assert HeaderExtension(PLAYOUT_DELAY, 6, "recvonly") in video.extensions


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_an_ice_restart_changes_ice_only(browser: str) -> None:
    before, after = read(f"{browser}-before-restart"), read(f"{browser}-restart")
    assert before.ice_ufrag != after.ice_ufrag
    assert before.ice_pwd != after.ice_pwd
    assert before.fingerprints == after.fingerprints
    assert [line.ssrcs for line in before.media] == [line.ssrcs for line in after.media]


def test_fingerprints() -> None:
    remote = read("aiortc-sendrecv")
    assert [algorithm for algorithm, _ in remote.fingerprints] == ["sha-256", "sha-384", "sha-512"]
    other_case = changed((f"a=fingerprint:{FINGERPRINT}", f"a=fingerprint:{FINGERPRINT.swapcase()}"))
    assert "SHA-256 0a:0a" in other_case
    assert read_offer(other_case, config=CONFIG).fingerprints == (("sha-256", FINGERPRINT.split()[1]),)


@pytest.mark.parametrize("browser", ["aiortc", "chromium", "firefox"])
def test_data_channels_are_kept_apart(browser: str) -> None:
    remote = read(f"{browser}-datachannel")
    size = 1073741823 if browser == "firefox" else 262144
    assert remote.data == DataLine(2, "2", "UDP/DTLS/SCTP", 5000, size)
    assert remote.others == ()
    assert [line.mid for line in remote.media] == ["0", "1"]
    assert answer(remote).media[2] == sdp.MediaDescription(
        "application",
        10000,
        "UDP/DTLS/SCTP",
        ("webrtc-datachannel",),
        lines=(("c", "IN IP4 192.0.2.1"),),
        attributes=(
            sdp.Attribute("mid", "2"),
            sdp.Attribute("sctp-port", "5000"),
            sdp.Attribute("max-message-size", "65536"),
        ),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("m=application 36624", "m=application 0"),
        ("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000"),
        ("webrtc-datachannel", "bfcp"),
        ("a=sctp-port:5000\r\n", ""),
        ("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1"),
    ],
)
def test_data_channels_that_cannot_be_answered_are_rejected(before: str, after: str) -> None:
    text = load("chromium-datachannel")
    assert before in text
    remote = read_offer(text.replace(before, after), config=CONFIG)
    assert remote.data is None
    assert [line.index for line in remote.others] == [2]
    assert answer(remote).media[2].port == 0


def test_of_two_lines_of_data_channels_the_first_is_taken() -> None:
    text = load("chromium-datachannel")
    tail = text.split("m=application")[1]
    second = "m=application" + tail.replace("a=mid:2", "a=mid:3")
    remote = read_offer(text.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 3") + second, config=CONFIG)
    assert remote.data is not None
    assert (remote.data.mid, [line.mid for line in remote.others]) == ("2", ["3"])


def test_data_channels_alone_are_enough_for_a_transport() -> None:
    head, tail = (
        load("chromium-datachannel").split("m=audio")[0],
        load("chromium-datachannel").split("m=app")[1],
    )
    text = head.replace("BUNDLE 0 1 2", "BUNDLE 2") + "m=app" + tail
    remote = read_offer(text, config=CONFIG)
    line = answer(remote).media[0]
    assert (line.media, line.port) == ("application", 10000)
    assert sdp.first(line.attributes, "candidate") is not None
    assert sdp.first(answer(remote).attributes, "group") == sdp.Attribute("group", "BUNDLE 2")


def test_a_client_that_names_no_size_takes_64_kilobytes() -> None:
    text = load("chromium-datachannel").replace("a=max-message-size:262144\r\n", "")
    remote = read_offer(text, config=CONFIG)
    assert remote.data is not None
    assert remote.data.max_message_size == 65536


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_a_stopped_line_stays_rejected(browser: str) -> None:
    remote = read(f"{browser}-stopped")
    assert [line.rejected for line in remote.media] == ["", "the offer has port 0"]
    assert [line.port for line in answer(remote).media] == [10000, 0]


def test_a_bundle_only_line_is_accepted() -> None:
    text = load("firefox-screen")
    assert "m=video 0 " in text
    assert not any(line.rejected for line in read_offer(text, config=CONFIG).media)


def test_the_operator_chooses_codecs() -> None:
    config = MediaConfig(video_codecs=("AV1", "vp8"))
    line = read_offer(load("chromium-sendrecv"), config=config).media[1]
    assert [codec.name for codec in line.codecs] == ["AV1", "VP8"]
    line = read_offer(load("aiortc-sendrecv"), config=MediaConfig(video_codecs=("VP9",))).media[1]
    assert line.rejected == "it offers none of VP9"


def test_the_offer_by_hand_is_good() -> None:
    remote = read_offer(OFFER, config=CONFIG)
    assert not any(line.rejected for line in remote.media)
    assert remote.ice_ufrag == "user"
    assert remote.bundle == ("0", "1")


@pytest.mark.parametrize(
    ("changes", "sends", "receives"),
    [
        ([("a=sendrecv\n", "")], True, True),
        ([("a=sendrecv", "a=sendonly")], True, False),
        ([("a=sendrecv", "a=recvonly")], False, True),
        ([("a=sendrecv", "a=inactive")], False, False),
        ([("a=sendrecv\n", ""), ("t=0 0\n", "t=0 0\na=recvonly\n")], False, True),
    ],
)
def test_directions(changes: list[tuple[str, str]], sends: bool, receives: bool) -> None:
    line = read_offer(changed(*changes), config=CONFIG).media[0]
    assert (line.sends, line.receives) == (sends, receives)
    assert line.ssrcs == ((1,) if sends else ())


def test_without_a_setup_line_the_client_is_active() -> None:
    assert read_offer(changed(("a=setup:actpass\n", "")), config=CONFIG).media
    assert read_offer(changed(("actpass", "active")), config=CONFIG).media


def test_the_transport_is_the_first_accepted_line_of_the_group() -> None:
    own = VIDEO + f"a=ice-ufrag:video\na=ice-pwd:{'v' * 22}\n"
    text = SESSION + AUDIO.replace("m=audio 9", "m=audio 0") + own
    remote = read_offer(text, config=CONFIG)
    assert (remote.ice_ufrag, remote.ice_pwd) == ("video", "v" * 22)
    assert read_offer(SESSION + AUDIO + own, config=CONFIG).ice_ufrag == "user"


def test_repair_streams_are_no_media_streams() -> None:
    groups = "a=ssrc:3 cname:c\na=ssrc:4 cname:c\na=ssrc-group:FID 2 3\na=ssrc-group:FEC-FR 2 4\n"
    groups += "a=ssrc:5 cname:c\na=ssrc-group:SIM 2 5\na=ssrc:2 msid:stream track\n"
    line = read_offer(OFFER + groups, config=CONFIG).media[1]
    assert line.ssrcs == (2, 5)
    assert line.rtx_ssrcs == ((2, 3),)
    assert line.track_name == "track"


@pytest.mark.parametrize(
    ("lines", "rids"),
    [
        ("a=rid:q send\na=rid:f send\n", ("q", "f")),
        ("a=rid:q send\na=rid:f send\na=simulcast:send f;q\n", ("f", "q")),
        ("a=rid:q send\na=rid:f send\na=simulcast:send ~f,q;x\n", ("f",)),
        ("a=rid:q recv\na=simulcast:recv q\n", ()),
        ("a=rid:q send\na=rid:r recv\na=simulcast:recv r send q\n", ("q",)),
    ],
)
def test_rids(lines: str, rids: tuple[str, ...]) -> None:
    extension = "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\n"
    assert read_offer(OFFER + lines + extension, config=CONFIG).media[1].rids == rids
    # Without the extension nothing tells which stream is which.
    assert read_offer(OFFER + lines, config=CONFIG).media[1].rids == ()


def test_simulcast_streams_have_a_bound() -> None:
    lines = "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\n"
    lines += "".join(f"a=rid:{rid} send\n" for rid in "abcdef") + "a=simulcast:send a;b;c;d;e;f\n"
    assert read_offer(OFFER + lines, config=CONFIG).media[1].rids == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("lines", "payload_type"),
    [
        ("a=rtcp-fb:96 nack\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n", 97),
        ("a=rtcp-fb:96 nack\na=rtpmap:97 RTX/90000\na=fmtp:97 rtx-time=200;apt=96\n", 97),
        ("a=rtcp-fb:96 nack\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=98\n", None),
        ("a=rtcp-fb:96 nack\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=x\n", None),
        ("a=rtcp-fb:96 nack\na=rtpmap:97 rtx/8000\na=fmtp:97 apt=96\n", None),
        ("a=rtcp-fb:96 nack\na=rtpmap:72 rtx/90000\na=fmtp:72 apt=96\n", None),
        ("a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n", None),
    ],
)
def test_rtx(lines: str, payload_type: int | None) -> None:
    assert read_offer(OFFER + lines, config=CONFIG).media[1].codecs[0].rtx_payload_type == payload_type


def test_feedback_for_all_payload_types() -> None:
    text = (
        OFFER + "a=rtcp-fb:* goog-remb\na=rtcp-fb:96 nack\na=rtcp-fb:96 nack pli\na=rtcp-fb:* transport-cc\n"
    )
    assert read_offer(text, config=CONFIG).media[1].codecs[0].feedback == (
        "nack",
        "nack pli",
        "goog-remb",
    )


@pytest.mark.parametrize(
    ("extmap", "mixed", "accepted"),
    [
        (f"14 {MID}", False, True),
        (f"15 {MID}", False, False),
        (f"15 {MID}", True, True),
        (f"255 {MID}", True, True),
        (f"4096 {MID}", True, False),
        (f"3/inactive {MID}", False, False),
        (f"3/sendonly {MID}", False, True),
        (f"3 {TRANSPORT_CC}", False, False),
        (f"3 {ABS_SEND_TIME}", False, False),
        ("3 urn:unheard-of", False, False),
    ],
)
def test_extensions_that_are_accepted(extmap: str, mixed: bool, accepted: bool) -> None:
    text = OFFER + f"a=extmap:{extmap}\n" + ("a=extmap-allow-mixed\n" if mixed else "")
    line = read_offer(text, config=CONFIG).media[1]
    assert len(line.extensions) == 1 + accepted
    assert line.extmap_allow_mixed == mixed


def test_equal_codecs_are_taken_once() -> None:
    text = changed(("SAVPF 96", "SAVPF 97 96 97")) + "a=rtpmap:97 vp8/90000\n"
    assert read_offer(text, config=CONFIG).media[1].codecs == (Codec("VP8", 97, 90_000),)
