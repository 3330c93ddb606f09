"""What two sides of a media line agreed on: codecs, extensions, SSRCs (words of ORTC and mediasoup)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["audio", "video"]
Source = Literal["microphone", "camera", "screen", "screen-audio"]
Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

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
    """The rtcp-fb values accepted, as written: "nack", "nack pli", "ccm fir", "goog-remb"."""
    rtx_payload_type: int | None = None
    """Under which its packets are repeated (RFC 4588); None where that was not offered."""


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """An RTP header extension and the id that this client gave it (RFC 8285)."""

    uri: str
    id: int
    direction: Direction = "sendrecv"
    """Who may use it, as the client sees it: on `recvonly` the client never sends it (RFC 8285 section 5)."""


@dataclass(frozen=True, slots=True)
class MediaLine:
    """What an offered m-line comes to after the server's choice. A rejected one has a reason, no codecs."""

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
    rtx_ssrcs: tuple[tuple[int, int], ...] = ()
    """(SSRC, the SSRC on which it is repeated) pairs of the offer (a=ssrc-group:FID)."""
    rids: tuple[str, ...] = ()
    """The simulcast streams that the client offers to send, in its order (RFC 8853)."""
    cname: str = ""
    """The canonical name of the client's stream (RFC 3550 section 6.5.1), where the offer tells it."""
    track_name: str = ""
    """The second word of the client's a=msid (RFC 8830), empty where there is none."""
    rejected: str = ""
    """Why the answer carries port 0 for it; empty for a line that is accepted."""
    extmap_allow_mixed: bool = False
    """RFC 8285 section 6: one- and two-byte header extensions may be mixed."""
    rtcp_rsize: bool = False
    """The client takes reduced-size RTCP (RFC 5506)."""
    protocol: str = "UDP/TLS/RTP/SAVPF"
    formats: tuple[str, ...] = ()
    """The offered formats as written; a rejected line repeats them."""


@dataclass(frozen=True, slots=True)
class OtherLine:
    """An m-line of something that the server does not speak; the answer gives it port 0."""

    index: int
    """Position among the m-lines of the offer, from 0."""
    mid: str
    """Empty where the offer gives none."""
    media: str
    protocol: str
    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataLine:
    """The m-line of the SCTP association that carries data channels (RFC 8841)."""

    index: int
    """Position among the m-lines of the offer, from 0."""
    mid: str
    protocol: str
    sctp_port: int
    max_message_size: int
    """Bytes of the largest message that the client takes; 0 where it sets no limit (RFC 8841 section 6)."""


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
    """One for each m-line of the offer, audio and video; the rest are `data` and in `others`."""
    others: tuple[OtherLine, ...] = ()
    """The m-lines that are neither audio nor video nor `data`."""
    data: DataLine | None = None
    """The m-line of the data channels; None where the offer has none that can be answered."""
    extmap_allow_mixed: bool = False
    """RFC 8285 section 6: one- and two-byte header extensions may be mixed on every accepted line."""


@dataclass(frozen=True, slots=True)
class LocalParameters:
    """What an answer says of the server's side of the transport."""

    ice_ufrag: str
    ice_pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    candidates: tuple[tuple[str, int], ...]
    """(IP address, UDP port) of each host candidate, the preferred one first."""
    tcp: bool
    """The same addresses and ports take TCP, too (RFC 6544)."""
    session_id: int
    session_version: int
    max_message_size: int
    """Bytes of the largest message that the server takes on a data channel."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What the server sends on one m-line, for the answer's a=ssrc and a=msid."""

    ssrc: int
    cname: str
    stream_id: str
    """The publisher's client id, so that a browser groups its microphone and camera in one MediaStream."""
    track_id: str
    rtx_ssrc: int | None = None
    """Where packets are repeated (RFC 4588), None where RTX was not negotiated."""
