"""Session descriptions: text to values and back (RFC 8866).

The grammar of lines is checked here, the meaning of most attributes is left to the reader. Nothing is
lost but the order of `a=` lines relative to the other lines of their section, so `parse(str(x)) == x`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

# Bounds on what a peer can make us do. A browser's offer of one video line is about 7 kB and 140 lines.
MAX_LENGTH = 256 * 1024
MAX_LINES = 16_384
MAX_LINE_LENGTH = 8_192

_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")
_NUMBER = re.compile(r"[0-9]{1,20}")
# NUL, CR and LF are the grammar's; a lone surrogate cannot be encoded when it is echoed.
_FORBIDDEN = re.compile("[\0\r\n\ud800-\udfff]")
# Session lines other than v, o, s and a; and media lines other than m and a (RFC 8866 section 5).
_SESSION_LINES = frozenset("iuepcbtrzk")
_MEDIA_LINES = frozenset("icbk")


class SdpError(ValueError):
    """Text that is no session description. The sentence names the line and what was expected there."""


def error_at(line: int, found: str, expected: str) -> SdpError:
    """Return the error for a line (from 1), quoting at most 60 characters of what was found."""
    quoted = found if len(found) <= 60 else found[:57] + "..."
    return SdpError(f"SDP line {line}: expected {expected}, found {quoted!r}")


def is_token(text: str) -> bool:
    """Tell whether the text is a token (RFC 8866 section 9)."""
    return _TOKEN.fullmatch(text) is not None


def number(text: str, maximum: int) -> int | None:
    """Return the decimal number that the text is, or None where it is none or above the maximum."""
    if _NUMBER.fullmatch(text) is None:
        return None
    value = int(text)
    return value if value <= maximum else None


@dataclass(frozen=True, slots=True)
class Attribute:
    """An a= line."""

    name: str
    value: str | None = None
    """None for a property attribute such as a=rtcp-mux."""
    line: int = field(default=0, compare=False)
    """Where it stood, from 1; 0 for one that was not parsed."""

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"

    def error(self, expected: str) -> SdpError:
        """Return the error that this line is not what was expected."""
        return error_at(self.line, f"a={self}", expected)


Attributes = tuple[Attribute, ...]
Lines = tuple[tuple[str, str], ...]


def first(attributes: Attributes, name: str) -> Attribute | None:
    """Return the first attribute of this name."""
    return next((a for a in attributes if a.name == name), None)


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line (RFC 8866 section 5.2)."""

    username: str = "-"
    session_id: int = 0
    session_version: int = 0
    address_type: str = "IP4"
    address: str = "127.0.0.1"

    def __str__(self) -> str:
        return (
            f"{self.username} {self.session_id} {self.session_version} IN {self.address_type} {self.address}"
        )


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """An m= line and what stands under it."""

    media: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    lines: Lines = ()
    """(type, value) of the i=, c=, b= and k= lines."""
    attributes: Attributes = ()
    line: int = field(default=0, compare=False)
    """Where the m= line stood, from 1."""

    def __str__(self) -> str:
        port = str(self.port) if self.port_count == 1 else f"{self.port}/{self.port_count}"
        return f"{self.media} {port} {self.protocol} {' '.join(self.formats)}"


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description."""

    origin: Origin = Origin()
    name: str = "-"
    lines: Lines = (("t", "0 0"),)
    """(type, value) of the session's i=, u=, e=, p=, c=, b=, t=, r=, z= and k= lines."""
    attributes: Attributes = ()
    media: tuple[MediaDescription, ...] = ()

    def __str__(self) -> str:
        """Return the text, with CRLF. Raises ValueError for a value that would break out of its line."""
        return "".join(f"{kind}={_one_line(value)}\r\n" for kind, value in self._lines())

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "v", "0"
        yield "o", str(self.origin)
        yield "s", self.name
        yield from self.lines
        for attribute in self.attributes:
            yield "a", str(attribute)
        for media in self.media:
            yield "m", str(media)
            yield from media.lines
            for attribute in media.attributes:
                yield "a", str(attribute)


def _one_line(value: str) -> str:
    if _FORBIDDEN.search(value):
        raise ValueError(f"SDP value {value[:60]!r} contains a line break, NUL or surrogate")
    return value


def parse(text: str) -> SessionDescription:
    """Parse a description whose lines end in CRLF or LF.

    Raises SdpError, a ValueError whose sentence names the line.
    """
    if len(text) > MAX_LENGTH:
        raise SdpError(f"SDP has {len(text):,} characters, expected at most {MAX_LENGTH:,}")
    if text.count("\n") > MAX_LINES:
        raise SdpError(f"SDP has over {MAX_LINES:,} lines")
    numbered = list(_split(text))
    for (line, kind, value), expected in zip(numbered, "vos", strict=False):
        if kind != expected:
            raise error_at(line, f"{kind}={value}", f"{expected}=")
    if len(numbered) < 3:
        raise SdpError(f"SDP ends after line {len(numbered)}, expected v=, o= and s= lines first")
    if numbered[0][2] != "0":
        raise error_at(1, f"v={numbered[0][2]}", "v=0")

    starts = [i for i, (_, kind, _) in enumerate(numbered) if kind == "m"]
    bounds = [*starts, len(numbered)]
    lines, attributes = _section(numbered[3 : bounds[0]], _SESSION_LINES)
    return SessionDescription(
        origin=_parse_origin(*numbered[1]),
        name=numbered[2][2],
        lines=lines,
        attributes=attributes,
        media=tuple(_parse_media(numbered[a:b]) for a, b in pairwise(bounds)),
    )


_Numbered = tuple[int, str, str]


def _split(text: str) -> Iterator[_Numbered]:
    lines = text.split("\n")
    # The last line's end is optional, and so are empty lines behind it.
    while lines and lines[-1] in ("", "\r"):
        lines.pop()
    if not lines:
        raise SdpError("SDP is empty, expected v=0 on line 1")
    for line, content in enumerate(lines, 1):
        content = content.removesuffix("\r")
        if len(content) > MAX_LINE_LENGTH:
            raise error_at(line, content, f"at most {MAX_LINE_LENGTH:,} characters on a line")
        if _FORBIDDEN.search(content):
            raise error_at(line, content, "Unicode text without NUL and lone CR")
        if len(content) < 2 or content[1] != "=" or not ("a" <= content[0] <= "z"):
            raise error_at(line, content, "a lower-case letter and =")
        yield line, content[0], content[2:]


def _section(numbered: list[_Numbered], allowed: frozenset[str]) -> tuple[Lines, Attributes]:
    lines: list[tuple[str, str]] = []
    attributes: list[Attribute] = []
    for line, kind, value in numbered:
        if kind == "a":
            attributes.append(_parse_attribute(line, value))
        elif kind in allowed:
            lines.append((kind, value))
        else:
            kinds = ", ".join(f"{k}=" for k in sorted(allowed | {"a"}))
            raise error_at(line, f"{kind}={value}", f"one of {kinds}")
    return tuple(lines), tuple(attributes)


def _parse_attribute(line: int, text: str) -> Attribute:
    name, colon, value = text.partition(":")
    if not is_token(name):
        raise error_at(line, f"a={text}", "a=name or a=name:value")
    return Attribute(name, value if colon else None, line)


def _parse_origin(line: int, _: str, text: str) -> Origin:
    error = error_at(line, f"o={text}", "o=name, session id, version, IN, IP4 or IP6, address")
    words = text.split(" ")
    if len(words) != 6 or not all(words) or words[3] != "IN":
        raise error
    username, id_text, version_text, _, address_type, address = words
    session_id, version = number(id_text, 2**64 - 1), number(version_text, 2**64 - 1)
    if session_id is None or version is None:
        raise error
    return Origin(username, session_id, version, address_type, address)


def _parse_media(numbered: list[_Numbered]) -> MediaDescription:
    line, _, text = numbered[0]
    error = error_at(line, f"m={text}", "m=media, port 0 to 65535, protocol, formats")
    words = text.rstrip(" ").split(" ")
    if len(words) < 4 or not all(words):
        raise error
    media, port_text, protocol, *formats = words
    port_word, slash, count_text = port_text.partition("/")
    port, count = number(port_word, 65535), number(count_text, 65535) if slash else 1
    if not is_token(media) or port is None or not count:
        raise error
    if not all(is_token(word) for word in (*protocol.split("/"), *formats)):
        raise error
    lines, attributes = _section(numbered[1:], _MEDIA_LINES)
    return MediaDescription(media, port, protocol, tuple(formats), count, lines, attributes, line)
