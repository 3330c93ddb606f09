"""What is written behind the calls, while the database is slow or away."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from auth import write_behind
from auth.database import COMMAND_TIMEOUT, DatabaseUnavailableError
from auth.write_behind import BATCH, WriteBehind


class SlowDatabase:
    """Writes a few rows in time, and no more of them at once."""

    def __init__(self, rows_in_time):
        self.rows_in_time = rows_in_time
        self.tried = []
        self.rows = []
        self.limits = set()

    @asynccontextmanager
    async def transaction(self, limit=None):
        self.limits.add(limit)
        batch = []
        yield batch
        self.tried.append(len(batch))
        if len(batch) > self.rows_in_time:
            raise DatabaseUnavailableError("it took too long")
        self.rows += batch


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(write_behind, "RETRY_INTERVAL", 0.0)


async def write_all(database, items):
    waiting = []

    async def write(session, batch):
        waiting.append(queue.waiting)
        session += batch

    queue = WriteBehind(database, "It", write)
    for item in items:
        queue.put(item)
    running = queue.run(None)
    await anext(running)
    with pytest.raises(StopAsyncIteration):
        await anext(running)
    return queue, waiting


async def test_a_batch_that_takes_too_long_is_tried_in_parts():
    database = SlowDatabase(rows_in_time=BATCH // 4)
    queue, _ = await write_all(database, range(BATCH))
    assert database.rows == list(range(BATCH))
    assert database.tried == [BATCH, BATCH // 2, *[BATCH // 4] * 4]
    assert (queue.waiting, queue.dropped, queue.unwritten) == (0, 0, 0)
    # Nobody waits for it.
    assert database.limits == {COMMAND_TIMEOUT}


async def test_what_is_being_written_is_still_waiting():
    queue, waiting = await write_all(SlowDatabase(BATCH), range(BATCH + 3))
    assert waiting == [BATCH + 3, 3]
    assert queue.waiting == 0
