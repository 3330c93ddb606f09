"""Answers, line by line, and as aiortc takes them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from sfu.negotiation import assign_sources, read_offer, write_answer
from sfu.parameters import LocalParameters, Outgoing
from sfu.wire import sdp
from tests.sfu.offers import (
    AUDIO,
    AUDIO_LEVEL,
    CONFIG,
    LOCAL,
    OFFER,
    OFFERS,
    ORIENTATION,
    PLAYOUT_DELAY,
    SESSION,
    TIMING,
    VIDEO,
    answer,
    changed,
    load,
    names,
    outgoing,
    read,
)


@pytest.mark.parametrize("name", OFFERS)
def test_answers_to_real_offers(name: str) -> None:
    remote = read(name)
    offered, answered = sdp.parse(load(name)), answer(remote)
    assert [m.media for m in answered.media] == [m.media for m in offered.media]
    assert [sdp.first(m.attributes, "mid") for m in answered.media] == [
        sdp.first(m.attributes, "mid") for m in offered.media
    ]
    accepted = {line.index: line for line in remote.media if not line.rejected}
    for index, (theirs, ours) in enumerate(zip(offered.media, answered.media, strict=True)):
        if index not in accepted:
            assert ours.port == (10000 if ours.media == "application" else 0)
            continue
        assert ours.port == 10000
        assert set(ours.formats) <= set(theirs.formats)
        # What is answered was offered, line by line; only directions are reversed.
        for attribute in ours.attributes:
            if attribute.name in ("rtpmap", "rtcp-fb", "rtcp-mux", "rtcp-rsize"):
                assert attribute in theirs.attributes
            if attribute.name == "fmtp" and " apt=" in str(attribute):
                assert attribute in theirs.attributes
        simulcast = [str(a) for a in ours.attributes if a.name in ("rid", "simulcast")]
        expected = ["rid:q recv", "rid:h recv", "rid:f recv", "simulcast:recv q;h;f"]
        assert simulcast == (expected if accepted[index].rids else [])
        for forbidden in ("ulpfec", "red"):
            assert forbidden not in {a.name for a in ours.attributes}
            assert not any(f" {forbidden}" in str(a) for a in ours.attributes)


def test_an_answer_in_full() -> None:
    text = write_answer(
        read_offer(changed(("t=0 0\n", "t=0 0\na=extmap-allow-mixed\n")) + "a=rtcp-rsize\n", config=CONFIG),
        LOCAL,
        publishes={"0"},
        outgoing={"1": Outgoing(99, "their cname", "c1 a0", "c1:camera")},
    )
    assert text.split("\r\n") == [
        "v=0",
        "o=- 4711 3 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=ice-lite",
        "a=ice-ufrag:serv",
        "a=ice-pwd:serverpasswordserverpassword",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:passive",
        "m=audio 10000 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 192.0.2.1",
        "a=mid:0",
        "a=recvonly",
        "a=extmap-allow-mixed",
        f"a=extmap:1 {AUDIO_LEVEL}",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 10000 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 10000 typ host",
        "a=candidate:1 1 udp 2130705919 192.0.2.1 10001 typ host",
        "a=end-of-candidates",
        "m=video 10000 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 192.0.2.1",
        "a=mid:1",
        "a=sendonly",
        "a=extmap-allow-mixed",
        f"a=extmap:2 {ORIENTATION}",
        "a=msid:c1-a0 c1-camera",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtpmap:96 VP8/90000",
        "a=ssrc:99 cname:their cname",
        "",
    ]


@pytest.mark.parametrize(
    ("publishes", "sends", "direction"),
    [
        (True, True, "sendrecv"),
        (True, False, "recvonly"),
        (False, True, "sendonly"),
        (False, False, "inactive"),
    ],
)
def test_directions_of_an_answer(publishes: bool, sends: bool, direction: str) -> None:
    remote = read_offer(OFFER, config=CONFIG)
    out = {"0": Outgoing(1, "c", "s", "t")} if sends else {}
    text = write_answer(remote, LOCAL, publishes={"0"} if publishes else set(), outgoing=out)
    attributes = names(sdp.parse(text).media[0])
    assert [a for a in attributes if a in ("sendrecv", "sendonly", "recvonly", "inactive")] == [direction]
    assert ("ssrc:1 cname:c" in attributes) == sends
    assert ("msid:s t" in attributes) == sends


def test_extension_directions_are_reversed() -> None:
    text = OFFER + f"a=extmap:3/recvonly {PLAYOUT_DELAY}\na=extmap:4/sendonly {TIMING}\n"
    attributes = names(answer(read_offer(text, config=CONFIG)).media[1])
    assert f"extmap:3/sendonly {PLAYOUT_DELAY}" in attributes
    assert f"extmap:4/recvonly {TIMING}" in attributes


def test_ipv6_and_no_candidate_at_all() -> None:
    remote = read_offer(OFFER, config=CONFIG)

    def first_line(local: LocalParameters) -> sdp.MediaDescription:
        return sdp.parse(write_answer(remote, local, publishes=(), outgoing={})).media[0]

    six = first_line(replace(LOCAL, candidates=(("2001:db8::1", 10000),)))
    assert (six.port, six.lines) == (10000, (("c", "IN IP6 2001:db8::1"),))
    none = first_line(replace(LOCAL, candidates=()))
    assert (none.port, none.lines) == (9, (("c", "IN IP4 0.0.0.0"),))


@pytest.mark.parametrize(
    ("publishes", "out", "sentence"),
    [
        ({"1"}, {}, "publishes names mid '1', expected one of ['0']"),
        ((), {"0": Outgoing(1, "c", "s", "t")}, "outgoing names mid '0', expected one of ['1']"),
        ({"x"}, {}, "publishes names mid 'x', expected one of ['0']"),
    ],
)
def test_answers_that_contradict_the_offer(
    publishes: set[str], out: dict[str, Outgoing], sentence: str
) -> None:
    audio = AUDIO.replace("sendrecv", "sendonly")
    remote = read_offer(SESSION + audio + VIDEO.replace("sendrecv", "recvonly"), config=CONFIG)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_answer(remote, LOCAL, publishes=publishes, outgoing=out)


def test_a_cname_cannot_inject_a_line() -> None:
    remote = read_offer(OFFER, config=CONFIG)
    with pytest.raises(ValueError, match="line break"):
        write_answer(remote, LOCAL, publishes=(), outgoing={"0": Outgoing(1, "c\r\na=x", "s", "t")})


@pytest.mark.parametrize("receive", [True, False], ids=["receiving", "not receiving"])
async def test_aiortc_takes_the_answer(receive: bool) -> None:
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    client.addTrack(AudioStreamTrack())
    client.addTransceiver(VideoStreamTrack(), direction="sendonly")
    client.addTransceiver("video", direction="recvonly")
    client.createDataChannel("x")
    # The client sends its checks there.
    local = replace(LOCAL, candidates=(("127.0.0.1", 10000), ("::1", 10000)))
    try:
        await client.setLocalDescription(await client.createOffer())
        remote = read_offer(client.localDescription.sdp, config=CONFIG)
        out = outgoing(remote) if receive else {}
        text = write_answer(remote, local, publishes=assign_sources(remote.media, {}), outgoing=out)
        await client.setRemoteDescription(RTCSessionDescription(type="answer", sdp=text))
        assert client.signalingState == "stable"
        assert [t.currentDirection for t in client.getTransceivers()] == (
            ["sendrecv", "sendonly", "recvonly"] if receive else ["sendonly", "sendonly", "inactive"]
        )
        parsed = sdp.parse(text)
        assert [media.port for media in parsed.media] == [10000, 10000, 10000, 10000]
        ice = client.getTransceivers()[0].sender.transport.transport
        assert [(c.ip, c.port) for c in ice.getRemoteCandidates()] == list(local.candidates)
    finally:
        await client.close()
