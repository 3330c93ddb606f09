"""Which RTP header extensions are accepted, and how one client's ids become another's (RFC 8285)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sfu.negotiation.codecs import REMB, TRANSPORT_FEEDBACK
from sfu.parameters import Direction, HeaderExtension
from sfu.wire.audio_level import URI as AUDIO_LEVEL
from sfu.wire.sdp import Attribute, MediaDescription, number

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RTP_STREAM_ID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RTP_STREAM_ID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
TRANSPORT_WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

# They name a stream of one transport, so they mean nothing on another one.
_OF_ONE_TRANSPORT = frozenset({MID, RTP_STREAM_ID, REPAIRED_RTP_STREAM_ID})

# They belong to one hop: the server reads them, and writes its own.
_OF_ONE_HOP = frozenset({TRANSPORT_WIDE, ABS_SEND_TIME})

# What a subscriber understands as the publisher wrote it.
_FORWARDED = frozenset(
    {
        AUDIO_LEVEL,
        "urn:3gpp:video-orientation",
        "urn:ietf:params:rtp-hdrext:framemarking",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
        "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
        "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    }
)

_DIRECTIONS: dict[str, Direction] = {
    "": "sendrecv",
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
REVERSED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}

# Ids above 14 need the two-byte form; those from 4096 only reserve a place in an offer (RFC 8285 section 6).
_ONE_BYTE_IDS = range(1, 15)
_TWO_BYTE_IDS = range(1, 256)
_PROVISIONAL_IDS = range(4096, 4352)


class BundledIds:
    """The ids of one BUNDLE group, where one id is one URI on every m-line (RFC 9143 section 9.1)."""

    def __init__(self) -> None:
        self._uris: dict[int, str] = {}
        self._ids: dict[str, int] = {}

    def add(self, attribute: Attribute, uri: str, identifier: int) -> None:
        """Note one a=extmap line. Raises SdpError where it contradicts an earlier one."""
        if self._uris.setdefault(identifier, uri) != uri:
            raise attribute.error(
                f"another id, as {identifier} is {self._uris[identifier]} in this BUNDLE group"
            )
        if self._ids.setdefault(uri, identifier) != identifier:
            raise attribute.error(f"id {self._ids[uri]}, as elsewhere in this BUNDLE group")


def read_extensions(
    media: MediaDescription, ids: BundledIds, *, mixed: bool, with_rids: bool, feedback: Collection[str]
) -> tuple[HeaderExtension, ...]:
    """Return the extensions of an m-line that the server accepts.

    `mixed`: two-byte headers are allowed (a=extmap-allow-mixed). `with_rids`: the client sends streams
    that it names with rids. `feedback`: the rtcp-fb values of the line's codecs. Raises SdpError for a
    malformed a=extmap or an id that is none.
    """
    accepted: list[HeaderExtension] = []
    seen: set[int] = set()
    for attribute in media.attributes:
        if attribute.name != "extmap":
            continue
        extension = _parse_extmap(attribute)
        if extension.id in seen:
            raise attribute.error("each extmap id once on an m-line")
        seen.add(extension.id)
        if extension.id in _PROVISIONAL_IDS:
            continue
        ids.add(attribute, extension.uri, extension.id)
        useful = (
            extension.uri == MID
            or extension.uri in _FORWARDED
            or (extension.uri == TRANSPORT_WIDE and TRANSPORT_FEEDBACK in feedback)
            or (extension.uri == ABS_SEND_TIME and REMB in feedback)
            or (with_rids and extension.uri in (RTP_STREAM_ID, REPAIRED_RTP_STREAM_ID))
        )
        fits = extension.id in _ONE_BYTE_IDS or mixed
        if useful and fits and extension.direction != "inactive":
            accepted.append(extension)
    # With feedback about each packet nobody makes a REMB of send times.
    numbered = any(extension.uri == TRANSPORT_WIDE for extension in accepted)
    return tuple(e for e in accepted if not (numbered and e.uri == ABS_SEND_TIME))


def sent_extension(extensions: Sequence[HeaderExtension], uri: str) -> int:
    """The id under which the client sends an extension, 0 where it does not."""
    return next((e.id for e in extensions if e.uri == uri and e.direction in ("sendrecv", "sendonly")), 0)


def received_extension(extensions: Sequence[HeaderExtension], uri: str) -> int:
    """The id under which the client takes an extension, 0 where it does not."""
    return next((e.id for e in extensions if e.uri == uri and e.direction in ("sendrecv", "recvonly")), 0)


def extension_map(
    publisher_extensions: Sequence[HeaderExtension], subscriber_extensions: Sequence[HeaderExtension]
) -> dict[int, int]:
    """Map the publisher's ids to the subscriber's, for what one sends and the other receives.

    mid and the stream ids are left out: they are the server's own on each transport.
    """
    subscriber = {e.uri: e.id for e in subscriber_extensions if e.direction in ("sendrecv", "recvonly")}
    return {
        extension.id: subscriber[extension.uri]
        for extension in publisher_extensions
        if extension.direction in ("sendrecv", "sendonly")
        and extension.uri in subscriber
        and extension.uri not in _OF_ONE_TRANSPORT
        and extension.uri not in _OF_ONE_HOP
    }


def extension_attribute(extension: HeaderExtension) -> Attribute:
    """Return the answer's a=extmap, whose direction is the server's view."""
    direction = REVERSED[extension.direction]
    suffix = "" if direction == "sendrecv" else f"/{direction}"
    return Attribute("extmap", f"{extension.id}{suffix} {extension.uri}")


def _parse_extmap(attribute: Attribute) -> HeaderExtension:
    words = (attribute.value or "").split(" ")
    id_text, _, direction = words[0].partition("/")
    identifier = number(id_text, _PROVISIONAL_IDS.stop)
    if len(words) < 2 or not words[1] or direction not in _DIRECTIONS:
        raise attribute.error("a=extmap:id URI, or id/direction URI")
    if identifier is None or (identifier not in _TWO_BYTE_IDS and identifier not in _PROVISIONAL_IDS):
        raise attribute.error("an extmap id from 1 to 255")
    return HeaderExtension(words[1], identifier, _DIRECTIONS[direction])
