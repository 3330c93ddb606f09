"""A client that joins and does no more: signaling, ICE, DTLS, and the first RTP packet, which is not decoded.

It is what can be made light of aiortc's parts, so that many joins per second measure the server and not the
client.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.sdp import SessionDescription
from yarl import URL

JOIN_TIMEOUT = 10.0

_CODECS = {
    "audio": RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48000, channels=2, payloadType=96),
    "video": RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=97),
}


class JoinFailed(RuntimeError):  # noqa: N818
    """The join did not get as far as a packet."""


class _FirstPacket:
    """What aiortc's DTLS transport takes for a receiver."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.at = 0.0

    async def _handle_rtp_packet(self, packet: object, arrival_time_ms: int) -> None:
        if not self.came.is_set():
            self.at = time.monotonic()
            self.came.set()

    async def _handle_rtcp_packet(self, packet: object) -> None:
        """Reports are for those who play."""

    def _handle_disconnect(self) -> None:
        """Leaving is the end of it."""


async def join(session: aiohttp.ClientSession, room: URL, certificate: RTCCertificate) -> dict[str, float]:
    """Join the room at `room` (ws://host/ws/<room>), wait for the first packet, and leave.

    Returns the seconds from the WebSocket's connect to `welcome`, `answer`, `connected` (ICE and DTLS) and
    `packet`. Raises JoinFailed.
    """
    try:
        async with asyncio.timeout(JOIN_TIMEOUT):
            return await _join(session, room, certificate)
    except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
        raise JoinFailed(f"{type(error).__name__}: {error}") from error


async def _join(session: aiohttp.ClientSession, room: URL, certificate: RTCCertificate) -> dict[str, float]:
    began = time.monotonic()
    gatherer = RTCIceGatherer(iceServers=[])
    ice = RTCIceTransport(gatherer)
    dtls = RTCDtlsTransport(ice, [certificate])
    first = _FirstPacket()
    try:
        async with session.ws_connect(room) as socket:
            welcome = await _receive(socket, "welcome")
            stages = {"welcome": time.monotonic() - began}
            await gatherer.gather()
            await socket.send_str(json.dumps(_offer(gatherer, dtls, welcome)))
            answer = await _receive(socket, "webrtc")
            stages["answer"] = time.monotonic() - began
            await _connect(ice, dtls, first, str(answer["sdp"]))
            stages["connected"] = time.monotonic() - began
            await first.came.wait()
            stages["packet"] = first.at - began
            return stages
    finally:
        await dtls.stop()
        await ice.stop()


async def _receive(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        message = await socket.receive()
        if message.type != aiohttp.WSMsgType.TEXT:
            raise JoinFailed(f"the server closed the connection with {socket.close_code}")
        body: dict[str, Any] = json.loads(message.data)
        if body.get("type") == "error":
            raise JoinFailed(f"{body.get('message')} ({body.get('code')})")
        if body.get("type") == kind:
            return body


async def _connect(ice: RTCIceTransport, dtls: RTCDtlsTransport, first: _FirstPacket, sdp: str) -> None:
    media = SessionDescription.parse(sdp).media[0]
    if media.ice is None or media.dtls is None:
        raise JoinFailed("the answer lacks ICE or DTLS parameters")
    # What RTCPeerConnection does with an answer of an ICE-lite, passive side.
    ice._connection.ice_controlling = True
    dtls._set_role("client")
    parameters = RTCRtpReceiveParameters(codecs=list(_CODECS.values()))
    dtls._register_rtp_receiver(first, parameters)
    for candidate in media.ice_candidates:
        await ice.addRemoteCandidate(candidate)
    await ice.addRemoteCandidate(None)
    await ice.start(media.ice)
    if ice.state != "completed":
        raise JoinFailed(f"ICE {ice.state}")
    await dtls.start(media.dtls)
    if dtls.state != "connected":
        raise JoinFailed(f"DTLS {dtls.state}")


def _offer(gatherer: RTCIceGatherer, dtls: RTCDtlsTransport, welcome: dict[str, Any]) -> dict[str, Any]:
    """Subscribe to the first sound and the first picture of the room."""
    wanted = {kind: next((t["id"] for t in welcome["tracks"] if t["kind"] == kind), None) for kind in _CODECS}
    subscribe = {str(i): track for i, track in enumerate(wanted.values()) if track is not None}
    ice = gatherer.getLocalParameters()
    fingerprint = next(f for f in dtls.getLocalParameters().fingerprints if f.algorithm == "sha-256")
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
    for mid, (kind, codec) in enumerate(_CODECS.items()):
        name = f"{codec.name}/{codec.clockRate}" + (f"/{codec.channels}" if codec.channels else "")
        lines += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {codec.payloadType}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{mid}",
            "a=recvonly",
            "a=rtcp-mux",
            f"a=rtpmap:{codec.payloadType} {name}",
            f"a=ice-ufrag:{ice.usernameFragment}",
            f"a=ice-pwd:{ice.password}",
            f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}",
            "a=setup:actpass",
        ]
    sdp = "".join(line + "\r\n" for line in lines)
    return {"type": "webrtc", "action": "offer", "to": "sfu", "id": 1, "sdp": sdp, "subscribe": subscribe}
