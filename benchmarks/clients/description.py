"""Session descriptions of clients that load a server. No IO."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.clients.endpoint import Endpoint

CODECS = {"audio": (96, "opus/48000/2"), "video": (97, "VP8/90000")}
"""Payload type and name of what is sent."""


@dataclass(frozen=True, slots=True)
class Line:
    """An m-line."""

    kind: str
    mid: str
    ssrc: int | None = None
    """Of what is sent; None: the line receives."""
    payload_type: int = 0
    """0: the usual one."""
    name: str = ""


def describe(endpoint: Endpoint, lines: Sequence[Line], setup: str) -> str:
    """An offer (`setup` actpass) or answer (active) of bundled lines, without candidates: the server learns
    the address from the first check."""
    mids = " ".join(line.mid for line in lines)
    text = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    for line in lines:
        payload_type, name = CODECS[line.kind]
        payload_type, name = line.payload_type or payload_type, line.name or name
        text += [
            f"m={line.kind} 9 UDP/TLS/RTP/SAVPF {payload_type}",
            "c=IN IP4 127.0.0.1",
            f"a=mid:{line.mid}",
            "a=recvonly" if line.ssrc is None else "a=sendonly",
            "a=rtcp-mux",
            f"a=rtpmap:{payload_type} {name}",
            f"a=ice-ufrag:{endpoint.ufrag}",
            f"a=ice-pwd:{endpoint.password}",
            f"a=fingerprint:{endpoint.fingerprint}",
            f"a=setup:{setup}",
        ]
        if line.kind == "video":
            text.append(f"a=rtcp-fb:{payload_type} nack pli")
        if line.ssrc is not None:
            text.append(f"a=ssrc:{line.ssrc} cname:benchmark")
    return "".join(f"{line}\r\n" for line in text)


def lines_of(sdp: str) -> list[Line]:
    """The m-lines of a server's offer, to be answered with what it names first of each."""
    found = []
    for part in re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)[1:]:
        head = re.match(r"m=(\w+) \d+ \S+ (\d+)", part)
        mid = re.search(r"^a=mid:(\S+)", part, re.MULTILINE)
        name = head and re.search(rf"^a=rtpmap:{head[2]} (\S+)", part, re.MULTILINE)
        if head and mid and name:
            found.append(Line(head[1], mid[1], None, int(head[2]), name[1]))
    return found
