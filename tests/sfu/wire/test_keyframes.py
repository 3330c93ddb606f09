"""Where keyframes begin: tables of payloads, and streams as real encoders and packetisers write them.

Each file in tests/data/rtp holds the unprotected RTP of one sender; a packet follows its length in two bytes.
FFmpeg 8.1 (libvpx, libx264, SVT-AV1) cuts keyframes into many packets; it writes VP9 descriptors without the
P bit, so there is no VP9 of it. Chromium 156 adds header extensions and padding without payload.
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


STREAMS = [
    ("ffmpeg-vp8", 8, {0, 4}),
    ("ffmpeg-h264", 8, {0, 4}),
    ("ffmpeg-av1", 8, {0, 4}),
    ("chromium-vp8", 9, {0, 6}),
    ("chromium-vp9", 9, {0, 6}),
    ("chromium-h264", 9, {0, 6}),
    ("chromium-av1", 9, {0, 7}),
]


@pytest.mark.parametrize(("name", "frames", "keyframes"), STREAMS, ids=[row[0] for row in STREAMS])
def test_stream(name: str, frames: int, keyframes: set[int]) -> None:
    found: dict[int, list[bool]] = {}
    for packet in load(name):
        _, start = rtp.payload_offset(packet)
        timestamp = int.from_bytes(packet[4:8], "big")
        begins = DETECTORS[name.split("-")[1]](packet, start, rtp.payload_end(packet, start))
        found.setdefault(timestamp, []).append(begins)
    assert len(found) == frames
    # Of a keyframe's packets the first says so, and no other.
    for number, packets in enumerate(found.values()):
        assert packets == [number in keyframes] + [False] * (len(packets) - 1)


def test_padding_of_a_real_sender() -> None:
    packets = load("chromium-vp8")
    starts = [rtp.payload_offset(packet)[1] for packet in packets]
    empty = [rtp.payload_end(packet, start) == start for packet, start in zip(packets, starts, strict=True)]
    assert sum(empty) == 22
    # Transport-wide sequence numbers (id 4) count through all of them.
    numbers = [rtp.find_extension(packet, 4) for packet in packets]
    assert numbers == [number.to_bytes(2, "big") for number in range(1, len(packets) + 1)]


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
