"""What one participant is told: numbered, bounded, and kept in case its connection breaks. No IO."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from signaling.closing import REPLACED, TOO_SLOW, Closing


class Outbox:
    """A queue of messages that outlives connections: what was taken stays as history, to be taken again.

    A client that misses one message has a wrong picture of the room, so messages are never skipped. The
    bounds hold for the history and for what waits together, and the history gives way first. When there is no
    room even so, a client that is connected is too slow: its connection ends, and a new one starts from
    `welcome`. For one that is not connected the oldest are let go, and `rewind` tells so.
    """

    __slots__ = (
        "_bytes",
        "_connection",
        "_history",
        "_max_bytes",
        "_max_messages",
        "_old",
        "_taken",
        "_waiting",
        "closing",
        "dropped",
    )

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        """Nobody is connected to it at first."""
        self._history: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._taken = 0
        self._old = 0
        self._connection: tuple[Callable[[], None], Callable[[Closing], None]] | None = None
        self.closing: Closing | None = None
        self.dropped = 0
        """Messages that were not sent because the outbox was closed or the bound was passed."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def kept_bytes(self) -> int:
        """Bytes of the history and of what waits."""
        return self._bytes

    @property
    def is_attached(self) -> bool:
        """Whether a connection is there to take what waits."""
        return self._connection is not None

    @property
    def last_seq(self) -> int:
        """The number of the newest message; 0 before the first."""
        return self._taken + len(self._waiting)

    def attach(self, on_frame: Callable[[], None], on_close: Callable[[Closing], None]) -> None:
        """Deliver to a connection from now on; one that is attached is ended as replaced.

        `on_frame` is called when a message comes while none waits, `on_close` once when this connection is to
        end.
        """
        before, self._connection = self._connection, (on_frame, on_close)
        if before is not None:
            before[1](REPLACED)

    def detach(self) -> None:
        """The connection has ended."""
        self._connection = None

    def put(self, message: bytes) -> None:
        """Append a message (a JSON object), or close the outbox when there is no room for it."""
        if self.closing is not None:
            self.dropped += 1
            return
        self._make_room(len(message))
        if self._is_full(len(message)):
            self.dropped += 1
            self.close(TOO_SLOW)
            return
        self._waiting.append(message)
        self._bytes += len(message)
        if self._connection is not None and len(self._waiting) == 1:
            self._connection[0]()

    def take(self) -> bytes | None:
        """Return the message that waits longest, with its number as `seq`; None when none waits."""
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        self._history.append(message)
        self._taken += 1
        return b'%b,"seq":%d}' % (message[:-1], self._taken)

    def rewind(self, after: int) -> bool:
        """Let all after the message `after` wait again; False, and no change, where it is not to be had."""
        again = self._taken - after
        if not 0 <= again <= len(self._history):
            return False
        for _ in range(again):
            self._waiting.appendleft(self._history.pop())
        self._taken -= again
        self._old = min(self._old, self._taken)
        return True

    def skip(self) -> None:
        """Forget everything up to now: the client is told the state instead."""
        self._taken = self.last_seq
        self._forget()

    def age(self) -> None:
        """Forget what had been taken when this was called the last time, if somebody is connected."""
        if self._connection is None:
            return
        while self._history and self._taken - len(self._history) < self._old:
            self._bytes -= len(self._history.popleft())
        self._old = self._taken

    def close(self, closing: Closing) -> None:
        """Drop everything and end the connection with `closing`; the first reason given stays."""
        if self.closing is not None:
            return
        self.closing = closing
        self.dropped += len(self._waiting)
        self._forget()
        if self._connection is not None:
            self._connection[1](closing)

    def _is_full(self, size: int) -> bool:
        count = len(self._history) + len(self._waiting)
        return count >= self._max_messages or self._bytes + size > self._max_bytes

    def _make_room(self, size: int) -> None:
        while self._history and self._is_full(size):
            self._bytes -= len(self._history.popleft())
        while self._connection is None and self._waiting and self._is_full(size):
            self._bytes -= len(self._waiting.popleft())
            self._taken += 1
            self.dropped += 1

    def _forget(self) -> None:
        self._history.clear()
        self._waiting.clear()
        self._bytes = 0
