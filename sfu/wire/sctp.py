"""Whether an SCTP packet is formed as RFC 9260 has it, before anything acts on it.

The SCTP implementation trusts lengths and ranges that a client wrote: a parameter of length 0 keeps it busy
for ever, and gap blocks cost it by what they span. So each packet is looked over first.
"""

from __future__ import annotations

import enum
import struct

_COMMON_HEADER = 12
_CHUNK_HEADER = struct.Struct("!BBH")
_PARAMETER_HEADER = struct.Struct("!HH")
_SACK = struct.Struct("!IIHH")
_PAIR = struct.Struct("!HH")

# Chunks in flight that a client may speak of: far more than our send buffers hold.
MAX_GAP_END = 1024


class ChunkType(enum.IntEnum):
    """RFC 9260 section 3.2, RFC 3758, RFC 6525."""

    DATA = 0
    INIT = 1
    INIT_ACK = 2
    SACK = 3
    HEARTBEAT = 4
    HEARTBEAT_ACK = 5
    ABORT = 6
    SHUTDOWN = 7
    ERROR = 9
    RECONFIG = 130
    FORWARD_TSN = 192


# Bytes of a chunk's value before its parameters begin.
_PARAMETERS_AT = {
    ChunkType.INIT: 16,
    ChunkType.INIT_ACK: 16,
    ChunkType.HEARTBEAT: 0,
    ChunkType.HEARTBEAT_ACK: 0,
    ChunkType.ABORT: 0,
    ChunkType.ERROR: 0,
    ChunkType.RECONFIG: 0,
}


def check_packet(packet: bytes) -> None:
    """Raises ValueError with a sentence where a packet is not well-formed. The checksum is not looked at."""
    if len(packet) < _COMMON_HEADER + _CHUNK_HEADER.size:
        raise ValueError(f"an SCTP packet has {len(packet)} bytes, expected a header and a chunk")
    position = _COMMON_HEADER
    kinds: list[int] = []
    while position < len(packet):
        if len(packet) - position < _CHUNK_HEADER.size:
            raise ValueError("an SCTP packet ends within a chunk header")
        kind, _, length = _CHUNK_HEADER.unpack_from(packet, position)
        if length < _CHUNK_HEADER.size or position + length > len(packet):
            raise ValueError(f"an SCTP chunk says it has {length} bytes, expected what the packet has")
        _check_chunk(kind, packet[position + _CHUNK_HEADER.size : position + length])
        kinds.append(kind)
        position += length + -length % 4
    if ChunkType.INIT in kinds and len(kinds) > 1:
        # RFC 9260 section 6.10.
        raise ValueError("an INIT stands with other chunks, expected it alone")


def _check_chunk(kind: int, value: bytes) -> None:
    if kind in _PARAMETERS_AT:
        start = _PARAMETERS_AT[ChunkType(kind)]
        if len(value) < start:
            raise ValueError(f"an SCTP chunk of type {kind} has {len(value)} bytes, expected {start} or more")
        _check_parameters(value, start)
    elif kind == ChunkType.DATA and len(value) <= 12:
        # RFC 9260 section 3.3.1: no data is an error.
        raise ValueError("an SCTP DATA chunk carries nothing")
    elif kind == ChunkType.SACK:
        _check_sack(value)
    elif kind == ChunkType.FORWARD_TSN and (len(value) < 4 or len(value) % 4):
        raise ValueError(f"a FORWARD-TSN chunk has {len(value)} bytes, expected a multiple of 4")
    elif kind == ChunkType.SHUTDOWN and len(value) < 4:
        raise ValueError("a SHUTDOWN chunk lacks the cumulative TSN")


def _check_parameters(value: bytes, position: int) -> None:
    while position < len(value):
        if len(value) - position < _PARAMETER_HEADER.size:
            raise ValueError("an SCTP chunk ends within a parameter header")
        _, length = _PARAMETER_HEADER.unpack_from(value, position)
        if length < _PARAMETER_HEADER.size or position + length > len(value):
            raise ValueError(f"an SCTP parameter says it has {length} bytes, expected what the chunk has")
        position += length + -length % 4


def _check_sack(value: bytes) -> None:
    if len(value) < _SACK.size:
        raise ValueError(f"a SACK chunk has {len(value)} bytes, expected {_SACK.size} or more")
    _, _, gaps, duplicates = _SACK.unpack_from(value)
    if len(value) != _SACK.size + 4 * (gaps + duplicates):
        raise ValueError(f"a SACK chunk has {len(value)} bytes, expected what its counts say")
    last = 0
    for index in range(gaps):
        start, end = _PAIR.unpack_from(value, _SACK.size + 4 * index)
        if not last < start <= end <= MAX_GAP_END:
            raise ValueError(
                f"a SACK has the gap block {start} to {end}, expected them in order, to {MAX_GAP_END}"
            )
        last = end
