"""Looks at the calls every few seconds: what metrics and operators see is the last look, so asking costs no
packet."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from chatter.media import AppMedia
from chatter.monitoring.joins import Joins
from chatter.monitoring.sampling import RoomSampling
from chatter.monitoring.snapshot import RoomSnapshot, Snapshot
from signaling.rooms import Rooms

LOG = logging.getLogger(__name__)

# At the most this part of the time goes into looking: on a full node looks are rarer.
MAX_SHARE = 0.05

# Seconds between two looks at the most while an operator looks on.
WATCHED_INTERVAL = 2.0

# Rooms that are looked at without letting others have their turn.
ROOMS_AT_ONCE = 8

# Between two looks at joins that are not over, in seconds; what is measured has times of its own.
JOIN_INTERVAL = 0.25


class Sampler:
    """Takes snapshots while the app runs. Its clock is the event loop's, which is the media server's."""

    def __init__(self, rooms: Rooms, media: AppMedia, joins: Joins, interval: float) -> None:
        """`interval` in seconds."""
        self._rooms = rooms
        self._media = media
        self._joins = joins
        self._interval = interval
        self._samplings: dict[str, RoomSampling] = {}
        self._listeners: list[Callable[[Snapshot], None]] = []
        self._watchers = 0
        self._woken = asyncio.Event()
        self._attended_until = 0.0
        self.snapshot = Snapshot(at=0.0)
        """The last look."""

    def on_snapshot(self, listener: Callable[[Snapshot], None]) -> None:
        """Have every snapshot from now on."""
        self._listeners.append(listener)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Look more often meanwhile, and at once: somebody looks on."""
        self._watchers += 1
        self._woken.set()
        try:
            yield
        finally:
            self._watchers -= 1

    def attend(self, seconds: float) -> None:
        """Look more often for so long: somebody has asked, and will probably ask again."""
        now = asyncio.get_running_loop().time()
        if now >= self._attended_until:
            self._woken.set()
        self._attended_until = now + seconds

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Look while the app runs; a cleanup context."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._sample())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def take(self) -> Snapshot:
        """Look now."""
        loop = asyncio.get_running_loop()
        started, worked = loop.time(), 0.0
        found: list[RoomSnapshot] = []
        rooms = list(self._rooms)
        for first in range(0, len(rooms), ROOMS_AT_ONCE):
            begin = time.perf_counter()
            for room in rooms[first : first + ROOMS_AT_ONCE]:
                sampling = self._samplings.setdefault(room.id, RoomSampling())
                stats = self._media.server.stats(room.id)
                found.append(sampling.sample(room, stats, self._joins.by_room[room.id], loop.time()))
            worked += time.perf_counter() - begin
            await asyncio.sleep(0)
        known = {room.id for room in rooms}
        for gone in self._samplings.keys() - known:
            del self._samplings[gone]
        # Rooms may have come while others had their turn.
        present = list(self._rooms)
        people = {(room.id, participant.id) for room in present for participant in room.participants}
        self._joins.forget_absent({room.id for room in present}, people)
        self.snapshot = Snapshot(at=started, rooms=tuple(found), seconds=worked)
        for listener in self._listeners:
            listener(self.snapshot)
        return self.snapshot

    async def _sample(self) -> None:
        while True:
            try:
                snapshot = await self.take()
            except Exception:
                # Metrics must not end with one look that failed.
                LOG.exception("The calls could not be looked at")
                snapshot = self.snapshot
            await self._rest(snapshot.seconds / MAX_SHARE)

    async def _rest(self, least: float) -> None:
        watched = self._watchers or asyncio.get_running_loop().time() < self._attended_until
        interval = min(self._interval, WATCHED_INTERVAL) if watched else self._interval
        self._woken.clear()
        await asyncio.sleep(min(least, interval))
        try:
            async with asyncio.timeout(max(interval, least) - min(least, interval)):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._joins.some.wait()
            await asyncio.sleep(JOIN_INTERVAL)
            try:
                self._joins.follow(self._media.server.join_marks, self._is_present, loop.time())
            except Exception:
                LOG.exception("The joins could not be followed")

    def _is_present(self, room_id: str, participant_id: str) -> bool:
        room = self._rooms.get(room_id)
        return room is not None and participant_id in room
