import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire.framing import MAX_FRAME, FrameReader, frame

DATAGRAMS = st.lists(st.binary(min_size=1, max_size=60), max_size=8)


@given(DATAGRAMS, st.lists(st.integers(0, 500), max_size=12))
def test_a_stream_gives_its_datagrams_however_it_is_cut(datagrams, cuts):
    stream = b"".join(frame(datagram) for datagram in datagrams)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = FrameReader()
    read = [each for at, to in itertools.pairwise(edges) for each in reader.feed(stream[at:to])]
    assert read == datagrams
    assert reader.waiting == 0


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_stream_is_read_or_refused_and_little_is_held(pieces):
    reader = FrameReader()
    try:
        for piece in pieces:
            reader.feed(piece)
            assert reader.waiting <= MAX_FRAME + 1
    except ValueError:
        return


def test_empty_frames_are_nothing():
    assert FrameReader().feed(b"\0\0\0\1x\0\0") == [b"x"]


def test_what_is_no_ice_is_refused_by_its_length():
    with pytest.raises(ValueError, match="a frame says it has 18245 bytes, expected at most 2048"):
        FrameReader().feed(b"GET / HTTP/1.1\r\n")


def test_a_datagram_that_has_no_length_is_refused():
    with pytest.raises(ValueError, match="a datagram has 65536 bytes, expected at most 65535"):
        frame(bytes(65536))
