"""RFC 7983 section 7 and RFC 5761 section 4, each range by its ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire.demux import Protocol, classify

BY_FIRST_BYTE = [
    (0, 3, Protocol.STUN),
    (4, 15, Protocol.UNKNOWN),
    (16, 19, Protocol.UNKNOWN),
    (20, 63, Protocol.DTLS),
    (64, 79, Protocol.UNKNOWN),
    (80, 127, Protocol.UNKNOWN),
    (128, 191, Protocol.RTP),
    (192, 255, Protocol.UNKNOWN),
]


@pytest.mark.parametrize(("low", "high", "protocol"), BY_FIRST_BYTE)
def test_first_byte(low: int, high: int, protocol: Protocol) -> None:
    for first in range(low, high + 1):
        assert classify(bytes((first, 0))) is protocol
        assert classify(bytes((first,))) is protocol


@pytest.mark.parametrize(
    ("second", "protocol"),
    [
        (0, Protocol.RTP),
        (96, Protocol.RTP),
        (127, Protocol.RTP),
        (191, Protocol.RTP),
        (192, Protocol.RTCP),
        (200, Protocol.RTCP),
        (223, Protocol.RTCP),
        (224, Protocol.RTP),
        (255, Protocol.RTP),
    ],
)
def test_second_byte(second: int, protocol: Protocol) -> None:
    for first in (128, 144, 191):
        assert classify(bytes((first, second))) is protocol
    assert classify(bytes((22, second))) is Protocol.DTLS


def test_empty() -> None:
    assert classify(b"") is Protocol.UNKNOWN


@given(st.binary())
def test_anything_is_something(datagram: bytes) -> None:
    assert isinstance(classify(datagram), Protocol)
