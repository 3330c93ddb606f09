"""Before the server ends: rooms go on for a while, new ones are opened elsewhere."""

from __future__ import annotations

import asyncio
import logging
import time

from signaling.draining import Draining
from signaling.rooms import Rooms

POLL = 0.1
"""Seconds between two looks whether everybody has gone."""

LOG = logging.getLogger(__name__)


class Drain:
    """The way from serving to ending. Begun once; only the end of the process ends it."""

    def __init__(self, rooms: Rooms, seconds: float, url: str | None) -> None:
        self._rooms = rooms
        self._seconds = seconds
        self._url = url
        self._ends: float | None = None  # of the loop's clock
        self.started = asyncio.Event()

    @property
    def begun(self) -> bool:
        return self._ends is not None

    def begin(self) -> Draining:
        """Open no rooms from now on, and tell everybody. Nothing happens where it has begun."""
        if self._rooms.draining is not None:
            return self._rooms.draining
        self._ends = asyncio.get_running_loop().time() + self._seconds
        draining = Draining(time.time() + self._seconds, self._url)
        self._rooms.drain(draining)
        self.started.set()
        people = self._rooms.participant_count
        LOG.info("Draining", extra={"participants": people, "seconds": self._seconds, "url": self._url})
        return draining

    async def wait(self, hurry: asyncio.Event) -> None:
        """Wait until nobody is left, the time is over, or `hurry` is set."""
        loop = asyncio.get_running_loop()
        while self._rooms.participant_count and self._ends is not None and loop.time() < self._ends:
            try:
                async with asyncio.timeout(POLL):
                    await hurry.wait()
                return
            except TimeoutError:
                continue
