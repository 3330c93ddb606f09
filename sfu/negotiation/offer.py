"""Reading an offer: what the client can do, cut down to what the media server does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sfu.config import MediaConfig
from sfu.errors import NegotiationError
from sfu.negotiation.codecs import TRANSPORT_FEEDBACK, read_codecs, without_feedback
from sfu.negotiation.extensions import RTP_STREAM_ID, TRANSPORT_WIDE, BundledIds, read_extensions
from sfu.negotiation.sources import assign_sources
from sfu.negotiation.streams import read_streams
from sfu.parameters import DataLine, Direction, Kind, MediaLine, OtherLine, RemoteParameters, Source
from sfu.wire.sdp import (
    Attribute,
    Attributes,
    MediaDescription,
    SdpError,
    SessionDescription,
    error_at,
    first,
    is_token,
    parse,
)

# Simulcast streams of one line; browsers offer three at the most.
MAX_RIDS = 4
_PROTOCOL = "UDP/TLS/RTP/SAVPF"
_DATA_PROTOCOLS = ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP")
# RFC 8841 section 6: where the client names no size.
_DEFAULT_MESSAGE_SIZE = 65_536
_DIGITS = re.compile(r"[0-9]{1,20}")
_KINDS: dict[str, Kind] = {"audio": "audio", "video": "video"}
_DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")

# RFC 8839 section 5.4.
_ICE_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_ICE_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*")
# Digest length in bytes of the hash functions that can be verified; lines of others are skipped (RFC 8122
# section 5).
_DIGEST_LENGTHS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
# What a one-byte header extension can carry (RFC 8285 section 4.2), as the server writes mids into packets.
_MAX_MID_LENGTH = 16


def read_offer(
    text: str, *, publish: Mapping[str, Source] | None = None, config: MediaConfig
) -> RemoteParameters:
    """Read an offer.

    `publish` is only checked against the offer: see assign_sources. Raises NegotiationError with a code of
    docs/protocol.md and a sentence that says what was wrong and what would be right.
    """
    # Counted before anything is parsed: refusing an absurd offer must cost next to nothing.
    count = text.count("\nm=")
    if count > config.max_media_lines:
        raise NegotiationError(
            "sdp_too_many_media",
            f"The offer has {count:,} m-lines, expected at most {config.max_media_lines}",
        )
    try:
        remote = _read(parse(text), config)
    except SdpError as error:
        raise NegotiationError("sdp_malformed", str(error)) from error
    if publish:
        assign_sources(remote.media, publish)
    return remote


@dataclass(frozen=True, slots=True)
class _Section:
    """An m-line, its place and its mid."""

    index: int
    mid: str
    description: MediaDescription

    @property
    def port_is_zero(self) -> bool:
        # With bundle-only the zero means "only bundled", not "rejected" (RFC 9143 section 6).
        return self.description.port == 0 and first(self.description.attributes, "bundle-only") is None


def _read(session: SessionDescription, config: MediaConfig) -> RemoteParameters:
    if not session.media:
        raise SdpError("SDP has no m= line, expected at least one")
    if first(session.attributes, "ice-lite") is not None:
        raise NegotiationError(
            "sdp_no_ice",
            "The offer has a=ice-lite, expected full ICE: the server is lite and sends no checks",
        )
    sections = _read_sections(session)
    bundle = _read_bundle(session, sections)
    ids = BundledIds()
    media = tuple(
        _read_line(session, section, _KINDS[section.description.media], bundle, ids, config)
        for section in sections
        if section.description.media in _KINDS
    )
    _check_ssrcs(media)
    data = next((line for section in sections if (line := _read_data(section, bundle))), None)
    others = tuple(
        OtherLine(s.index, s.mid, s.description.media, s.description.protocol, s.description.formats)
        for s in sections
        if s.description.media not in _KINDS and (data is None or s.index != data.index)
    )
    accepted = [line for line in media if not line.rejected]
    mids = {line.mid for line in accepted} | ({data.mid} if data is not None else set())
    transport = _transport_attributes(session, sections, bundle, mids)
    ufrag, pwd = _read_ice(transport)
    fingerprints = _read_fingerprints(transport)
    _check_setup(transport)
    return RemoteParameters(
        ice_ufrag=ufrag,
        ice_pwd=pwd,
        fingerprints=fingerprints,
        bundle=bundle,
        media=media,
        others=others,
        data=data,
        extmap_allow_mixed=bool(accepted) and all(line.extmap_allow_mixed for line in accepted),
    )


def _read_sections(session: SessionDescription) -> list[_Section]:
    sections: list[_Section] = []
    seen: set[str] = set()
    for index, description in enumerate(session.media):
        attribute = first(description.attributes, "mid")
        mid = (attribute.value or "") if attribute else ""
        if attribute and (not is_token(mid) or len(mid) > _MAX_MID_LENGTH):
            raise attribute.error(f"a mid of 1 to {_MAX_MID_LENGTH} token characters")
        if attribute and mid in seen:
            raise attribute.error("another mid on each m-line")
        seen.add(mid)
        sections.append(_Section(index, mid, description))
    return sections


def _read_bundle(session: SessionDescription, sections: list[_Section]) -> tuple[str, ...]:
    known = {section.mid for section in sections if section.mid}
    for attribute in session.attributes:
        semantics, _, text = (attribute.value or "").partition(" ")
        if attribute.name != "group" or semantics != "BUNDLE":
            continue
        mids = tuple(text.split())
        if len(set(mids)) != len(mids) or not known.issuperset(mids):
            raise attribute.error("each mid once, of m-lines that are there")
        if mids:
            return mids
    raise NegotiationError(
        "sdp_not_bundled", "The offer has no a=group:BUNDLE, expected one with the mid of each m-line"
    )


def _read_line(
    session: SessionDescription,
    section: _Section,
    kind: Kind,
    bundle: tuple[str, ...],
    ids: BundledIds,
    config: MediaConfig,
) -> MediaLine:
    description = section.description

    def rejected(reason: str) -> MediaLine:
        return MediaLine(
            index=section.index,
            mid=section.mid,
            kind=kind,
            rejected=reason,
            protocol=description.protocol,
            formats=description.formats,
        )

    if section.port_is_zero:
        return rejected("the offer has port 0")
    if section.mid not in bundle:
        return rejected("it is not in the first BUNDLE group")
    if description.protocol != _PROTOCOL:
        return rejected(f"its protocol is {description.protocol}, not {_PROTOCOL}")
    preferred = config.audio_codecs if kind == "audio" else config.video_codecs
    codecs = read_codecs(description, kind, preferred)
    if not codecs:
        return rejected(f"it offers none of {', '.join(preferred)}")
    if first(description.attributes, "rtcp-mux") is None:
        raise NegotiationError(
            "sdp_not_bundled",
            f"The m-line with mid {section.mid} has no a=rtcp-mux, expected it on all of them",
        )
    direction = _read_direction(session.attributes, description.attributes)
    sends = direction in ("sendrecv", "sendonly")
    streams = read_streams(description) if sends else None
    mixed = any(first(a, "extmap-allow-mixed") for a in (session.attributes, description.attributes))
    rids = streams.rids if streams and kind == "video" else ()
    feedback = {value for codec in codecs for value in codec.feedback}
    extensions = read_extensions(description, ids, mixed=mixed, with_rids=bool(rids), feedback=feedback)
    if not any(extension.uri == TRANSPORT_WIDE for extension in extensions):
        codecs = without_feedback(codecs, TRANSPORT_FEEDBACK)
    if not any(extension.uri == RTP_STREAM_ID for extension in extensions):
        # Nothing else tells which stream is which.
        rids = ()
    return MediaLine(
        index=section.index,
        mid=section.mid,
        kind=kind,
        codecs=codecs,
        extensions=extensions,
        sends=sends,
        receives=direction in ("sendrecv", "recvonly"),
        ssrcs=streams.ssrcs if streams else (),
        rtx_ssrcs=streams.rtx_ssrcs if streams else (),
        rids=rids[:MAX_RIDS],
        cname=streams.cname if streams else "",
        track_name=streams.track_name if streams else "",
        extmap_allow_mixed=mixed,
        rtcp_rsize=first(description.attributes, "rtcp-rsize") is not None,
        protocol=description.protocol,
        formats=description.formats,
    )


def _read_data(section: _Section, bundle: tuple[str, ...]) -> DataLine | None:
    """Return the line if it offers data channels in a form that can be answered."""
    description = section.description
    if (
        description.media != "application"
        or description.protocol not in _DATA_PROTOCOLS
        or "webrtc-datachannel" not in description.formats
        or section.port_is_zero
        or section.mid not in bundle
    ):
        return None
    port = first(description.attributes, "sctp-port")
    if port is None:
        return None
    size = first(description.attributes, "max-message-size")
    return DataLine(
        index=section.index,
        mid=section.mid,
        protocol=description.protocol,
        sctp_port=_number(port, 1, 65_535),
        max_message_size=_number(size, 0, (1 << 64) - 1) if size is not None else _DEFAULT_MESSAGE_SIZE,
    )


def _number(attribute: Attribute, lowest: int, highest: int) -> int:
    text = attribute.value or ""
    if _DIGITS.fullmatch(text) is None or not lowest <= int(text) <= highest:
        raise attribute.error(f"a number from {lowest} to {highest}")
    return int(text)


def _read_direction(session: Attributes, media: Attributes) -> Direction:
    for attributes in (media, session):
        for attribute in attributes:
            for direction in _DIRECTIONS:
                if attribute.name == direction:
                    return direction
    return "sendrecv"


def _check_ssrcs(media: tuple[MediaLine, ...]) -> None:
    mids: dict[int, str] = {}
    for line in media:
        for ssrc in line.ssrcs:
            other = mids.setdefault(ssrc, line.mid)
            if other != line.mid:
                raise SdpError(
                    f"SDP has SSRC {ssrc} on the m-lines {other} and {line.mid}, expected it on one"
                )


def _transport_attributes(
    session: SessionDescription, sections: list[_Section], bundle: tuple[str, ...], accepted: set[str]
) -> tuple[Attributes, ...]:
    """Return where the transport is described, the most specific first.

    That is the first m-line of the group that is accepted (RFC 9143 section 7.3.1), then the session.
    """
    by_mid = {section.mid: section.description.attributes for section in sections}
    tagged = next((mid for mid in bundle if mid in accepted), bundle[0])
    return (by_mid[tagged], session.attributes)


def _read_ice(transport: tuple[Attributes, ...]) -> tuple[str, str]:
    values: list[str] = []
    for name, pattern, length in (("ice-ufrag", _ICE_UFRAG, "4"), ("ice-pwd", _ICE_PWD, "22")):
        found = next((a for attributes in transport if (a := first(attributes, name))), None)
        if found is None:
            raise NegotiationError(
                "sdp_no_ice", f"The offer has no a={name}, expected a=ice-ufrag and a=ice-pwd (RFC 8839)"
            )
        if pattern.fullmatch(found.value or "") is None:
            raise error_at(found.line, f"a={name}:…", f"{length} to 256 letters, digits, + and /")
        values.append(found.value or "")
    return values[0], values[1]


def _read_fingerprints(transport: tuple[Attributes, ...]) -> tuple[tuple[str, str], ...]:
    for attributes in transport:
        found = [attribute for attribute in attributes if attribute.name == "fingerprint"]
        if not found:
            continue
        fingerprints: list[tuple[str, str]] = []
        for attribute in found:
            algorithm, _, value = (attribute.value or "").partition(" ")
            algorithm = algorithm.lower()
            length = _DIGEST_LENGTHS.get(algorithm)
            if _FINGERPRINT.fullmatch(value) is None or (length and len(value) != 3 * length - 1):
                raise attribute.error("a=fingerprint:algorithm and its hexadecimal bytes between colons")
            if length:
                fingerprints.append((algorithm, value.upper()))
        if not fingerprints:
            known = ", ".join(_DIGEST_LENGTHS)
            raise NegotiationError("sdp_no_dtls", f"The offer has no a=fingerprint with one of {known}")
        return tuple(fingerprints)
    raise NegotiationError("sdp_no_dtls", "The offer has no a=fingerprint, expected DTLS-SRTP (RFC 8122)")


def _check_setup(transport: tuple[Attributes, ...]) -> None:
    found = next((a for attributes in transport if (a := first(attributes, "setup"))), None)
    # Without the line the offerer is active (RFC 4145 section 4).
    if found is not None and found.value not in ("actpass", "active"):
        raise NegotiationError(
            "sdp_no_dtls",
            f"The offer has a={str(found)[:40]}, expected actpass or active: the server is passive",
        )
