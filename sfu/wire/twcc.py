"""Transport-wide feedback: when each packet of a transport arrived
(draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1), an RTCP packet of type 205, format 15.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PACKET_TYPE = 205
FORMAT = 15

TICK = 0.00025
"""Seconds of one step of an arrival time."""
REFERENCE_TICKS = 256
"""Arrival steps in one step of the reference time (64 ms)."""

_NOT_RECEIVED, _SMALL, _LARGE, _RESERVED = range(4)

# What chunks hold: a run of up to 2^13 - 1 packets, or the status of 14 (one bit each) or 7 (two bits).
_MAXIMUM_RUN = 0x1FFF
_ONE_BIT, _TWO_BIT = 14, 7

_HEADER = struct.Struct("!BBH")
_FIXED = struct.Struct("!IIHHI")
_CHUNK = struct.Struct("!H")
_LARGE_DELTA = struct.Struct("!h")


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """What a receiver tells of packets in the order of their transport-wide sequence numbers."""

    sender_ssrc: int
    media_ssrc: int
    base_sequence: int
    """16 bits: the number of the first packet that is spoken of."""
    reference_time: int
    """Signed, 24 bits: multiples of 64 ms on a clock of the receiver's choice."""
    feedback_count: int
    """8 bits, one more with each message."""
    arrivals: tuple[int | None, ...]
    """For each packet from `base_sequence` on: its arrival in steps of 250 µs after the reference time, None
    where it has not come. 1 to 65535 of them."""

    def __bytes__(self) -> bytes:
        if not 1 <= len(self.arrivals) <= 0xFFFF:
            raise ValueError(f"transport-wide feedback tells of {len(self.arrivals)} packets, 1 to 65535 fit")
        symbols: list[int] = []
        deltas = bytearray()
        previous = 0
        for arrival in self.arrivals:
            if arrival is None:
                symbols.append(_NOT_RECEIVED)
                continue
            delta = arrival - previous
            previous = arrival
            if 0 <= delta <= 255:
                symbols.append(_SMALL)
                deltas.append(delta)
            elif -0x8000 <= delta <= 0x7FFF:
                symbols.append(_LARGE)
                deltas += _LARGE_DELTA.pack(delta)
            else:
                raise ValueError(f"arrival times are {delta} steps apart, -32768 to 32767 fit")
        if not -(1 << 23) <= self.reference_time < 1 << 23:
            raise ValueError(f"reference time is {self.reference_time}, it should fit in 24 bits")
        if not 0 <= self.feedback_count <= 255:
            raise ValueError(f"feedback count is {self.feedback_count}, it should be 0 to 255")
        try:
            body = _FIXED.pack(
                self.sender_ssrc,
                self.media_ssrc,
                self.base_sequence,
                len(symbols),
                (self.reference_time & 0xFFFFFF) << 8 | self.feedback_count,
            )
            body += b"".join(map(_CHUNK.pack, _chunks(symbols))) + deltas
            body += bytes(-len(body) % 4)
            return _HEADER.pack(0x80 | FORMAT, PACKET_TYPE, len(body) // 4) + body
        except struct.error as error:
            raise ValueError(f"transport-wide feedback field out of range: {error}") from error


def _chunks(symbols: Sequence[int]) -> Iterator[int]:
    """The status chunks of section 3.1.3 and 3.1.4; runs where they are no longer than vectors."""
    at, count = 0, len(symbols)
    while at < count:
        symbol = symbols[at]
        end = min(count, at + _MAXIMUM_RUN)
        stop = at + 1
        while stop < end and symbols[stop] == symbol:
            stop += 1
        run = stop - at
        if run >= _ONE_BIT or stop == count:
            yield symbol << 13 | run
            at = stop
            continue
        vector = symbols[at : at + _ONE_BIT]
        if _LARGE not in vector:
            chunk = 0x8000
            for place, value in enumerate(vector):
                chunk |= value << _ONE_BIT - 1 - place
            yield chunk
            at += _ONE_BIT
        elif run >= _TWO_BIT:
            yield symbol << 13 | run
            at = stop
        else:
            chunk = 0xC000
            for place, value in enumerate(symbols[at : at + _TWO_BIT]):
                chunk |= value << 2 * (_TWO_BIT - 1 - place)
            yield chunk
            at += _TWO_BIT


def parse_feedback(body: bytes) -> TransportFeedback:
    """Read the body of an RTCP packet of this kind, without header and padding.

    Raises ValueError with a sentence if it is malformed.
    """
    if len(body) < _FIXED.size:
        raise ValueError(
            f"RTCP transport-wide feedback has a body of {len(body)} bytes, it takes at least 16"
        )
    sender, media, base, count, time_and_count = _FIXED.unpack_from(body)
    if not count:
        raise ValueError("RTCP transport-wide feedback tells of no packet, expected at least one")
    symbols, position = _read_symbols(body, count)
    arrivals: list[int | None] = []
    arrival = 0
    for symbol in symbols:
        if symbol == _NOT_RECEIVED:
            arrivals.append(None)
            continue
        if symbol == _RESERVED:
            raise ValueError("RTCP transport-wide feedback has a packet of the reserved status 3")
        size = 1 if symbol == _SMALL else 2
        if position + size > len(body):
            raise ValueError("RTCP transport-wide feedback ends within its arrival times")
        arrival += body[position] if size == 1 else _LARGE_DELTA.unpack_from(body, position)[0]
        position += size
        arrivals.append(arrival)
    reference = ((time_and_count >> 8) + 0x800000 & 0xFFFFFF) - 0x800000
    return TransportFeedback(sender, media, base, reference, time_and_count & 0xFF, tuple(arrivals))


def parse_packet(packet: bytes, most: int) -> TransportFeedback:
    """Read an RTCP packet of this kind, header and padding included.

    Raises ValueError with a sentence if it is malformed or tells of more than `most` packets.
    """
    padding = packet[-1] if packet[0] & 0x20 else 0
    if packet[0] & 0x20 and not 1 <= padding <= len(packet) - 4:
        raise ValueError(f"RTCP transport-wide feedback of {len(packet)} bytes has {padding} of padding")
    body = packet[4 : len(packet) - padding]
    count = int.from_bytes(body[10:12], "big")
    if count > most:
        raise ValueError(f"RTCP transport-wide feedback tells of {count} packets, expected at most {most}")
    return parse_feedback(body)


def _read_symbols(body: bytes, count: int) -> tuple[list[int], int]:
    """The status of each packet, and where the chunks end."""
    symbols: list[int] = []
    position = _FIXED.size
    while len(symbols) < count:
        if position + 2 > len(body):
            raise ValueError(
                f"RTCP transport-wide feedback tells of {count} packets and ends after {len(symbols)}"
            )
        (chunk,) = _CHUNK.unpack_from(body, position)
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13] * min(chunk & _MAXIMUM_RUN, count - len(symbols))
        elif not chunk & 0x4000:
            symbols += (chunk >> place & 1 for place in range(_ONE_BIT - 1, -1, -1))
        else:
            symbols += (chunk >> place & 3 for place in range(2 * (_TWO_BIT - 1), -1, -2))
    # The last vector may be longer than what is told of.
    return symbols[:count], position
