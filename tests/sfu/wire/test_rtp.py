"""RTP headers as offsets, and header extension blocks both ways."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import rtp


def packet(first: int = 0x80, rest: bytes = b"", second: int = 96) -> bytes:
    return struct.pack("!BBHII", first, second, 7, 8, 9) + rest


OFFSETS = [
    ("no more than a header", packet(), (12, 12)),
    ("payload", packet(rest=b"xyz"), (12, 12)),
    ("csrcs", packet(0x82, bytes(8) + b"x"), (20, 20)),
    ("extension", packet(0x90, b"\xbe\xde\x00\x01abcdx"), (12, 20)),
    ("empty extension", packet(0x90, b"\xbe\xde\x00\x00x"), (12, 16)),
    ("csrcs and extension", packet(0x9F, bytes(60) + b"\xbe\xde\x00\x02" + bytes(8)), (72, 84)),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in OFFSETS], ids=[row[0] for row in OFFSETS])
def test_payload_offset(data: bytes, expected: tuple[int, int]) -> None:
    assert rtp.payload_offset(data) == expected


BAD_OFFSETS = [
    (b"", "RTP packet has 0 bytes, a header takes at least 12"),
    (packet()[:11], "RTP packet has 11 bytes, a header takes at least 12"),
    (packet(0x40), "RTP version is 1, it should be 2"),
    (packet(0x81, bytes(3)), "RTP header ends at byte 16 of a packet of 15 bytes"),
    (packet(0x90, bytes(3)), "RTP header extension starts at byte 12 of a packet of 15 bytes"),
    (packet(0x90, b"\xbe\xde\x00\x01abc"), "RTP header ends at byte 20 of a packet of 19 bytes"),
    (packet(0x90, b"\xbe\xde\xff\xff"), "RTP header ends at byte 262156 of a packet of 16 bytes"),
]


@pytest.mark.parametrize(("data", "sentence"), BAD_OFFSETS, ids=[row[1] for row in BAD_OFFSETS])
def test_bad_header(data: bytes, sentence: str) -> None:
    for read in (rtp.payload_offset, rtp.extension_elements, lambda data: rtp.find_extension(data, 1)):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole sentence is compared)
            read(data)
        assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (packet(), 12),
        (packet(rest=b"x\x09"), 14),
        (packet(0xA0, b"x\x01"), 13),
        (packet(0xA0, b"\0\0\x03"), 12),
    ],
)
def test_payload_end(data: bytes, expected: int) -> None:
    assert rtp.payload_end(data, 12) == expected


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        (b"", "RTP padding of 0 bytes in a payload of 0 bytes"),
        (b"x\x00", "RTP padding of 0 bytes in a payload of 2 bytes"),
        (b"x\x03", "RTP padding of 3 bytes in a payload of 2 bytes"),
    ],
)
def test_bad_padding(rest: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        rtp.payload_end(packet(0xA0, rest), 12)


def test_ssrc() -> None:
    assert rtp.ssrc(packet()) == 9


def extended(profile: int, body: bytes) -> bytes:
    return packet(0x90, struct.pack("!HH", profile, len(body) // 4) + body + b"payload")


ELEMENTS = [
    ("one byte each", 0xBEDE, b"\x10a\x20b", [(1, b"a"), (2, b"b")]),
    ("sixteen bytes", 0xBEDE, b"\xef" + b"s" * 16 + bytes(3), [(14, b"s" * 16)]),
    ("padding between", 0xBEDE, b"\x00\x10a\x00\x00\x20b\x00", [(1, b"a"), (2, b"b")]),
    ("nothing but padding", 0xBEDE, bytes(8), []),
    ("id 15 ends the block", 0xBEDE, b"\x10a\xf0\x20\x20b\x00\x00", [(1, b"a")]),
    ("id 0 with a length ends the block", 0xBEDE, b"\x10a\x01xx\x20bb", [(1, b"a")]),
    ("ends at the block's last byte", 0xBEDE, b"\x32abc", [(3, b"abc")]),
    ("two-byte form", 0x1000, b"\x01\x01a\xff\x00\x0f\x01b", [(1, b"a"), (255, b""), (15, b"b")]),
    ("appbits are ignored", 0x100F, b"\x01\x02ab", [(1, b"ab")]),
    ("two-byte padding", 0x1000, b"\x00\x00\x02\x00", [(2, b"")]),
    ("another profile", 0xABCD, b"\x10a\x20b", []),
    ("nothing", 0xBEDE, b"", []),
]


@pytest.mark.parametrize(
    ("profile", "body", "expected"), [row[1:] for row in ELEMENTS], ids=[row[0] for row in ELEMENTS]
)
def test_elements(profile: int, body: bytes, expected: list[rtp.Element]) -> None:
    data = extended(profile, body)
    assert rtp.extension_elements(data) == expected
    for identifier, value in expected:
        assert rtp.find_extension(data, identifier) == value
    assert rtp.find_extension(data, 9) is None


def test_no_extension() -> None:
    assert rtp.extension_elements(packet(rest=b"\x10a\x20b")) == []
    assert rtp.find_extension(packet(rest=b"\x10a\x20b"), 1) is None


def test_the_first_of_two_is_found() -> None:
    assert rtp.find_extension(extended(0xBEDE, b"\x10a\x10b"), 1) == b"a"


@pytest.mark.parametrize(
    ("profile", "body", "sentence"),
    [
        (0xBEDE, b"\x00\x00\x12a", "RTP header extension 1 reaches 2 bytes past its block"),
        (0xBEDE, b"\x00\x00\x00\x10", "RTP header extension 1 reaches 1 bytes past its block"),
        (0x1000, b"\x00\x05\x04a", "RTP header extension 5 reaches 3 bytes past its block"),
        (0x1000, b"\x00\x00\x00\x05", "RTP header extension 5 has no length byte"),
    ],
)
def test_elements_past_their_block(profile: int, body: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        rtp.extension_elements(extended(profile, body))


BLOCKS: list[tuple[str, list[rtp.Element], bytes]] = [
    ("none", [], b""),
    ("one, padded", [(1, b"a")], b"\xbe\xde\x00\x01\x10a\x00\x00"),
    ("to the word", [(1, b"abc")], b"\xbe\xde\x00\x01\x12abc"),
    ("the largest of the one-byte form", [(14, b"s" * 16)], b"\xbe\xde\x00\x05\xef" + b"s" * 16 + bytes(3)),
    ("two-byte form for an id", [(1, b"a"), (15, b"b")], b"\x10\x00\x00\x02\x01\x01a\x0f\x01b\x00\x00"),
    ("two-byte form for a length", [(1, b"s" * 17)], b"\x10\x00\x00\x05\x01\x11" + b"s" * 17 + b"\x00"),
    ("two-byte form for no length", [(1, b"")], b"\x10\x00\x00\x01\x01\x00\x00\x00"),
]


@pytest.mark.parametrize(
    ("elements", "expected"), [row[1:] for row in BLOCKS], ids=[row[0] for row in BLOCKS]
)
def test_block(elements: list[rtp.Element], expected: bytes) -> None:
    assert rtp.build_extension_block(elements) == expected


@pytest.mark.parametrize("element", [(0, b"a"), (256, b"a"), (1, bytes(256))])
def test_block_that_cannot_be(element: rtp.Element) -> None:
    with pytest.raises(ValueError, match="ids are 1 to 255, sizes up to 255"):
        rtp.build_extension_block([element])


@given(st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=40)), max_size=12))
def test_block_reads_back(elements: list[rtp.Element]) -> None:
    block = rtp.build_extension_block(elements)
    assert len(block) % 4 == 0
    data = packet(0x90, block + b"x") if block else packet(rest=b"x")
    assert rtp.extension_elements(data) == elements
    assert rtp.payload_offset(data)[1] == len(data) - 1
    two_byte = any(identifier > 14 or not 1 <= len(value) <= 16 for identifier, value in elements)
    assert (block[:2] == b"\x10\x00") is two_byte


REMAPS: list[tuple[list[rtp.Element], dict[int, int], list[rtp.Element], list[rtp.Element]]] = [
    ([(1, b"a"), (2, b"b")], {1: 2, 2: 1}, [], [(2, b"a"), (1, b"b")]),
    ([(1, b"a"), (2, b"b")], {2: 2}, [], [(2, b"b")]),
    ([(1, b"a")], {}, [(4, b"0")], [(4, b"0")]),
    ([(1, b"a"), (5, b"p")], {1: 1, 5: 4}, [(4, b"0")], [(1, b"a"), (4, b"0")]),
    (
        [(1, b"a"), (2, b"b"), (3, b"c")],
        {1: 1, 2: 2, 3: 3},
        [(3, b"0"), (1, b"1")],
        [(2, b"b"), (3, b"0"), (1, b"1")],
    ),
]


@pytest.mark.parametrize(("elements", "ids", "own", "expected"), REMAPS)
def test_remap(
    elements: list[rtp.Element], ids: dict[int, int], own: list[rtp.Element], expected: list[rtp.Element]
) -> None:
    assert rtp.remap_elements(elements, ids, own) == expected


def readers() -> list[Callable[[bytes], object]]:
    def end(data: bytes) -> int:
        return rtp.payload_end(data, rtp.payload_offset(data)[1])

    return [rtp.payload_offset, rtp.extension_elements, end]


@given(st.one_of(st.binary(max_size=100), st.binary(max_size=100).map(lambda rest: packet(0xB0, rest))))
def test_noise_raises_only_value_errors(data: bytes) -> None:
    for read in readers():
        try:
            read(data)
        except ValueError as error:
            assert str(error).startswith("RTP ")  # noqa: PT017 (no error at all is fine too)


def test_every_truncation_is_noticed_or_read_in_bounds() -> None:
    whole = packet(0x92, bytes(8) + b"\xbe\xde\x00\x02\x12abc\x12def")
    assert rtp.payload_offset(whole) == (20, 32)
    for size in range(len(whole)):
        with pytest.raises(ValueError, match=r"^RTP "):
            rtp.payload_offset(whole[:size])
