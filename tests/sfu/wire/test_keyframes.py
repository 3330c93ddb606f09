"""Where keyframes begin: tables of payloads, and streams as real encoders and packetisers write them.

tests/data/rtp holds eight frames of each codec, encoded and packetised by FFmpeg 8.1 (libvpx, libx264 and
SVT-AV1), the first and the fifth as keyframes; its length in two bytes goes before each packet. FFmpeg writes
VP9 descriptors without the P bit, so VP9 has its table only.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.streams.keyframe import Detector, detector_for
from sfu.wire import av1, h264, rtp, vp8, vp9

DATA = Path(__file__).parents[2] / "data" / "rtp"
DETECTORS: dict[str, Detector] = {
    "vp8": vp8.begins_keyframe,
    "vp9": vp9.begins_keyframe,
    "h264": h264.begins_keyframe,
    "av1": av1.begins_keyframe,
}

PAYLOADS = [
    # VP8: X R N S R PID; then the payload header, whose lowest bit is set in an interframe.
    ("vp8", "keyframe", b"\x10\x00", True),
    ("vp8", "interframe", b"\x10\x01", False),
    ("vp8", "not its start", b"\x00\x00", False),
    ("vp8", "second partition", b"\x11\x00", False),
    ("vp8", "other bits do not matter", b"\x38\xf0", True),
    ("vp8", "no extension present", b"\x90\x00\x00", True),
    ("vp8", "short picture id", b"\x90\x80\x7f\x00", True),
    ("vp8", "long picture id", b"\x90\x80\xff\xff\x00", True),
    ("vp8", "long picture id, interframe", b"\x90\x80\x80\x00\x01", False),
    ("vp8", "tl0picidx", b"\x90\x40\x01\x00", True),
    ("vp8", "tid alone", b"\x90\x20\x01\x00", True),
    ("vp8", "keyidx alone", b"\x90\x10\x01\x00", True),
    ("vp8", "tid and keyidx share a byte", b"\x90\x30\x01\x00", True),
    ("vp8", "everything", b"\x90\xf0\x80\x01\x01\x01\x00", True),
    ("vp8", "everything, interframe", b"\x90\xf0\x80\x00\x00\x00\x01", False),
    ("vp8", "cut in the descriptor", b"\x90\xf0\x80\x01\x01", False),
    ("vp8", "cut after the descriptor", b"\x10", False),
    # VP9: I P L F B E V Z
    ("vp9", "keyframe", b"\x08\x00", True),
    ("vp9", "keyframe with picture id and structure", b"\x8a\x01\x00", True),
    ("vp9", "predicted", b"\x48\x00", False),
    ("vp9", "not its start", b"\x00\x00", False),
    ("vp9", "its end", b"\x04\x00", False),
    ("vp9", "lowest layer", b"\x28\x00\x00", True),
    ("vp9", "lowest layer of a higher temporal id", b"\x28\x20\x00", True),
    ("vp9", "upper layer", b"\x28\x03\x00", False),
    ("vp9", "lowest layer after a long picture id", b"\xa8\x80\x01\x00\x00", True),
    ("vp9", "upper layer after a long picture id", b"\xa8\x80\x00\x05\x00", False),
    ("vp9", "upper layer after a short picture id", b"\xa8\x01\x05\x00", False),
    ("vp9", "cut", b"\xa8\x80", False),
    ("vp9", "a descriptor alone", b"\x08", False),
    # H.264: F NRI type
    ("h264", "sps", b"\x67\x42", True),
    ("h264", "sps of another importance", b"\x27\x42", True),
    ("h264", "pps", b"\x68\x42", False),
    ("h264", "idr alone", b"\x65\x88", False),
    ("h264", "start of a fragmented idr", b"\x7c\x85", False),
    ("h264", "slice", b"\x41\x9a", False),
    ("h264", "stap-a with an sps first", b"\x18\x00\x02\x67\x42\x00\x01\x68", True),
    ("h264", "stap-a with an sps second", b"\x18\x00\x01\x09\x00\x02\x67\x42", True),
    ("h264", "stap-a without", b"\x18\x00\x01\x09\x00\x02\x68\x42", False),
    ("h264", "stap-a of slices that look like one", b"\x18\x00\x03\x41\x00\x67", False),
    ("h264", "stap-a with a cut sps", b"\x18\x00\x05\x67\x42", False),
    ("h264", "stap-a with an empty unit", b"\x18\x00\x00\x67\x42", False),
    ("h264", "an empty stap-a", b"\x18", False),
    # AV1: Z Y W W N
    ("av1", "new sequence", b"\x08\x0a", True),
    ("av1", "new sequence, three elements, the last continues", b"\x78\x0a", True),
    ("av1", "no new sequence", b"\x10\x32", False),
    ("av1", "continuation", b"\x90\x32", False),
    ("av1", "contradiction", b"\x98\x32", False),
    ("av1", "header alone", b"\x08", False),
]


@pytest.mark.parametrize(
    ("codec", "payload", "expected"),
    [(codec, payload, expected) for codec, _, payload, expected in PAYLOADS],
    ids=[f"{codec} {name}" for codec, name, _, _ in PAYLOADS],
)
def test_payload(codec: str, payload: bytes, expected: bool) -> None:
    detect = DETECTORS[codec]
    assert detect(payload, 0, len(payload)) is expected
    # Between other bytes, which are header and padding.
    assert detect(b"\xff" * 12 + payload + b"\x67\x10\x08", 12, 12 + len(payload)) is expected
    assert detect(payload, 0, 0) is False


def load(name: str) -> list[bytes]:
    data = (DATA / f"{name}.bin").read_bytes()
    packets = []
    while data:
        size = int.from_bytes(data[:2], "big")
        packets.append(data[2 : 2 + size])
        data = data[2 + size :]
    return packets


@pytest.mark.parametrize("codec", ["vp8", "h264", "av1"])
def test_stream(codec: str) -> None:
    frames: dict[int, list[bool]] = {}
    for packet in load(codec):
        _, start = rtp.payload_offset(packet)
        timestamp = int.from_bytes(packet[4:8], "big")
        found = DETECTORS[codec](packet, start, rtp.payload_end(packet, start))
        frames.setdefault(timestamp, []).append(found)
    assert len(frames) == 8
    # One packet of a keyframe says so, its first.
    for number, found in enumerate(frames.values()):
        assert found[0] is (number in (0, 4))
        assert not any(found[1:])
    assert len(next(iter(frames.values()))) > 2


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("VP8", "vp8"),
        ("vp8", "vp8"),
        ("VP9", "vp9"),
        ("H264", "h264"),
        ("h264", "h264"),
        ("AV1", "av1"),
        ("AV1X", None),
    ],
)
def test_detector_for(codec: str, name: str | None) -> None:
    assert detector_for(codec) is (DETECTORS[name] if name else None)


@pytest.mark.parametrize("codec", ["opus", "rtx", "H265", ""])
def test_no_detector(codec: str) -> None:
    assert detector_for(codec) is None


@given(st.sampled_from(sorted(DETECTORS)), st.binary(max_size=40), st.data())
def test_noise_never_raises(codec: str, payload: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(start, len(payload)))
    assert DETECTORS[codec](payload, start, end) is DETECTORS[codec](payload[start:end], 0, end - start)


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (b"\x10", 1),
        (b"\x90\x00", 2),
        (b"\x90\x80\x01", 3),
        (b"\x90\xf0\x80\x01\x01\x01", 6),
        (b"\x90\xf0\x80", None),
    ],
)
def test_vp8_descriptor_size(payload: bytes, size: int | None) -> None:
    assert vp8.descriptor_size(payload, 0, len(payload)) == size
