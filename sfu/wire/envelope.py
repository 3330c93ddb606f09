"""A message on a data channel: one line of JSON that says where it goes, and then the message itself.

    {"to": ["c1a0b2"], "topic": "cursor"}⏎payload

A text message is text throughout; a binary one is the same line in UTF-8 followed by any bytes. The line may
be empty. docs/protocol.md has it as a contract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

Message = str | bytes
"""A data channel knows two kinds of messages, text and binary (RFC 8831 section 6.6)."""

# The header is read before it is known who may send: it must cost little.
MAX_HEADER_BYTES = 4096
MAX_RECIPIENTS = 100
MAX_ID_LENGTH = 64
MAX_TOPIC_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a client sends."""

    payload: Message
    to: tuple[str, ...] | None = None
    """Ids of the participants that it is for; None for everybody else in the room."""
    topic: str = ""


def size_of(message: Message) -> int:
    """Return the bytes that a message has on the wire."""
    return len(message.encode("utf-8", "surrogatepass")) if isinstance(message, str) else len(message)


def parse(message: Message) -> Envelope:
    """Read what a client sent. Raises ValueError with a sentence that says what would be right."""
    if isinstance(message, str):
        header, newline, payload = message.partition("\n")
        line: Message = header
        body: Message = payload
        found = bool(newline)
    else:
        first, separator, rest = message.partition(b"\n")
        line, body, found = first, rest, bool(separator)
    if not found:
        raise ValueError("a data message has no line feed, expected a header line before the payload")
    if size_of(line) > MAX_HEADER_BYTES:
        raise ValueError(f"the header line has more than {MAX_HEADER_BYTES} bytes")
    if not line:
        return Envelope(body)
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("the header line is not JSON, expected an object or nothing") from None
    if not isinstance(fields, dict):
        raise ValueError("the header line is not an object, expected one or nothing")
    return Envelope(body, _recipients(fields.get("to")), _topic(fields.get("topic", "")))


def _recipients(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= MAX_RECIPIENTS
        or not all(isinstance(each, str) and 1 <= len(each) <= MAX_ID_LENGTH for each in value)
    ):
        raise ValueError(f"to is not a list of 1 to {MAX_RECIPIENTS} participant ids")
    # Whoever is named twice is told once.
    return tuple(dict.fromkeys(value))


def _topic(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TOPIC_LENGTH:
        raise ValueError(f"topic is not a text of at most {MAX_TOPIC_LENGTH} characters")
    return value


def stamped(envelope: Envelope, sender: str) -> Message:
    """Return what the recipients get: the same payload, and who sent it."""
    fields: Mapping[str, str] = {"from": sender, **({"topic": envelope.topic} if envelope.topic else {})}
    # ASCII: a lone surrogate in a topic stays an escape, and no line feed gets in.
    header = json.dumps(fields, separators=(",", ":"))
    if isinstance(envelope.payload, str):
        return f"{header}\n{envelope.payload}"
    return header.encode() + b"\n" + envelope.payload
