"""What packets say of their layers: the descriptors of VP8, VP9 and frame marking, byte by byte."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import frame_marking, rtp, vp8, vp9
from sfu.wire.layering import Layering

DATA = Path(__file__).parents[2] / "data" / "rtp"

VP8 = [
    ("no extension", "10 00", Layering(begins=True, contiguous=True)),
    ("second partition", "11 00", Layering(contiguous=True)),
    (
        "short picture id",
        "90 80 7f 00",
        Layering(begins=True, picture_bits=7, picture_id=127, picture_offset=2),
    ),
    (
        "long picture id",
        "90 80 ff ff 00",
        Layering(begins=True, picture_bits=15, picture_id=0x7FFF, picture_offset=2),
    ),
    (
        "everything",
        "90 f0 80 01 22 a0 00",
        Layering(
            begins=True,
            picture_bits=15,
            picture_id=1,
            picture_offset=2,
            tl0_offset=4,
            tl0_picture_index=0x22,
            temporal=2,
            synchronizes=True,
        ),
    ),
    ("key index alone", "90 10 e1 00", Layering(begins=True)),
    ("temporal layer without its index", "80 20 40 00", Layering(temporal=1)),
]

VP9 = [
    ("plain keyframe", "08 00", Layering(begins=True, independent=True)),
    ("predicted, whole frame", "4c 00", Layering(begins=True, ends=True)),
    (
        "flexible",
        "f8 80 05 53 05 00",
        Layering(
            begins=True,
            picture_bits=15,
            picture_id=5,
            picture_offset=1,
            temporal=2,
            switches_up=True,
            spatial=1,
        ),
    ),
    (
        "not flexible",
        "a4 7f 20 09 00",
        Layering(
            ends=True,
            independent=True,
            picture_bits=7,
            picture_id=127,
            picture_offset=1,
            temporal=1,
            tl0_offset=3,
            tl0_picture_index=9,
        ),
    ),
]

MARKING = [
    ("short", "e0", Layering(begins=True, ends=True, independent=True)),
    ("long", "8a 00 07", Layering(begins=True, synchronizes=True, temporal=2)),
    ("without TL0PICIDX", "41 00", Layering(ends=True, temporal=1)),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in VP8], ids=[row[0] for row in VP8])
def test_vp8(data: str, expected: Layering) -> None:
    payload = bytes.fromhex(data)
    expected.contiguous = True
    assert vp8.read_layering(payload, 0, len(payload)) == expected


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in VP9], ids=[row[0] for row in VP9])
def test_vp9(data: str, expected: Layering) -> None:
    payload = bytes.fromhex(data)
    assert vp9.read_layering(payload, 0, len(payload)) == expected


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in MARKING], ids=[row[0] for row in MARKING])
def test_frame_marking(data: str, expected: Layering) -> None:
    assert frame_marking.read_layering(bytes.fromhex(data)) == expected


@pytest.mark.parametrize("data", ["", "90", "90 80", "90 80 80", "90 40", "90 f0 80 01 22"])
def test_vp8_cut_short(data: str) -> None:
    payload = bytes.fromhex(data)
    with pytest.raises(ValueError, match="VP8 descriptor reaches past a payload of"):
        vp8.read_layering(payload, 0, len(payload))


@pytest.mark.parametrize("data", ["", "80", "80 80", "20", "20 00", "b0 01"])
def test_vp9_cut_short(data: str) -> None:
    payload = bytes.fromhex(data)
    with pytest.raises(ValueError, match="VP9"):
        vp9.read_layering(payload, 0, len(payload))


@pytest.mark.parametrize("data", ["", "00 00 00 00"])
def test_frame_marking_of_another_size(data: str) -> None:
    with pytest.raises(ValueError, match="it should be 1 to 3"):
        frame_marking.read_layering(bytes.fromhex(data))


@given(st.binary(max_size=40), st.integers(0, 3))
def test_any_bytes_are_read_or_refused(data: bytes, start: int) -> None:
    for read in (vp8.read_layering, vp9.read_layering):
        try:
            layering = read(data, start, len(data))
        except ValueError:
            continue
        assert layering.picture_offset < len(data)
        assert layering.tl0_offset < len(data)
        assert 0 <= layering.picture_id < 1 << 15
    vp8.keyframe_size(data, start, len(data))
    vp9.keyframe_sizes(data, start, len(data))


def packets(name: str) -> list[bytes]:
    data = (DATA / f"{name}.bin").read_bytes()
    found = []
    while data:
        size = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return found


@pytest.mark.parametrize(
    ("name", "codec"), [("chromium-vp8", "vp8"), ("chromium-vp9", "vp9"), ("ffmpeg-vp8", "vp8")]
)
def test_what_encoders_write(name: str, codec: str) -> None:
    read = {"vp8": vp8.read_layering, "vp9": vp9.read_layering}[codec]
    pictures = []
    for packet in packets(name):
        start = rtp.payload_offset(packet)[1]
        end = rtp.payload_end(packet, start)
        if start == end:
            continue
        layering = read(packet, start, end)
        assert layering.picture_bits == 15
        if not pictures or pictures[-1] != layering.picture_id:
            pictures.append(layering.picture_id)
    assert len(pictures) > 3
    assert pictures == list(range(pictures[0], pictures[0] + len(pictures)))


@pytest.mark.parametrize(("name", "sizes"), [("chromium-vp8", {(192, 96)}), ("ffmpeg-vp8", {(192, 96)})])
def test_size_of_vp8_keyframes(name: str, sizes: set[tuple[int, int]]) -> None:
    found = set()
    for packet in packets(name):
        start = rtp.payload_offset(packet)[1]
        end = rtp.payload_end(packet, start)
        if vp8.begins_keyframe(packet, start, end):
            found.add(vp8.keyframe_size(packet, start, end))
    assert found == sizes


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        ("0a 10 02 80 01 68 00", ((640, 360),)),
        ("8a 80 01 30 01 40 00 b4 02 80 01 68 00", ((320, 180), (640, 360))),
        ("fa 80 01 00 03 02 30 01 40 00 b4 02 80 01 68 00", ((320, 180), (640, 360))),
        ("08 00", ()),
        ("0a 00 00", ()),
        ("0a 10 02 80 01", ()),
    ],
)
def test_sizes_of_vp9_keyframes(data: str, sizes: tuple[tuple[int, int], ...]) -> None:
    payload = bytes.fromhex(data)
    assert vp9.keyframe_sizes(payload, 0, len(payload)) == sizes
