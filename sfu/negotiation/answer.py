"""Writing an answer: an ICE-lite, DTLS-passive, bundled session description (RFC 8829 section 5.3)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping

from sfu.negotiation.codecs import codec_attributes, payload_types
from sfu.negotiation.extensions import extension_attribute
from sfu.parameters import (
    DataLine,
    Direction,
    LocalParameters,
    MediaLine,
    OtherLine,
    Outgoing,
    RemoteParameters,
)
from sfu.wire.sdp import Attribute, Lines, MediaDescription, Origin, SessionDescription

# The type preference of a host candidate (RFC 8445 section 5.1.2.2).
_HOST_PREFERENCE = 126
# The direction preference of a passive TCP candidate (RFC 6544 section 4.2).
_PASSIVE = 4
# rtcp-mux leaves component 1 alone (RFC 8445 section 5.1.2.1).
_COMPONENT = 1
# RFC 8830 section 2: what an msid may not contain is written as -.
_NOT_MSID = re.compile(r"[^!#$%&'*+\-.0-9A-Z^_`a-z{|}~]")
_MAX_MSID_LENGTH = 64
# Of the one association that a transport may have; what all browsers use.
SCTP_PORT = 5000
_NO_CONNECTION: Lines = (("c", "IN IP4 0.0.0.0"),)


def write_answer(
    remote: RemoteParameters,
    local: LocalParameters,
    *,
    publishes: Collection[str],
    outgoing: Mapping[str, Outgoing],
) -> str:
    """Return the answer to an offer as read by read_offer.

    `publishes`: mids on which the server receives; `outgoing`: mid → what it sends there. Raises ValueError
    where one of them names a line that was rejected or on which the client does not send or receive.
    """
    _check(remote, publishes, outgoing)
    lines: list[MediaLine | DataLine | OtherLine] = [*remote.media, *remote.others]
    accepted = {line.mid for line in remote.media if not line.rejected}
    if remote.data is not None:
        lines.append(remote.data)
        accepted.add(remote.data.mid)
    bundle = [mid for mid in remote.bundle if mid in accepted]
    media: list[MediaDescription] = []
    for line in sorted(lines, key=lambda line: line.index):
        tagged = bool(bundle) and line.mid == bundle[0]
        if isinstance(line, DataLine):
            media.append(_data(line, local, tagged))
        elif isinstance(line, OtherLine) or line.rejected:
            media.append(_rejected(line))
        else:
            media.append(_accepted(line, local, tagged, line.mid in publishes, outgoing.get(line.mid)))
    return str(
        SessionDescription(
            origin=Origin(session_id=local.session_id, session_version=local.session_version),
            attributes=tuple(_session_attributes(local, bundle)),
            media=tuple(media),
        )
    )


def _check(remote: RemoteParameters, publishes: Collection[str], outgoing: Mapping[str, Outgoing]) -> None:
    sending = {line.mid for line in remote.media if line.sends and not line.rejected}
    receiving = {line.mid for line in remote.media if line.receives and not line.rejected}
    for name, mids, allowed in (("publishes", publishes, sending), ("outgoing", outgoing, receiving)):
        for mid in mids:
            if mid not in allowed:
                raise ValueError(f"{name} names mid {mid!r}, expected one of {sorted(allowed)}")


def _session_attributes(local: LocalParameters, bundle: list[str]) -> Iterator[Attribute]:
    if bundle:
        yield Attribute("group", " ".join(("BUNDLE", *bundle)))
    yield Attribute("ice-lite")
    # One transport for all m-lines, so it is described once, for the session.
    yield Attribute("ice-ufrag", local.ice_ufrag)
    yield Attribute("ice-pwd", local.ice_pwd)
    for algorithm, value in local.fingerprints:
        yield Attribute("fingerprint", f"{algorithm} {value}")
    yield Attribute("setup", "passive")


def _accepted(
    line: MediaLine, local: LocalParameters, tagged: bool, publishes: bool, outgoing: Outgoing | None
) -> MediaDescription:
    connection, port = _default_candidate(local)
    formats = tuple(str(number) for codec in line.codecs for number in payload_types(codec))
    attributes = [Attribute("mid", line.mid), Attribute(_direction(publishes, outgoing is not None))]
    if line.extmap_allow_mixed:
        attributes.append(Attribute("extmap-allow-mixed"))
    attributes.extend(extension_attribute(extension) for extension in line.extensions)
    if outgoing is not None:
        attributes.append(Attribute("msid", f"{_msid(outgoing.stream_id)} {_msid(outgoing.track_id)}"))
    attributes.append(Attribute("rtcp-mux"))
    if line.rtcp_rsize:
        attributes.append(Attribute("rtcp-rsize"))
    for codec in line.codecs:
        attributes.extend(codec_attributes(codec))
    if publishes and line.rids:
        # RFC 8853 section 5.1: what one side sends the other receives.
        attributes.extend(Attribute("rid", f"{rid} recv") for rid in line.rids)
        attributes.append(Attribute("simulcast", f"recv {';'.join(line.rids)}"))
    if outgoing is not None:
        attributes.extend(_streams(outgoing))
    if tagged:
        attributes.extend(candidate_attributes(local.candidates, tcp=local.tcp))
    return MediaDescription(
        line.kind, port, line.protocol, formats, lines=connection, attributes=tuple(attributes)
    )


def _streams(outgoing: Outgoing) -> Iterator[Attribute]:
    """Return the SSRCs that the server sends on a line, and what repeats what (RFC 4588 section 8.8)."""
    if outgoing.rtx_ssrc is not None:
        yield Attribute("ssrc-group", f"FID {outgoing.ssrc} {outgoing.rtx_ssrc}")
    yield Attribute("ssrc", f"{outgoing.ssrc} cname:{outgoing.cname}")
    if outgoing.rtx_ssrc is not None:
        yield Attribute("ssrc", f"{outgoing.rtx_ssrc} cname:{outgoing.cname}")


def _data(line: DataLine, local: LocalParameters, tagged: bool) -> MediaDescription:
    """Return the m-line of the data channels (RFC 8841 section 10.3)."""
    connection, port = _default_candidate(local)
    attributes = [
        Attribute("mid", line.mid),
        Attribute("sctp-port", str(SCTP_PORT)),
        Attribute("max-message-size", str(local.max_message_size)),
    ]
    if tagged:
        attributes.extend(candidate_attributes(local.candidates, tcp=local.tcp))
    return MediaDescription(
        "application",
        port,
        line.protocol,
        ("webrtc-datachannel",),
        lines=connection,
        attributes=tuple(attributes),
    )


def _rejected(line: MediaLine | OtherLine) -> MediaDescription:
    media = line.kind if isinstance(line, MediaLine) else line.media
    attributes = (Attribute("mid", line.mid),) if line.mid else ()
    return MediaDescription(
        media,
        0,
        line.protocol,
        line.formats,
        lines=_NO_CONNECTION,
        attributes=(*attributes, Attribute("inactive")),
    )


def _direction(receives: bool, sends: bool) -> Direction:
    if receives:
        return "sendrecv" if sends else "recvonly"
    return "sendonly" if sends else "inactive"


def _default_candidate(local: LocalParameters) -> tuple[Lines, int]:
    if not local.candidates:
        return _NO_CONNECTION, 9
    address, port = local.candidates[0]
    return (("c", f"IN IP{ipaddress.ip_address(address).version} {address}"),), port


def candidate_attributes(candidates: tuple[tuple[str, int], ...], *, tcp: bool) -> Iterator[Attribute]:
    """Return the a=candidate lines of host candidates, the preferred one first (RFC 8839 section 5.1).

    With `tcp` passive TCP candidates follow (RFC 6544 section 4.5), with lower priorities.
    """
    # Candidates of one address and protocol share a foundation (RFC 8445 section 5.1.1.3).
    foundations: dict[tuple[str, str], int] = {}
    for protocol in ("udp", "tcp") if tcp else ("udp",):
        for index, (address, port) in enumerate(candidates):
            foundation = foundations.setdefault((protocol, address), len(foundations) + 1)
            # Highest for the first one (RFC 8445 section 5.1.2.1, RFC 6544 section 4.2).
            local_preference = 65535 - index if protocol == "udp" else _PASSIVE << 13 | 8191 - index
            priority = _HOST_PREFERENCE << 24 | local_preference << 8 | (256 - _COMPONENT)
            value = f"{foundation} {_COMPONENT} {protocol} {priority} {address} {port} typ host"
            yield Attribute("candidate", value if protocol == "udp" else f"{value} tcptype passive")
    yield Attribute("end-of-candidates")


def _msid(identifier: str) -> str:
    return _NOT_MSID.sub("-", identifier)[:_MAX_MSID_LENGTH]
