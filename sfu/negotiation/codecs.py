"""Which codecs two sides have in common, and what makes two payload types the same codec."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sfu.parameters import Codec, Kind
from sfu.wire.sdp import Attribute, MediaDescription, error_at, number

_RTPMAP = re.compile(r"([0-9]{1,3}) +([^ /]+)/([0-9]{1,9})(?:/([0-9]{1,3}))? *")
_SIX_HEX_DIGITS = re.compile(r"[0-9a-f]{6}")

# What is forwarded: registered name, clock rate in Hz, channels. Anything else (red, ulpfec, flexfec, CN,
# telephone-event) is left out of the answer, so that nobody sends it; rtx goes with what it repeats.
_FORWARDED: dict[Kind, dict[str, tuple[str, int, int]]] = {
    "audio": {"opus": ("opus", 48_000, 2)},
    "video": {name.lower(): (name, 90_000, 1) for name in ("VP8", "H264", "VP9", "AV1")},
}

# What the server acts on when it receives it and sends itself. Transport-wide feedback takes a header
# extension, without which it is not answered.
TRANSPORT_FEEDBACK = "transport-cc"
REMB = "goog-remb"
NACK = "nack"
_FEEDBACK = (NACK, "nack pli", "ccm fir", REMB, TRANSPORT_FEEDBACK)

# Stands for the * of a=rtcp-fb:* (RFC 4585 section 4.2).
_EVERY = -1

# Payload types that look like RTCP packet types when both share a port (RFC 5761 section 4).
_RTCP_CONFLICT = range(64, 96)

# (profile_idc, mask of the constraint flags that count, their value) → profile (RFC 6184 table 5). The
# order matters: constrained baseline is the narrower one.
_H264_PROFILES: tuple[tuple[int, int, int, str], ...] = (
    (0x42, 0x4F, 0x40, "constrained-baseline"),
    (0x4D, 0x8F, 0x80, "constrained-baseline"),
    (0x58, 0xCF, 0xC0, "constrained-baseline"),
    (0x42, 0x4F, 0x00, "baseline"),
    (0x58, 0xCF, 0x80, "baseline"),
    (0x4D, 0xAF, 0x00, "main"),
    (0x58, 0xCF, 0x00, "extended"),
    (0x64, 0xFF, 0x0C, "constrained-high"),
    (0x64, 0xFF, 0x00, "high"),
)
# RFC 6184 section 8.1: without profile-level-id it is baseline at level 1.
_H264_DEFAULT_PROFILE = "42000a"


def identity(codec: Codec) -> tuple[str | int, ...]:
    """Return what must be equal for a decoder of one codec to decode the other; levels are left out."""
    name = codec.name.lower()
    variant: tuple[str, ...] = ()
    if name == "h264":
        variant = (
            _parameter(codec, "packetization-mode", "0"),
            _h264_profile(_parameter(codec, "profile-level-id", _H264_DEFAULT_PROFILE)),
        )
    elif name == "vp9":
        variant = (_parameter(codec, "profile-id", "0"),)
    elif name == "av1":
        variant = (_parameter(codec, "profile", "0"),)
    return (name, codec.clock_rate, codec.channels, *variant)


def compatible_payload_types(
    producer_codecs: Sequence[Codec], consumer_codecs: Sequence[Codec]
) -> dict[int, int]:
    """Map the publisher's payload types to the subscriber's; those that the subscriber lacks are left out."""
    consumers: dict[tuple[str | int, ...], int] = {}
    for codec in consumer_codecs:
        consumers.setdefault(identity(codec), codec.payload_type)
    return {
        codec.payload_type: consumers[identity(codec)]
        for codec in producer_codecs
        if identity(codec) in consumers
    }


def read_codecs(media: MediaDescription, kind: Kind, preferred: Sequence[str]) -> tuple[Codec, ...]:
    """Return what the m-line offers and the server forwards, in the order of `preferred` (names).

    Raises SdpError for a malformed rtpmap, fmtp or rtcp-fb line, or a payload type above 127.
    """
    rtpmaps = _read_rtpmaps(media)
    parameters = _read_parameters(media)
    feedback = _read_feedback(media)
    repeats = _read_repeats(rtpmaps, parameters)
    offered: dict[tuple[str | int, ...], Codec] = {}
    for payload_type in _payload_types(media):
        known = rtpmaps.get(payload_type)
        if known is None or payload_type in _RTCP_CONFLICT:
            continue
        name, clock_rate, channels = known
        registered = _FORWARDED[kind].get(name.lower())
        if registered is None or registered[1:] != (clock_rate, channels):
            continue
        codec = Codec(
            name=registered[0],
            payload_type=payload_type,
            clock_rate=clock_rate,
            channels=channels,
            parameters=parameters.get(payload_type, ()),
            feedback=tuple(
                f for f in _FEEDBACK if f in feedback.get(payload_type, ()) or f in feedback[_EVERY]
            ),
        )
        if NACK in codec.feedback:
            # Nothing else asks for what RTX repeats.
            codec = replace(codec, rtx_payload_type=repeats.get((payload_type, clock_rate)))
        # The first payload type of a codec is the offerer's preferred one.
        offered.setdefault(identity(codec), codec)
    order = [name.lower() for name in preferred]
    accepted = [codec for codec in offered.values() if codec.name.lower() in order]
    return tuple(sorted(accepted, key=lambda codec: order.index(codec.name.lower())))


def without_feedback(codecs: Sequence[Codec], value: str) -> tuple[Codec, ...]:
    """The codecs, none of which accepts this rtcp-fb value."""
    return tuple(replace(codec, feedback=tuple(f for f in codec.feedback if f != value)) for codec in codecs)


def codec_attributes(codec: Codec) -> list[Attribute]:
    """Return the rtpmap, fmtp and rtcp-fb lines of an answer."""
    payload_type = codec.payload_type
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    lines = [Attribute("rtpmap", f"{payload_type} {codec.name}/{codec.clock_rate}{channels}")]
    if codec.parameters:
        text = ";".join(f"{key}={value}" if value else key for key, value in codec.parameters)
        lines.append(Attribute("fmtp", f"{payload_type} {text}"))
    lines.extend(Attribute("rtcp-fb", f"{payload_type} {value}") for value in codec.feedback)
    if codec.rtx_payload_type is not None:
        lines.append(Attribute("rtpmap", f"{codec.rtx_payload_type} rtx/{codec.clock_rate}"))
        lines.append(Attribute("fmtp", f"{codec.rtx_payload_type} apt={payload_type}"))
    return lines


def payload_types(codec: Codec) -> tuple[int, ...]:
    """Return the formats of an m-line that a codec takes: its own, and that of its RTX."""
    repeats = codec.rtx_payload_type
    return (codec.payload_type,) if repeats is None else (codec.payload_type, repeats)


def _read_repeats(
    rtpmaps: dict[int, tuple[str, int, int]], parameters: dict[int, tuple[tuple[str, str], ...]]
) -> dict[tuple[int, int], int]:
    """Return (payload type, clock rate in Hz) → payload type of its RTX (RFC 4588 section 8)."""
    repeats: dict[tuple[int, int], int] = {}
    for payload_type, (name, clock_rate, _) in rtpmaps.items():
        if name.lower() != "rtx" or payload_type in _RTCP_CONFLICT:
            continue
        apt = number(dict(parameters.get(payload_type, ())).get("apt", ""), 127)
        if apt is not None:
            repeats.setdefault((apt, clock_rate), payload_type)
    return repeats


def _parameter(codec: Codec, name: str, default: str) -> str:
    return next((value for key, value in codec.parameters if key.lower() == name), default)


def _h264_profile(profile_level_id: str) -> str:
    text = profile_level_id.lower()
    if _SIX_HEX_DIGITS.fullmatch(text) is None:
        # Equal only to itself: better no picture than a wrong guess about a decoder.
        return text
    idc, flags = int(text[:2], 16), int(text[2:4], 16)
    for known_idc, mask, wanted, name in _H264_PROFILES:
        if idc == known_idc and flags & mask == wanted:
            return name
    return text[:4]


def _payload_types(media: MediaDescription) -> list[int]:
    payload_types = [number(word, 127) for word in media.formats]
    if None in payload_types:
        raise error_at(media.line, f"m={media}", "payload types from 0 to 127")
    # Once each: the work below is then bounded by the length of the text.
    return list(dict.fromkeys(payload_type for payload_type in payload_types if payload_type is not None))


def _read_rtpmaps(media: MediaDescription) -> dict[int, tuple[str, int, int]]:
    rtpmaps: dict[int, tuple[str, int, int]] = {}
    for attribute in media.attributes:
        if attribute.name != "rtpmap":
            continue
        match = _RTPMAP.fullmatch(attribute.value or "")
        payload_type = number(match[1], 127) if match else None
        if match is None or payload_type is None or payload_type in rtpmaps:
            raise attribute.error("one a=rtpmap:payload type name/clock rate for each payload type 0 to 127")
        rtpmaps[payload_type] = (match[2], int(match[3]), int(match[4] or 1))
    return rtpmaps


def _read_parameters(media: MediaDescription) -> dict[int, tuple[tuple[str, str], ...]]:
    parameters: dict[int, tuple[tuple[str, str], ...]] = {}
    for attribute in media.attributes:
        if attribute.name != "fmtp":
            continue
        word, _, text = (attribute.value or "").partition(" ")
        payload_type = number(word, 127)
        if payload_type is None:
            raise attribute.error("a=fmtp:payload type 0 to 127, then parameters")
        pairs = [part.strip().partition("=") for part in text.split(";") if part.strip()]
        parameters[payload_type] = tuple((key.strip(), value.strip()) for key, _, value in pairs)
    return parameters


def _read_feedback(media: MediaDescription) -> dict[int, set[str]]:
    feedback: dict[int, set[str]] = {_EVERY: set()}
    for attribute in media.attributes:
        if attribute.name != "rtcp-fb":
            continue
        word, _, text = (attribute.value or "").partition(" ")
        payload_type = _EVERY if word == "*" else number(word, 127)
        if payload_type is None or not text.strip():
            raise attribute.error("a=rtcp-fb:payload type 0 to 127 or *, then a feedback type")
        feedback.setdefault(payload_type, set()).add(text.strip())
    return feedback
