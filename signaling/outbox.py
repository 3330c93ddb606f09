"""What waits to be sent to one client: bounded, and closed when the bound is passed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from signaling.closing import TOO_SLOW, Closing


class Outbox:
    """A queue of frames. Passing a bound closes it as too slow and drops what waits; then nothing is sent.

    A client that misses one message has a wrong picture of the room, so messages are never skipped: the
    connection ends, and a new one starts from `welcome`.
    """

    __slots__ = (
        "_bytes",
        "_frames",
        "_max_bytes",
        "_max_messages",
        "_on_close",
        "_on_frame",
        "closing",
        "dropped",
    )

    def __init__(
        self,
        max_messages: int,
        max_bytes: int,
        *,
        on_frame: Callable[[], None] | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        """`on_frame` is called when a frame comes into the empty queue, `on_close` once when it is closed."""
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._on_frame = on_frame
        self._on_close = on_close
        self.closing: Closing | None = None
        self.dropped = 0
        """Frames that were not sent because the outbox was closed."""

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait."""
        return self._bytes

    def put(self, frame: bytes) -> None:
        """Append a frame, or close the outbox when there is no room for it."""
        if self.closing is not None:
            self.dropped += 1
            return
        if len(self._frames) >= self._max_messages or self._bytes + len(frame) > self._max_bytes:
            self.dropped += 1
            self.close(TOO_SLOW)
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        if self._on_frame is not None and len(self._frames) == 1:
            self._on_frame()

    def take(self) -> bytes | None:
        """Remove and return the frame that waits longest; None when there is none."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return frame

    def close(self, closing: Closing) -> None:
        """Drop what waits and end the connection with `closing`; the first reason given stays."""
        if self.closing is not None:
            return
        self.closing = closing
        self.dropped += len(self._frames)
        self._frames.clear()
        self._bytes = 0
        if self._on_close is not None:
            self._on_close()
