import struct

import pytest
from aiortc.rtcsctptransport import (
    DataChunk,
    ForwardTsnChunk,
    HeartbeatChunk,
    InitChunk,
    SackChunk,
    crc32c,
    parse_packet,
    serialize_packet,
)
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire.sctp import check_packet

HEADER = bytes(12)


def chunk(kind, value, length=None):
    return (
        struct.pack("!BBH", kind, 0, len(value) + 4 if length is None else length)
        + value
        + bytes(-len(value) % 4)
    )


def parameter(kind, value, length=None):
    return (
        struct.pack("!HH", kind, len(value) + 4 if length is None else length)
        + value
        + bytes(-len(value) % 4)
    )


def sack(*gaps, duplicates=0):
    return struct.pack("!IIHH", 1, 1, len(gaps), duplicates) + b"".join(
        struct.pack("!HH", *gap) for gap in gaps
    )


def filled(made, **fields):
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "made",
    [
        filled(InitChunk(), params=[(0xC000, b""), (0x8008, b"\xc0\x82"), (7, bytes(24))]),
        filled(DataChunk(), user_data=b"x"),
        filled(SackChunk(), gaps=[(2, 2), (4, 9)], duplicates=[1, 2]),
        filled(HeartbeatChunk(), params=[(1, b"abc")]),
        filled(ForwardTsnChunk(), streams=[(1, 2), (3, 4)]),
    ],
)
def test_what_an_implementation_writes_is_well_formed(made):
    check_packet(serialize_packet(5000, 5000, 1, made))


@pytest.mark.parametrize(
    ("packet", "sentence"),
    [
        (b"", "an SCTP packet has 0 bytes"),
        (HEADER, "an SCTP packet has 12 bytes"),
        (HEADER + chunk(11, b"") + b"\x00", "ends within a chunk header"),
        (HEADER + chunk(11, b"", 3), "an SCTP chunk says it has 3 bytes"),
        (HEADER + chunk(11, b"", 5), "an SCTP chunk says it has 5 bytes"),
        (HEADER + chunk(1, bytes(15)), "type 1 has 15 bytes, expected 16 or more"),
        (HEADER + chunk(1, bytes(16) + parameter(1, b"", 0)), "an SCTP parameter says it has 0 bytes"),
        (HEADER + chunk(4, parameter(1, b"x", 9)), "an SCTP parameter says it has 9 bytes"),
        (HEADER + chunk(4, b"\x00\x01"), "ends within a parameter header"),
        (HEADER + chunk(1, bytes(16)) + chunk(11, b""), "an INIT stands with other chunks"),
        (HEADER + chunk(0, bytes(12)), "DATA chunk carries nothing"),
        (HEADER + chunk(3, bytes(11)), "a SACK chunk has 11 bytes, expected 12 or more"),
        (HEADER + chunk(3, sack(duplicates=1)), "expected what its counts say"),
        (HEADER + chunk(3, sack((0, 1))), "the gap block 0 to 1"),
        (HEADER + chunk(3, sack((3, 2))), "the gap block 3 to 2"),
        (HEADER + chunk(3, sack((2, 4), (4, 5))), "the gap block 4 to 5"),
        (HEADER + chunk(3, sack((2, 65535))), "the gap block 2 to 65535"),
        (HEADER + chunk(192, bytes(6)), "a FORWARD-TSN chunk has 6 bytes"),
        (HEADER + chunk(192, b""), "a FORWARD-TSN chunk has 0 bytes"),
        (HEADER + chunk(7, b""), "a SHUTDOWN chunk lacks the cumulative TSN"),
    ],
)
def test_what_is_refused(packet, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_packet(packet)


CHUNKS = st.builds(
    lambda kind, length, value: chunk(kind, value, length),
    st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, 77]),
    st.one_of(st.none(), st.integers(0, 40)),
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda n, v: bytes(n) + parameter(1, v), st.sampled_from([0, 16]), st.binary(max_size=9)),
    ),
)


@given(
    st.one_of(st.binary(max_size=80), st.lists(CHUNKS, max_size=3).map(lambda some: HEADER + b"".join(some)))
)
def test_any_bytes_are_well_formed_or_refused_and_what_is_well_formed_can_be_parsed(packet):
    try:
        check_packet(packet)
    except ValueError:
        return
    checked = packet[:8] + bytes(4) + packet[12:]
    parse_packet(packet[:8] + struct.pack("<I", crc32c(checked)) + packet[12:])
