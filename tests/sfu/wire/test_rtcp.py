"""RTCP both ways: tables of packets with their bytes written out, and what is wrong with malformed ones."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire.rtcp import (
    Bye,
    FullIntraRequest,
    FullIntraRequestEntry,
    GenericNack,
    Packet,
    PictureLossIndication,
    ReceiverEstimatedMaximumBitrate,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    Unknown,
    parse,
    serialize,
)

BLOCK = ReportBlock(0x01020304, 255, -2, 0x00010002, 5, 0xAABBCCDD, 65536)
BLOCK_BYTES = "01020304 fffffffe 00010002 00000005 aabbccdd 00010000"

PACKETS: list[tuple[Packet, str]] = [
    (
        SenderReport(1, 0x8000000100000002, 3, 4, 5),
        "80c80006 00000001 80000001 00000002 00000003 00000004 00000005",
    ),
    (
        SenderReport(0xFFFFFFFF, 2**64 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, (BLOCK,)),
        "81c8000c ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff" + BLOCK_BYTES,
    ),
    (ReceiverReport(7), "80c90001 00000007"),
    (ReceiverReport(7, (BLOCK, BLOCK)), "82c9000d 00000007" + BLOCK_BYTES + BLOCK_BYTES),
    (
        ReceiverReport(7, (ReportBlock(1, 0, -(1 << 23), 0, 0),)),
        "81c90007 00000007 00000001 00800000" + "00" * 16,
    ),
    (
        ReceiverReport(7, (ReportBlock(1, 0, (1 << 23) - 1, 0, 0),)),
        "81c90007 00000007 00000001 007fffff" + "00" * 16,
    ),
    # A chunk ends with one to four zero bytes.
    (SourceDescription(9, ""), "81ca0002 00000009 01000000"),
    (SourceDescription(9, "a"), "81ca0002 00000009 01016100"),
    (SourceDescription(9, "ab"), "81ca0003 00000009 01026162 00000000"),
    (SourceDescription(9, "\u00e9"), "81ca0003 00000009 0102c3a9 00000000"),
    (Bye(()), "80cb0000"),
    (Bye((1, 2)), "82cb0002 00000001 00000002"),
    (PictureLossIndication(1, 2), "81ce0002 00000001 00000002"),
    (
        FullIntraRequest(1, (FullIntraRequestEntry(2, 3), FullIntraRequestEntry(4, 255))),
        "84ce0006 00000001 00000000 00000002 03000000 00000004 ff000000",
    ),
    # REMB: count, exponent (6 bits), mantissa (18 bits).
    (
        ReceiverEstimatedMaximumBitrate(1, 262143, (2,)),
        "8fce0005 00000001 00000000 52454d42 0103ffff 00000002",
    ),
    (
        ReceiverEstimatedMaximumBitrate(1, 262144, ()),
        "8fce0004 00000001 00000000 52454d42 00060000",
    ),
    (
        ReceiverEstimatedMaximumBitrate(1, 0, (2, 3)),
        "8fce0006 00000001 00000000 52454d42 02000000 00000002 00000003",
    ),
    (GenericNack(1, 2, (5,)), "81cd0003 00000001 00000002 00050000"),
    (GenericNack(1, 2, (5, 6, 21)), "81cd0003 00000001 00000002 00058001"),
    (GenericNack(1, 2, (5, 22)), "81cd0004 00000001 00000002 00050000 00160000"),
    (GenericNack(1, 2, (65535, 0, 15)), "81cd0003 00000001 00000002 ffff8001"),
    # Transport-wide feedback is RTPFB 15, not a NACK.
    (Unknown(205, 14, bytes(range(12))), "8ecd0003 00010203 04050607 08090a0b"),
    (Unknown(204, 3, b"\0\0\0\1name"), "83cc0002 00000001 6e616d65"),
    # Application layer feedback that is no REMB.
    (Unknown(206, 15, bytes(8) + b"ABCD"), "8fce0003 00000000 00000000 41424344"),
]


@pytest.mark.parametrize(("packet", "text"), PACKETS, ids=[type(row[0]).__name__ for row in PACKETS])
def test_both_ways(packet: Packet, text: str) -> None:
    data = bytes.fromhex(text)
    assert bytes(packet) == data
    # Also alone: reduced-size RTCP.
    assert parse(data) == [packet]


def test_compound() -> None:
    packets = [packet for packet, _ in PACKETS]
    data = serialize(packets)
    assert data == b"".join(bytes.fromhex(text) for _, text in PACKETS)
    assert parse(data) == packets
    assert serialize([]) == b""


READ_ONLY = [
    ("bye with a reason", "81cb0003 00000001 03627965 00000000", [Bye((1,))]),
    ("extension of a receiver report", "80c90002 00000007 deadbeef", [ReceiverReport(7)]),
    ("padding", "a0c90002 00000007 00000004", [ReceiverReport(7)]),
    ("padding alone", "a0cb0001 00000004", [Bye(())]),
    ("no chunk", "80ca0000", []),
    ("a chunk without a name", "81ca0002 00000009 02017800", []),
    ("a name that is no UTF-8", "81ca0002 00000009 0101ff00", [SourceDescription(9, "\ufffd")]),
    (
        "large exponent",
        "8fce0004 00000001 00000000 52454d42 00ffffff",
        [ReceiverEstimatedMaximumBitrate(1, 262143 << 63, ())],
    ),
    ("an empty unknown packet", "80d00000", [Unknown(208, 0, b"")]),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [row[1:] for row in READ_ONLY],
    ids=[row[0] for row in READ_ONLY],
)
def test_read(text: str, expected: list[Packet]) -> None:
    # A packet that leaves nothing is read next to one that does.
    report = ReceiverReport(1)
    assert parse(bytes(report) + bytes.fromhex(text)) == [report, *expected]


def test_several_chunks_with_several_items() -> None:
    chunks = (
        struct.pack("!I", 1) + b"\x02\x02xx\x01\x03one\x00\x00\x00"
        + struct.pack("!I", 2) + b"\x01\x03two\x06\x00\x00"
    )  # fmt: skip
    data = struct.pack("!BBH", 0x82, 202, len(chunks) // 4) + chunks
    assert parse(data) == [SourceDescription(1, "one"), SourceDescription(2, "two")]


MALFORMED = [
    ("", "RTCP datagram is empty"),
    ("80c9", "RTCP header is cut off at 2 of 4 bytes"),
    ("80c90001 00000007 80", "RTCP header is cut off at 1 of 4 bytes"),
    ("40c90001 00000007", "RTCP version is 1, it should be 2"),
    ("80600001 00000007", "RTCP packet type is 96, it should be 192 to 223"),
    ("80c90001 000000", "RTCP packet 201 is cut off at 7 of 8 bytes"),
    ("80c9ffff 00000007", "RTCP packet 201 is cut off at 8 of 262144 bytes"),
    ("a0c90001 00000000", "RTCP packet 201 has 0 bytes of padding in a body of 4"),
    ("a0c90001 00000005", "RTCP packet 201 has 5 bytes of padding in a body of 4"),
    ("a0c90001 00000008", "RTCP packet 201 has 8 bytes of padding in a body of 4"),
    ("a0cb0000", "RTCP packet 203 has 0 bytes of padding in a body of 0"),
    ("a0c90002 00000007 00000004 80c90001 00000007", "RTCP packet 201 has 4 bytes of padding in a body of 8"),
    ("80c90000", "RTCP receiver report with 0 blocks has a body of 0 bytes, it takes at least 4"),
    ("81c90001 00000007", "RTCP receiver report with 1 blocks has a body of 4 bytes, it takes at least 28"),
    ("80c80001 00000007", "RTCP sender report with 0 blocks has a body of 4 bytes, it takes at least 24"),
    ("82cb0001 00000001", "RTCP BYE of 2 SSRCs has a body of 4 bytes, it takes at least 8"),
    ("81ca0001 00000001", "RTCP source description chunk has a body of 4 bytes, it takes at least 8"),
    ("81ca0002 00000001 01026162", "RTCP source description item has a body of 8 bytes, it takes at least 9"),
    (
        "81ca0002 00000001 01ff6162",
        "RTCP source description item has a body of 8 bytes, it takes at least 261",
    ),
    ("81ca0002 00000001 01016101", "RTCP source description item has a body of 8 bytes, it takes at least 9"),
    ("81ce0001 00000001", "RTCP picture loss indication has a body of 4 bytes, it takes at least 8"),
    ("84ce0001 00000001", "RTCP full intra request has a body of 4 bytes, it takes at least 8"),
    (
        "84ce0003 00000001 00000000 00000002",
        "RTCP full intra request has a body of 12 bytes, entries take 8 each",
    ),
    ("8fce0003 00000001 00000000 52454d42", "RTCP REMB has a body of 12 bytes, it takes at least 16"),
    (
        "8fce0004 00000001 00000000 52454d42 01000000",
        "RTCP REMB with 1 SSRCs has a body of 16 bytes, it takes at least 20",
    ),
    ("81cd0001 00000001", "RTCP NACK has a body of 4 bytes, it takes at least 8"),
]


@pytest.mark.parametrize(("text", "sentence"), MALFORMED, ids=[row[1] for row in MALFORMED])
def test_malformed(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole sentence is compared)
        parse(bytes.fromhex(text))
    assert str(caught.value) == sentence


OUT_OF_RANGE: list[tuple[Packet, str]] = [
    (SenderReport(-1, 0, 0, 0, 0), "RTCP field out of range"),
    (SenderReport(0, 2**64, 0, 0, 0), "RTCP field out of range"),
    (SenderReport(0, 0, 0, 0, 2**32), "RTCP field out of range"),
    (ReceiverReport(2**32), "RTCP field out of range"),
    (ReceiverReport(0, (BLOCK,) * 32), "32 report blocks in an RTCP packet, at most 31 fit"),
    (ReceiverReport(0, (ReportBlock(0, 256, 0, 0, 0),)), "fraction lost is 256, it should be 0 to 255"),
    (
        ReceiverReport(0, (ReportBlock(0, 0, 1 << 23, 0, 0),)),
        "packets lost is 8388608, it should fit in 24 bits",
    ),
    (ReceiverReport(0, (ReportBlock(0, 0, 0, -1, 0),)), "RTCP field out of range"),
    (SourceDescription(0, "x" * 256), "CNAME has 256 bytes, at most 255 fit"),
    (Bye((0,) * 32), "32 SSRCs in an RTCP packet, at most 31 fit"),
    (FullIntraRequest(0, (FullIntraRequestEntry(0, 256),)), "RTCP field out of range"),
    (ReceiverEstimatedMaximumBitrate(0, -1, ()), "bitrate is -1"),
    (ReceiverEstimatedMaximumBitrate(0, 1 << 81, ()), "bitrate is"),
    (ReceiverEstimatedMaximumBitrate(0, 0, (1,) * 256), "256 SSRCs in a REMB, at most 255 fit"),
    (GenericNack(0, 0, (65536,)), "RTCP field out of range"),
    (Unknown(205, 15, b"abc"), "RTCP body has 3 bytes, it should be whole words"),
    (Unknown(96, 15, b""), "RTCP type 96 and format 15 should be 192 to 223 and 0 to 31"),
    (Unknown(205, 32, b""), "RTCP type 205 and format 32 should be 192 to 223 and 0 to 31"),
    (Unknown(205, 15, bytes(4 * 65536)), "RTCP packet of 262144 bytes is too long"),
]


@pytest.mark.parametrize(("packet", "sentence"), OUT_OF_RANGE, ids=[row[1] for row in OUT_OF_RANGE])
def test_out_of_range(packet: Packet, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        serialize([packet])


@pytest.mark.parametrize("bitrate", [1, 150_000, 262_143, 262_145, 2_500_000, 10**9 + 7, (1 << 81) - 1])
def test_bitrate_is_rounded_down(bitrate: int) -> None:
    [read] = parse(bytes(ReceiverEstimatedMaximumBitrate(1, bitrate, (2,))))
    assert isinstance(read, ReceiverEstimatedMaximumBitrate)
    assert bitrate * (1 - 2**-17) <= read.bitrate <= bitrate


words = st.integers(0, 2**32 - 1)
blocks = st.lists(
    st.builds(
        ReportBlock, words, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), words, words, words, words
    ),
    max_size=31,
).map(tuple)
any_packet = st.one_of(
    st.builds(SenderReport, words, st.integers(0, 2**64 - 1), words, words, words, blocks),
    st.builds(ReceiverReport, words, blocks),
    st.builds(SourceDescription, words, st.text(st.characters(codec="utf-8"), max_size=60)),
    st.builds(Bye, st.lists(words, max_size=31).map(tuple)),
    st.builds(PictureLossIndication, words, words),
    st.builds(
        FullIntraRequest,
        words,
        st.lists(st.builds(FullIntraRequestEntry, words, st.integers(0, 255))).map(tuple),
    ),
    st.builds(
        ReceiverEstimatedMaximumBitrate,
        words,
        st.integers(0, 2**18 - 1),
        st.lists(words, max_size=40).map(tuple),
    ),
)


@given(st.lists(any_packet, min_size=1, max_size=5))
def test_round_trip(packets: list[Packet]) -> None:
    data = serialize(packets)
    assert len(data) % 4 == 0
    assert parse(data) == packets


@given(words, words, st.lists(st.integers(0, 65535), max_size=60))
def test_nack_names_the_same_numbers(sender: int, media: int, lost: list[int]) -> None:
    [read] = parse(bytes(GenericNack(sender, media, tuple(lost))))
    assert isinstance(read, GenericNack)
    assert set(read.lost) == set(lost)


@given(
    st.one_of(
        st.binary(max_size=120),
        st.builds(
            lambda first, kind, words, rest: struct.pack("!BBH", first, kind, words) + rest,
            st.integers(128, 191),
            st.integers(200, 207),
            st.integers(0, 12),
            st.binary(min_size=20, max_size=60),
        ),
    )
)
def test_noise_raises_only_value_errors(data: bytes) -> None:
    try:
        packets = parse(data)
    except ValueError as error:
        assert str(error).startswith("RTCP ")  # noqa: PT017 (no error at all is fine too)
    else:
        # What was read can be written.
        serialize(packets)
