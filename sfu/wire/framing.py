"""Datagrams on a TCP stream: each follows its length in two bytes (RFC 4571 section 2, for ICE RFC 6544)."""

from __future__ import annotations

import struct

_LENGTH = struct.Struct("!H")

# No client sends larger datagrams than a network's MTU carries; what says so is something else than ICE.
MAX_FRAME = 2048


def frame(datagram: bytes) -> bytes:
    """Return a datagram as it goes onto the stream. Raises ValueError for one of more than 65535 bytes."""
    if len(datagram) > 0xFFFF:
        raise ValueError(f"a datagram has {len(datagram)} bytes, expected at most 65535")
    return _LENGTH.pack(len(datagram)) + datagram


class FrameReader:
    """Takes a stream in pieces and gives its datagrams; never holds more than one that is incomplete."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def waiting(self) -> int:
        """Bytes of an incomplete datagram that have come."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the datagrams that are complete now.

        Raises ValueError for one of more than MAX_FRAME bytes; the stream cannot be read any further then.
        """
        stream = self._rest + data if self._rest else data
        datagrams: list[bytes] = []
        position = 0
        while len(stream) - position >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(stream, position)
            if length > MAX_FRAME:
                raise ValueError(f"a frame says it has {length} bytes, expected at most {MAX_FRAME}")
            end = position + _LENGTH.size + length
            if len(stream) < end:
                break
            # RFC 4571 allows empty frames; they are nothing to us.
            if length:
                datagrams.append(stream[position + _LENGTH.size : end])
            position = end
        self._rest = stream[position:]
        return datagrams
