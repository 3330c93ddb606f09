from __future__ import annotations

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.bounded import BoundedQueue


async def drain(queue):
    items = []
    while True:
        try:
            items.append(await queue.get(1))
        except StopAsyncIteration:
            return items


@pytest.mark.parametrize(
    ("policy", "size", "put", "left", "dropped"),
    [
        ("latest", 1, [1, 2, 3], [3], 2),
        ("latest", 2, [1, 2, 3], [2, 3], 1),
        ("block", 1, [1, 2, 3], [1], 2),
        ("block", 2, [1, 2, 3], [1, 2], 1),
        ("block", 3, [1, 2, 3], [1, 2, 3], 0),
    ],
)
async def test_what_a_full_queue_keeps(policy, size, put, left, dropped):
    queue = BoundedQueue(size, policy)
    for item in put:
        queue.put(item)
    queue.close()
    assert await drain(queue) == left
    assert queue.dropped == dropped


@given(st.sampled_from(["latest", "block"]), st.integers(1, 4), st.lists(st.booleans(), max_size=40))
def test_every_item_is_read_or_counted(policy, size, steps):
    async def run():
        queue, model, read, put = BoundedQueue(size, policy), deque(), [], 0
        for is_put in steps:
            if is_put:
                queue.put(put)
                if len(model) == size and policy == "latest":
                    model.popleft()
                if len(model) < size:
                    model.append(put)
                put += 1
            elif model:
                assert await queue.get(1) == model.popleft()
                read.append(1)
            assert len(queue) == len(model) <= size
        assert put == len(read) + len(queue) + queue.dropped

    asyncio.run(run())


async def test_a_reader_is_woken_by_an_item_and_by_the_end():
    queue = BoundedQueue(2)
    readers = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.put("a")
    assert await asyncio.wait_for(readers[0], 1) == "a"
    queue.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(readers[1], 1)


async def test_an_error_ends_readers_after_what_is_queued():
    queue = BoundedQueue(2)
    queue.put("a")
    queue.close(KeyError("why"))
    queue.put("late")
    assert await queue.get() == "a"
    with pytest.raises(KeyError, match="why"):
        await queue.get()
    assert queue.dropped == 1


async def test_patience_ends():
    with pytest.raises(TimeoutError):
        await BoundedQueue(1).get(0.001)


def test_what_cannot_be_made():
    with pytest.raises(ValueError, match="size must be 1 or more, not 0"):
        BoundedQueue(0)
    with pytest.raises(ValueError, match='"latest" or "block", not \'newest\''):
        BoundedQueue(1, "newest")
