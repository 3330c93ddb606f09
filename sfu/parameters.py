"""What two sides of a media line agreed on: codecs, header extensions, SSRCs (W3C ORTC and mediasoup words)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["audio", "video"]
Source = Literal["microphone", "camera", "screen", "screen-audio"]

SOURCES_OF_KIND: dict[Kind, tuple[Source, ...]] = {
    "audio": ("microphone", "screen-audio"),
    "video": ("camera", "screen"),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type of a media line (RFC 8866 section 6.6)."""

    name: str
    """The encoding name in its registered spelling: opus, VP8, H264, VP9, AV1."""
    payload_type: int
    """0 to 127, as the client numbers it."""
    clock_rate: int
    """Hertz."""
    channels: int = 1
    parameters: tuple[tuple[str, str], ...] = ()
    """The fmtp parameters in the order in which they stood."""
    feedback: tuple[str, ...] = ()
    """The rtcp-fb values accepted, as written: "nack pli", "ccm fir", "goog-remb"."""


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """An RTP header extension and the id that this client gave it (RFC 8285)."""

    uri: str
    id: int


@dataclass(frozen=True, slots=True)
class MediaLine:
    """What an offered m-line comes to after the server's choice. A rejected line has a reason and no codecs."""

    index: int
    """Position among the m-lines of the offer, from 0."""
    mid: str
    kind: Kind
    codecs: tuple[Codec, ...] = ()
    """What both sides have, the server's preferred one first."""
    extensions: tuple[HeaderExtension, ...] = ()
    sends: bool = False
    """The client sends on it: it publishes."""
    receives: bool = False
    """The client receives on it: it can be given a track."""
    ssrcs: tuple[int, ...] = ()
    """The SSRCs named in the offer for what the client sends; often none with simulcast."""
    rids: tuple[str, ...] = ()
    """The simulcast streams that the client offers to send, in its order (RFC 8853)."""
    cname: str = ""
    """The canonical name of the client's stream (RFC 3550 section 6.5.1), where the offer tells it."""
    track_name: str = ""
    """The second word of the client's a=msid (RFC 8830), empty where there is none."""
    rejected: str = ""
    """Why the answer carries port 0 for it; empty for a line that is accepted."""


@dataclass(frozen=True, slots=True)
class RemoteParameters:
    """What an offer says of the client's side of the transport."""

    ice_ufrag: str
    ice_pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    """(algorithm in lower case, value) pairs, at least one (RFC 8122)."""
    bundle: tuple[str, ...]
    """The mids of the BUNDLE group, in its order."""
    media: tuple[MediaLine, ...]
    """One for each m-line of the offer, audio and video; others are kept as rejected lines by `others`."""
    others: tuple[tuple[int, str, str, str], ...] = ()
    """(index, mid, media, protocol) of the m-lines that are neither audio nor video: answered with port 0."""
    extmap_allow_mixed: bool = False
    """RFC 8285 section 6: one- and two-byte header extensions may be mixed."""


@dataclass(frozen=True, slots=True)
class LocalParameters:
    """What an answer says of the server's side of the transport."""

    ice_ufrag: str
    ice_pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    candidates: tuple[tuple[str, int], ...]
    """(IP address, UDP port) of each host candidate, the preferred one first."""
    session_id: int
    session_version: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What the server sends on one m-line, for the answer's a=ssrc and a=msid."""

    ssrc: int
    cname: str
    stream_id: str
    """The publisher's client id, so that a browser groups its microphone and camera in one MediaStream."""
    track_id: str
