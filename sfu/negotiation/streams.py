"""The streams that a client says it sends on an m-line: SSRCs, simulcast rids, names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sfu.wire.sdp import Attribute, MediaDescription, number

# RFC 8852 section 3: letters and digits; the length that one header extension can carry.
_RID = re.compile(r"[A-Za-z0-9_-]{1,255}")
# A CNAME is one SDES item, whose length is one byte (RFC 3550 section 6.5).
_MAX_CNAME_BYTES = 255
# Groups whose later members repeat or repair the first (RFC 5576 section 4.2, RFC 5956 section 4.1).
_REPAIR_GROUPS = ("FID", "FEC", "FEC-FR")


@dataclass(frozen=True, slots=True)
class Streams:
    """What the lines a=ssrc, a=ssrc-group, a=rid, a=simulcast and a=msid say."""

    ssrcs: tuple[int, ...]
    """Media streams only, without those that repair them."""
    rtx_ssrcs: tuple[tuple[int, int], ...]
    """(SSRC, that on which it is repeated) pairs."""
    rids: tuple[str, ...]
    cname: str
    track_name: str


def read_streams(media: MediaDescription) -> Streams:
    """Read the streams of an m-line. Raises SdpError for a malformed line."""
    ssrcs: dict[int, None] = {}
    repair: set[int] = set()
    repeats: dict[int, int] = {}
    cname = track_name = track_of_ssrc = ""
    for attribute in media.attributes:
        value = attribute.value or ""
        if attribute.name == "ssrc":
            word, _, rest = value.partition(" ")
            ssrcs[_ssrc(attribute, word)] = None
            name, _, text = rest.partition(":")
            if name == "cname":
                cname = cname or _cname(attribute, text)
            elif name == "msid":
                track_of_ssrc = track_of_ssrc or text.partition(" ")[2]
        elif attribute.name == "ssrc-group":
            semantics, *words = value.split() or [""]
            members = [_ssrc(attribute, word) for word in words]
            if semantics in _REPAIR_GROUPS:
                repair.update(members[1:])
            if semantics == "FID" and len(members) == 2:
                repeats.setdefault(members[0], members[1])
        elif attribute.name == "msid":
            track_name = track_name or value.partition(" ")[2]
    return Streams(
        ssrcs=tuple(ssrc for ssrc in ssrcs if ssrc not in repair),
        rtx_ssrcs=tuple(repeats.items()),
        rids=_read_rids(media),
        cname=cname,
        track_name=track_name or track_of_ssrc,
    )


def _ssrc(attribute: Attribute, word: str) -> int:
    value = number(word, 2**32 - 1)
    if value is None:
        raise attribute.error("an SSRC from 0 to 4294967295")
    return value


def _cname(attribute: Attribute, text: str) -> str:
    if not text or len(text.encode(errors="replace")) > _MAX_CNAME_BYTES:
        raise attribute.error(f"a cname of 1 to {_MAX_CNAME_BYTES} bytes")
    return text


def _read_rids(media: MediaDescription) -> tuple[str, ...]:
    sent: dict[str, None] = {}
    simulcast: list[str] | None = None
    for attribute in media.attributes:
        words = (attribute.value or "").split(" ")
        if attribute.name == "rid":
            if len(words) < 2 or _RID.fullmatch(words[0]) is None or words[1] not in ("send", "recv"):
                raise attribute.error("a=rid:id send or a=rid:id recv")
            if words[1] == "send":
                sent[words[0]] = None
        elif attribute.name == "simulcast":
            if len(words) not in (2, 4) or {*words[::2]} - {"send", "recv"}:
                raise attribute.error("a=simulcast:send ids, recv ids, or both")
            for direction, streams in zip(words[::2], words[1::2], strict=True):
                if direction == "send":
                    # The first of the alternatives; ~ marks one that starts paused (RFC 8853 section 5.1).
                    simulcast = [s.partition(",")[0].removeprefix("~") for s in streams.split(";")]
    if simulcast is None:
        return tuple(sent)
    return tuple(rid for rid in dict.fromkeys(simulcast) if rid in sent)
