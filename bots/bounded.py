"""A queue with a bound, a policy for what does not fit, and a count of it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Policy = Literal["latest", "block"]
"""What happens to an item that arrives while the queue is full.

`latest`: the oldest queued item is dropped, so a slow reader sees what is newest.
`block`: the arriving item is dropped, so a reader gets what it has begun without holes, and then a gap. A
live stream cannot be held back, so the bound is on how far the reader may fall behind.
"""


class BoundedQueue(Generic[T]):
    """Items in order, at most `size` of them; read by one task or shared among several."""

    def __init__(self, size: int, policy: Policy = "latest") -> None:
        """Raises ValueError when `size` is below 1 or the policy is unknown."""
        if size < 1:
            raise ValueError(f"size must be 1 or more, not {size}")
        if policy not in ("latest", "block"):
            raise ValueError(f'policy must be "latest" or "block", not {policy!r}')
        self.size = size
        self.policy: Policy = policy
        self.dropped = 0
        """How many items did not fit."""
        self._items: deque[T] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._error: Exception | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, item: T) -> None:
        """Add an item, dropping by the policy; after close() it is dropped and counted."""
        if self._closed:
            self.dropped += 1
            return
        if len(self._items) >= self.size:
            self.dropped += 1
            if self.policy == "block":
                return
            self._items.popleft()
        self._items.append(item)
        self._wake.set()

    def close(self, error: Exception | None = None) -> None:
        """End the queue: what is queued is still read, then readers end, with `error` where one is given."""
        if not self._closed:
            self._closed = True
            self._error = error
            self._wake.set()

    async def get(self, timeout: float | None = None) -> T:  # noqa: ASYNC109 - the reader states its patience
        """The next item.

        Raises StopAsyncIteration when the queue has ended (or the error it ended with), TimeoutError after
        `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while not self._items:
                if self._closed:
                    if self._error is not None:
                        raise self._error
                    raise StopAsyncIteration
                self._wake.clear()
                await self._wake.wait()
        return self._items.popleft()
