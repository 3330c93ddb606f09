"""Offers of real clients and one made by hand, and the answers that take and send all there is."""

from __future__ import annotations

from pathlib import Path

from sfu.config import MediaConfig
from sfu.negotiation import assign_sources, read_offer, write_answer
from sfu.parameters import LocalParameters, Outgoing, RemoteParameters
from sfu.wire import sdp

DATA = Path(__file__).parents[1] / "data" / "sdp"
OFFERS = sorted(path.stem for path in DATA.glob("*.sdp"))
CONFIG = MediaConfig()

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ORIENTATION = "urn:3gpp:video-orientation"
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
CONTENT_TYPE = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
TIMING = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"
COLOR_SPACE = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

LOCAL = LocalParameters(
    ice_ufrag="serv",
    ice_pwd="serverpasswordserverpassword",
    fingerprints=(("sha-256", ":".join(["AB"] * 32)),),
    candidates=(("192.0.2.1", 10000), ("2001:db8::1", 10000), ("192.0.2.1", 10001)),
    session_id=4_711,
    session_version=3,
    tcp=False,
    max_message_size=65_536,
)


def load(name: str) -> str:
    return (DATA / f"{name}.sdp").read_bytes().decode()


def read(name: str) -> RemoteParameters:
    return read_offer(load(name), config=CONFIG)


def outgoing(remote: RemoteParameters) -> dict[str, Outgoing]:
    return {
        line.mid: Outgoing(1000 + line.index, f"cname-{line.mid}", "client", f"track-{line.mid}")
        for line in remote.media
        if line.receives
    }


def answer(remote: RemoteParameters) -> sdp.SessionDescription:
    """The answer that takes and sends all there is."""
    text = write_answer(remote, LOCAL, publishes=assign_sources(remote.media, {}), outgoing=outgoing(remote))
    return sdp.parse(text)


def names(line: sdp.MediaDescription) -> list[str]:
    return [str(attribute) for attribute in line.attributes]


FINGERPRINT = "sha-256 " + ":".join(["0A"] * 32)
SESSION = (
    "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE 0 1\n"
    f"a=ice-ufrag:user\na=ice-pwd:{'p' * 22}\na=fingerprint:{FINGERPRINT}\na=setup:actpass\n"
)
AUDIO = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:0\na=sendrecv\na=rtcp-mux\n"
    f"a=rtpmap:111 opus/48000/2\na=extmap:1 {AUDIO_LEVEL}\na=ssrc:1 cname:c\n"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=sendrecv\na=rtcp-mux\n"
    f"a=rtpmap:96 VP8/90000\na=extmap:2 {ORIENTATION}\na=ssrc:2 cname:c\n"
)
OFFER = SESSION + AUDIO + VIDEO


def changed(*changes: tuple[str, str]) -> str:
    text = OFFER
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text
