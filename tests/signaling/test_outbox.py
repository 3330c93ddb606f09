from __future__ import annotations

import json

import pytest

from signaling.closing import CLOSE_CODES, REPLACED, ROOM_CLOSED, SERVER_STOPPING, TOO_SLOW, Closing
from signaling.outbox import Outbox


class Listener:
    """A connection that notes what it is told."""

    def __init__(self, outbox: Outbox | None = None) -> None:
        self.calls: list[object] = []
        if outbox is not None:
            self.attach(outbox)

    def attach(self, outbox: Outbox) -> None:
        outbox.attach(lambda: self.calls.append("frame"), self.calls.append)


def message(text: str, size: int = 10) -> bytes:
    """A JSON object of so many bytes."""
    return b'{"t":"%b"}' % text.encode().ljust(size - 8, b"_")


def take_all(outbox: Outbox) -> list[tuple[int, str]]:
    """The numbers and texts of what waits."""
    taken = []
    while (frame := outbox.take()) is not None:
        stamped = json.loads(frame)
        taken.append((stamped["seq"], stamped["t"].rstrip("_")))
    return taken


def test_messages_leave_in_order_and_numbered():
    outbox = Outbox(3, 100)
    for text in "abc":
        outbox.put(message(text))
    assert (len(outbox), outbox.kept_bytes, outbox.last_seq) == (3, 30, 3)
    assert take_all(outbox) == [(1, "a"), (2, "b"), (3, "c")]
    assert (len(outbox), outbox.kept_bytes, outbox.last_seq, outbox.closing) == (0, 30, 3, None)


@pytest.mark.parametrize(
    ("max_messages", "max_bytes", "fits", "too_much"),
    [
        (2, 100, [10, 10], 10),
        (100, 40, [20, 20], 10),
        (100, 40, [30], 20),
        (100, 40, [], 50),
    ],
)
def test_passing_a_bound_closes_and_drops(max_messages, max_bytes, fits, too_much):
    outbox = Outbox(max_messages, max_bytes)
    listener = Listener(outbox)
    for size in fits:
        outbox.put(message("", size))
    assert outbox.closing is None
    outbox.put(message("", too_much))
    assert outbox.closing is TOO_SLOW
    assert listener.calls[-1] is TOO_SLOW
    assert (len(outbox), outbox.kept_bytes, outbox.take()) == (0, 0, None)
    assert outbox.dropped == len(fits) + 1
    outbox.put(message(""))
    assert (len(outbox), outbox.dropped) == (0, len(fits) + 2)


def test_tells_when_there_is_something_to_do():
    outbox = Outbox(3, 100)
    listener = Listener(outbox)
    outbox.put(message("a"))
    outbox.put(message("b"))
    assert listener.calls == ["frame"]
    take_all(outbox)
    outbox.put(message("c"))
    assert listener.calls == ["frame", "frame"]
    outbox.close(SERVER_STOPPING)
    outbox.close(ROOM_CLOSED)
    assert listener.calls == ["frame", "frame", SERVER_STOPPING]
    assert outbox.closing is SERVER_STOPPING


def test_a_new_connection_replaces_the_old_one():
    outbox = Outbox(3, 100)
    old = Listener(outbox)
    new = Listener(outbox)
    outbox.put(message("a"))
    assert (old.calls, new.calls, outbox.closing) == ([REPLACED], ["frame"], None)
    outbox.detach()
    Listener(outbox)
    outbox.close(ROOM_CLOSED)
    assert (old.calls, new.calls) == ([REPLACED], ["frame"])


@pytest.mark.parametrize(
    ("after", "again"),
    [
        (5, []),
        (4, [(5, "e")]),
        (2, [(3, "c"), (4, "d"), (5, "e")]),
        (1, None),  # 2 was let go when 6 came.
        (0, None),
        (6, None),  # It waits, so the client cannot have it.
        (7, None),
        (10**14, None),
    ],
)
def test_what_was_sent_is_sent_again(after, again):
    outbox = Outbox(4, 1000)
    Listener(outbox)
    for text in "abcde":
        outbox.put(message(text))
        outbox.take()
    outbox.detach()
    outbox.put(message("f"))
    assert outbox.rewind(after) is (again is not None)
    assert take_all(outbox) == [*(again or []), (6, "f")]


@pytest.mark.parametrize(("max_messages", "max_bytes"), [(4, 1000), (1000, 40), (1000, 49)])
def test_the_bound_holds_for_history_and_queue_together(max_messages, max_bytes):
    outbox = Outbox(max_messages, max_bytes)
    listener = Listener(outbox)
    for text in "abc":
        outbox.put(message(text))
    outbox.take()
    outbox.put(message("d"))
    assert outbox.kept_bytes == 40
    # The history gives way …
    outbox.put(message("e"))
    assert (outbox.kept_bytes, outbox.closing) == (40, None)
    # … and where there is none, the client is too slow.
    outbox.put(message("f"))
    assert outbox.closing is listener.calls[-1] is TOO_SLOW


def test_of_somebody_who_is_not_connected_the_oldest_are_let_go():
    outbox = Outbox(3, 1000)
    for text in "abcde":
        outbox.put(message(text))
    assert (len(outbox), outbox.last_seq, outbox.dropped, outbox.closing) == (3, 5, 2, None)
    assert not outbox.rewind(0)
    assert not outbox.rewind(1)
    assert outbox.rewind(2)
    assert take_all(outbox) == [(3, "c"), (4, "d"), (5, "e")]


def test_the_state_takes_the_place_of_what_is_not_to_be_had():
    outbox = Outbox(3, 1000)
    for text in "abcde":
        outbox.put(message(text))
    outbox.take()
    outbox.skip()
    assert (len(outbox), outbox.kept_bytes, outbox.last_seq, outbox.dropped) == (0, 0, 5, 2)
    assert outbox.rewind(5)
    outbox.put(message("f"))
    assert take_all(outbox) == [(6, "f")]


def test_history_grows_old():
    outbox = Outbox(100, 1000)
    Listener(outbox)
    for text in "ab":
        outbox.put(message(text))
    take_all(outbox)
    outbox.put(message("c"))
    outbox.age()
    assert outbox.kept_bytes == 30
    take_all(outbox)
    outbox.age()
    assert outbox.kept_bytes == 10
    assert not outbox.rewind(1)
    outbox.detach()
    outbox.age()
    outbox.age()
    # Nobody is connected: what was missed is what was sent last.
    assert outbox.rewind(2)
    Listener(outbox)
    outbox.age()
    assert take_all(outbox) == [(3, "c")]
    assert outbox.rewind(2)


def test_every_close_code_is_one_of_the_private_range():
    assert {code: Closing(code, "").close_code for code in CLOSE_CODES} == CLOSE_CODES
    assert all(4000 <= code <= 4999 for code in CLOSE_CODES.values())
