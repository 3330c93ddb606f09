"""The seam to aiortc: how its peer connection is made, and what it lacks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceCandidate,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpTransceiver,
)
from aiortc.rtcicetransport import parse_stun_turn_uri
from aiortc.sdp import candidate_from_sdp

from bots.errors import MediaFailed

_UNUSABLE = re.compile(
    r"^a=(?:candidate:\S+ \S+ \S+ \S+ \S+\.local .*|end-of-candidates\s*)(?:\r?\n|$)", re.MULTILINE
)


_CANDIDATES = re.compile(r"^a=(?:candidate:|end-of-candidates).*(?:\r?\n|$)", re.MULTILINE)


def connection(ice_servers: Iterable[Mapping[str, Any]] = ()) -> RTCPeerConnection:
    """A peer connection of one transport for all media.

    Without servers it asks none (aiortc would ask a public one).
    """
    servers = [
        RTCIceServer(urls=urls, username=server.get("username"), credential=server.get("credential"))
        for server in ice_servers
        if (urls := _usable(server.get("urls")))
    ]
    return RTCPeerConnection(RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


def _usable(urls: object) -> list[str]:
    """Those that aiortc can parse: a browser skips the others, too."""
    found = []
    for url in [urls] if isinstance(urls, str) else urls if isinstance(urls, list) else []:
        try:
            parse_stun_turn_uri(url)
        except (TypeError, ValueError):
            continue
        found.append(url)
    return found


def with_candidates(sdp: str) -> str:
    """SDP with the candidates of the first m-line that has some on every one that has none.

    In a bundle they stand once (RFC 8843 section 7.1.3), but aiortc takes those of the last m-line only.
    """
    newline = "\r\n" if "\r\n" in sdp else "\n"
    session, *media = re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)
    found = next((lines for part in media if (lines := _CANDIDATES.findall(part))), [])
    more = "".join(line.rstrip("\r\n") + newline for line in found)
    return session + "".join(part if _CANDIDATES.search(part) else part + more for part in media)


def without_mdns(sdp: str) -> str:
    """SDP without `.local` candidates, which cannot be resolved here, and without the end of candidates.

    The peer may be reachable all the same: its own checks make a peer-reflexive candidate (RFC 8445 section
    7.3.1.3), so the end of the list must not fail the connection.
    """
    return _UNUSABLE.sub("", sdp)


def remote_candidate(message: Mapping[str, Any]) -> RTCIceCandidate | None:
    """The candidate of an `ice` message; None where it is the end of candidates, `.local` or not for UDP.

    Raises ValueError when it is no candidate.
    """
    value = message.get("candidate")
    if isinstance(value, Mapping):
        line, mid, index = value.get("candidate"), value.get("sdpMid"), value.get("sdpMLineIndex")
    else:
        line, mid, index = value, message.get("sdpMid"), message.get("sdpMLineIndex")
    if line is None or line == "":
        return None
    if not isinstance(line, str) or len(parts := line.removeprefix("candidate:").split()) < 8:
        raise ValueError(f"candidate is {line!r}, expected candidate:<foundation> <component> …")
    if parts[4].endswith(".local") or parts[2].lower() != "udp":
        return None
    candidate = candidate_from_sdp(line.removeprefix("candidate:"))
    candidate.sdpMid = mid if mid is not None or index is not None else "0"
    candidate.sdpMLineIndex = index
    return candidate


def roll_back(peer: RTCPeerConnection) -> None:
    """Take back the local offer (JSEP, RFC 9429 section 4.1.10.2), which aiortc cannot.

    The private names are those of aiortc 1.16; tests/bots/test_rtc.py fails when they change.
    """
    for transceiver in peer.getTransceivers():
        if transceiver.currentDirection is None and transceiver.mid is not None:
            transceiver._set_mid(None)  # type: ignore[arg-type]
            transceiver._set_mline_index(None)  # type: ignore[arg-type]
    peer._RTCPeerConnection__pendingLocalDescription = None  # type: ignore[attr-defined]
    peer._RTCPeerConnection__setSignalingState("stable")  # type: ignore[attr-defined]


async def close(peer: RTCPeerConnection) -> None:
    """Close it to the end, even if the caller is cancelled:

    aiortc cannot close a second time what it began.
    """
    await asyncio.shield(peer.close())


def has_packets(transceiver: RTCRtpTransceiver) -> bool:
    """Whether anything has been received on this m-line within 10 s."""
    return bool(transceiver.receiver.getSynchronizationSources())


def require_candidates(sdp: str) -> None:
    """Raises MediaFailed when the local description has no candidate:

    aiortc does not use the loopback interface.
    """
    if "a=candidate:" not in sdp:
        raise MediaFailed(
            "this machine has no network address besides the loopback one, so media cannot flow"
        )
