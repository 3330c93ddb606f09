from __future__ import annotations

from fractions import Fraction

import av
import pytest
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder
from aiortc.jitterbuffer import JitterFrame
from hypothesis import given
from hypothesis import strategies as st

from bots.pattern import Picture, age_ms, read_time

SIZES = [(160, 40), (320, 180), (640, 360), (642, 362), (1280, 720)]


@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES))
def test_the_time_is_read_back(time_ms, size):
    assert read_time(Picture(*size).draw(time_ms)) == time_ms


@pytest.mark.parametrize(
    ("now", "age"), [(1_000, 0), (1_250, 250), (990, -10), (2**32 + 1_005, 5), (2**40 + 1_001, 1)]
)
def test_how_old_a_picture_is(now, age):
    assert age_ms(Picture(160, 90).draw(1_000), now) == age


def test_a_picture_without_a_time():
    grey = av.VideoFrame(320, 180, "yuv420p")
    for plane in grey.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    assert read_time(grey) is None
    assert age_ms(grey, 0) is None
    assert read_time(av.VideoFrame(16, 16, "yuv420p")) is None


@pytest.mark.parametrize("size", [(320, 180), (480, 270), (640, 360)])
def test_the_time_survives_the_codec(size):
    encoder, decoder, picture, seen = Vp8Encoder(), Vp8Decoder(), Picture(*size), []
    for i in range(30):
        frame = picture.draw(1_700_000_000_000 + i * 33)
        frame.pts, frame.time_base = i * 3000, Fraction(1, 90_000)
        payloads, stamp = encoder.encode(frame)
        data = b"".join(payload[4:] for payload in payloads)
        for decoded in decoder.decode(JitterFrame(data, stamp)):
            index = round(decoded.pts / 3000)
            assert read_time(decoded) == (1_700_000_000_000 + index * 33) % 2**32
            seen.append(index)
    assert seen == list(range(30))


def test_the_picture_moves():
    first, later = (bytes(Picture(320, 180).draw(at).planes[0])[-320:] for at in (0, 1000))
    assert first != later


@pytest.mark.parametrize("size", [(159, 90), (158, 90), (320, 38), (321, 180), (320, 181)])
def test_sizes_that_cannot_be(size):
    with pytest.raises(ValueError, match="the size must be even and 160x40 or more"):
        Picture(*size)
