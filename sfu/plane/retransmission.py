"""What a route remembers of the packets that it sent, and how it sends them again (RFC 4585, RFC 4588)."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.wire.rtp import Element

PLACES = 512
"""Packets of one route that can be asked for: a second of video at 4 Mbit/s."""
MAX_RESENDS = 8
"""Times that one packet is sent again: a subscriber must not make the server send without end."""


@dataclass(slots=True)
class Remembered:
    """A packet that was sent, and what it takes to write it again: as sent, but for the header extensions."""

    number: int
    """Extended, as sent."""
    source: int
    extended: int
    """Its number at the source."""
    timestamp: int
    payload_type: int
    first_byte: int
    """Without the extension bit."""
    marker: int
    contributors: bytes
    elements: list[Element]
    """Header extensions under the publisher's ids."""
    payload: bytes
    """With padding."""
    resends: int = 0
    resent_at: float = 0.0


class Memory:
    """The newest packets of a route, by the number that they were sent with."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[int, Remembered] = {}

    def add(self, sent: Remembered) -> None:
        """Note a packet. One that was sent long ago makes way for it."""
        self._places[sent.number % PLACES] = sent

    def find(self, number: int) -> Remembered | None:
        """What was sent under an extended number, if that is remembered."""
        sent = self._places.get(number % PLACES)
        return sent if sent is not None and sent.number == number else None
