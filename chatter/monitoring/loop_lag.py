"""How late the event loop is: signaling waits for so long, media does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram

# Seconds between two looks.
INTERVAL = 1.0

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class LoopLag:
    """Measures how much later than asked the loop comes back."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.last = 0.0
        """Seconds, at the last look."""
        self._histogram = Histogram(
            "chatter_event_loop_lag_seconds",
            "How late the event loop came back to what was due",
            buckets=BUCKETS,
            registry=registry,
        )

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Measure while the app runs; a cleanup context."""
        task = asyncio.create_task(self._measure())
        yield
        task.cancel()
        await asyncio.wait((task,))

    def observe(self, late: float) -> None:
        """Count one look; `late` in seconds."""
        self.last = max(late, 0.0)
        self._histogram.observe(self.last)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + INTERVAL
            await asyncio.sleep(INTERVAL)
            self.observe(loop.time() - due)
