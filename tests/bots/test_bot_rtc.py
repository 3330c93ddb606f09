from __future__ import annotations

import pytest
from aiortc import RTCSessionDescription

from bots import rtc
from bots.errors import MediaFailed

HOST = "a=candidate:1 1 udp 2130706431 192.0.2.2 5000 typ host"
MDNS = "a=candidate:2 1 udp 2130706431 0a1b2c3d-0000.local 5000 typ host generation 0"
END = "a=end-of-candidates"


def lines(*items):
    return "".join(item + "\r\n" for item in items)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["m=audio 9", HOST, END, "m=video 9"], ["m=audio 9", HOST, END, "m=video 9", HOST, END]),
        (["v=0", "m=audio 9", "m=video 9", HOST], ["v=0", "m=audio 9", HOST, "m=video 9", HOST]),
        (["m=audio 9", HOST, "m=video 9", HOST], ["m=audio 9", HOST, "m=video 9", HOST]),
        (["m=audio 9", "m=video 9"], ["m=audio 9", "m=video 9"]),
        (["v=0"], ["v=0"]),
    ],
)
def test_candidates_of_a_bundle_stand_on_every_line(before, after):
    assert rtc.with_candidates(lines(*before)) == lines(*after)


def test_names_that_cannot_be_resolved_are_left_out():
    assert rtc.without_mdns(lines("m=audio 9", MDNS, HOST, END, "a=mid:0")) == lines(
        "m=audio 9", HOST, "a=mid:0"
    )
    assert rtc.without_mdns(f"m=audio 9\n{MDNS}\n{HOST}") == f"m=audio 9\n{HOST}"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"candidate": {"candidate": HOST[2:], "sdpMid": "1", "sdpMLineIndex": 1}},
            ("192.0.2.2", 5000, "1", 1),
        ),
        ({"candidate": {"candidate": HOST[2:]}}, ("192.0.2.2", 5000, "0", None)),
        ({"candidate": HOST[2:], "sdpMid": "0"}, ("192.0.2.2", 5000, "0", None)),
        ({"candidate": {"candidate": MDNS[2:], "sdpMid": "1"}}, None),
        ({"candidate": {"candidate": HOST[2:].replace("udp", "tcp"), "sdpMid": "1"}}, None),
        ({"candidate": {"candidate": "", "sdpMid": "1"}}, None),
        ({"candidate": None}, None),
        ({}, None),
    ],
)
def test_candidates_of_a_message(message, expected):
    found = rtc.remote_candidate(message)
    assert (found and (found.ip, found.port, found.sdpMid, found.sdpMLineIndex)) == expected


@pytest.mark.parametrize("line", ["candidate:nonsense", "hello", 7])
def test_what_is_no_candidate(line):
    with pytest.raises(ValueError, match="expected candidate:<foundation>"):
        rtc.remote_candidate({"candidate": {"candidate": line}})


@pytest.mark.parametrize(
    ("servers", "kept"),
    [
        ([], []),
        ([{"urls": "stun:stun.example:3478"}], [["stun:stun.example:3478"]]),
        (
            [{"urls": ["turn:t.example?transport=udp", "quic:x"], "username": "u"}],
            [["turn:t.example?transport=udp"]],
        ),
        ([{"urls": "nonsense"}, {"urls": None}, {}], []),
    ],
)
async def test_ice_servers_that_can_be_used(monkeypatch, servers, kept):
    made = []
    monkeypatch.setattr(rtc, "RTCPeerConnection", lambda configuration: made.append(configuration))
    rtc.connection(servers)
    assert [server.urls for server in made[0].iceServers] == kept


async def test_an_offer_can_be_taken_back():
    """The contract with aiortc's private names."""
    ours, theirs = rtc.connection(), rtc.connection()
    try:
        for peer in (ours, theirs):
            peer.addTransceiver("video")
            await peer.setLocalDescription(await peer.createOffer())
        sdp = ours.localDescription.sdp.replace("a=mid:0", "a=mid:7").replace("BUNDLE 0", "BUNDLE 7")
        offer = RTCSessionDescription(sdp, "offer")
        rtc.roll_back(theirs)
        assert theirs.signalingState == "stable"
        await theirs.setRemoteDescription(offer)
        await theirs.setLocalDescription(await theirs.createAnswer())
        (line,) = theirs.getTransceivers()
        assert line.mid == "7"
    finally:
        await rtc.close(ours)
        await rtc.close(theirs)


async def test_what_an_offer_of_aiortc_must_have():
    """Without these a bot would not get a picture back after a loss."""
    peer = rtc.connection()
    peer.addTransceiver("video", direction="recvonly")
    offer = (await peer.createOffer()).sdp
    await rtc.close(peer)
    assert "nack pli" in offer
    assert "a=group:BUNDLE 0" in offer
    assert "a=setup:actpass" in offer


def test_a_machine_without_a_network():
    with pytest.raises(MediaFailed, match="no network address besides the loopback one"):
        rtc.require_candidates("v=0\r\n")
    rtc.require_candidates(lines(HOST))
