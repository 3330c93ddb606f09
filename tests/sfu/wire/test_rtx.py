"""RTX packets and what they repeat (RFC 4588 section 4)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import rtp, rtx


def packet(
    number: int, ssrc: int, second: int, tail: bytes, extension: bytes = b"", padding: int = 0
) -> bytes:
    first = 0x80 | (0x10 if extension else 0) | (0x20 if padding else 0)
    pad = bytes(padding - 1) + bytes([padding]) if padding else b""
    return struct.pack("!BBHII", first, second, number, 77, ssrc) + extension + tail + pad


BLOCK = b"\xbe\xde\x00\x01\x10\xaa\0\0"

# (RTX packet, what it repeats)
PACKETS = [
    (packet(1, 9, 97, b"\x12\x34abc"), packet(0x1234, 5, 96, b"abc")),
    (packet(1, 9, 0x80 | 97, b"\xff\xffabc"), packet(0xFFFF, 5, 0x80 | 96, b"abc")),
    (packet(1, 9, 97, b"\0\0", BLOCK), packet(0, 5, 96, b"", BLOCK)),
    (packet(1, 9, 97, b"\0\1x", BLOCK, padding=4), packet(1, 5, 96, b"x", BLOCK, padding=4)),
]


def unwrapped(data: bytes) -> bytes:
    _, start = rtp.payload_offset(data)
    return rtx.unwrap(data, start, rtp.payload_end(data, start), ssrc=5, payload_type=96)


@pytest.mark.parametrize(("data", "original"), PACKETS)
def test_unwrap(data: bytes, original: bytes) -> None:
    assert unwrapped(data) == original


@pytest.mark.parametrize(
    "data", [packet(1, 9, 97, b""), packet(1, 9, 97, b"a"), packet(1, 9, 97, b"a", padding=9)]
)
def test_what_repeats_nothing(data: bytes) -> None:
    with pytest.raises(ValueError, match="RTX payload has"):
        unwrapped(data)


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    try:
        original = unwrapped(data)
    except ValueError:
        return
    assert len(original) == len(data) - 2
    assert rtp.ssrc(original) == 5
