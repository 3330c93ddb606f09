from __future__ import annotations

import pytest

from signaling.closing import CLOSE_CODES, ROOM_CLOSED, SERVER_STOPPING, TOO_SLOW, Closing
from signaling.outbox import Outbox


def test_frames_leave_in_order():
    outbox = Outbox(3, 100)
    for frame in (b"a", b"b", b"c"):
        outbox.put(frame)
    assert (len(outbox), outbox.waiting_bytes) == (3, 3)
    assert [outbox.take() for _ in range(4)] == [b"a", b"b", b"c", None]
    assert (len(outbox), outbox.waiting_bytes, outbox.closing) == (0, 0, None)


@pytest.mark.parametrize(
    ("max_messages", "max_bytes", "fits", "too_much"),
    [
        (2, 100, [b"a", b"b"], b"c"),
        (100, 4, [b"aa", b"bb"], b"c"),
        (100, 4, [b"aaa"], b"bb"),
        (100, 4, [], b"aaaaa"),
    ],
)
def test_passing_a_bound_closes_and_drops(max_messages, max_bytes, fits, too_much):
    outbox = Outbox(max_messages, max_bytes)
    for frame in fits:
        outbox.put(frame)
    assert outbox.closing is None
    outbox.put(too_much)
    assert outbox.closing is TOO_SLOW
    assert (len(outbox), outbox.waiting_bytes, outbox.take()) == (0, 0, None)
    assert outbox.dropped == len(fits) + 1
    outbox.put(b"later")
    assert (len(outbox), outbox.dropped) == (0, len(fits) + 2)


def test_tells_when_there_is_something_to_do():
    calls = []
    outbox = Outbox(3, 100, on_frame=lambda: calls.append("frame"), on_close=lambda: calls.append("close"))
    outbox.put(b"a")
    outbox.put(b"b")
    assert calls == ["frame"]
    outbox.take()
    outbox.take()
    outbox.put(b"c")
    assert calls == ["frame", "frame"]
    outbox.close(SERVER_STOPPING)
    outbox.close(ROOM_CLOSED)
    assert calls == ["frame", "frame", "close"]
    assert outbox.closing is SERVER_STOPPING


def test_every_close_code_is_one_of_the_private_range():
    assert {code: Closing(code, "").close_code for code in CLOSE_CODES} == CLOSE_CODES
    assert all(4000 <= code <= 4999 for code in CLOSE_CODES.values())
