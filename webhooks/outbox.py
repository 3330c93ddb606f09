"""Webhooks: events go from memory to the database to their receivers; no call waits for any of it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from auth.database import COMMAND_TIMEOUT, Database, DatabaseUnavailableError
from auth.write_behind import WriteBehind
from signaling.room_event import RoomEvent
from webhooks.counters import Counters, DropReason
from webhooks.delivery import Delivery, utc_now
from webhooks.message import TOLD, Message
from webhooks.repository import Backlog, WebhookRows
from webhooks.sender import Sender
from webhooks.settings import WebhookSettings

LOG = logging.getLogger(__name__)

# Seconds between two looks at how much waits.
BACKLOG_INTERVAL = 5.0

# Seconds that the last messages may take to be sent at the end; the next start sends the others.
CLOSE_TIMEOUT = 3.0


class Outbox:
    """What endpoints are still to be told."""

    def __init__(
        self,
        settings: WebhookSettings,
        database: Database,
        user_agent: str,
        *,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = lambda: f"msg_{secrets.token_hex(12)}",
    ) -> None:
        """`clock` gives the time in UTC, `new_id` the ids of messages."""
        self.settings = settings
        self.counters = Counters()
        self.backlog: Mapping[str, Backlog] = {}
        """What waits in the database, by the key of the endpoint, as last seen."""
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._sender = Sender(settings, user_agent)
        self._queue: WriteBehind[Message] = WriteBehind(
            database, "What webhooks are to tell", self._write, self._wake
        )
        self._deliveries = [
            Delivery(endpoint, settings, database, self._sender, self.counters, clock=clock)
            for endpoint in settings.endpoints
        ]

    @property
    def dropped(self) -> dict[DropReason, int]:
        """Messages that were lost, by reason."""
        return {
            **self.counters.dropped,
            "queue_full": self._queue.dropped,
            "unwritten": self._queue.unwritten,
        }

    def record(self, event: RoomEvent) -> None:
        """Have an event told, if it is one that is."""
        if event.type in TOLD:
            self._queue.put(Message(self._new_id(), self._clock(), event))

    async def forget(self) -> int:
        """Delete what is too old to be told, also of endpoints that are not configured any more."""
        async with self._database.transaction(COMMAND_TIMEOUT) as session:
            count = await WebhookRows(session).forget(
                self._clock() - timedelta(seconds=self.settings.max_age)
            )
        self.counters.dropped["too_old"] += count
        return count

    async def run(self, app: web.Application) -> AsyncIterator[None]:
        """Write and send while the app runs, and what is left when it ends."""
        async with self._sender:
            writing = self._queue.run(app)
            await anext(writing)
            sending = [asyncio.create_task(delivery.run()) for delivery in self._deliveries]
            looking = asyncio.create_task(self._look())
            yield
            looking.cancel()
            await anext(writing, None)
            for delivery in self._deliveries:
                delivery.close()
            _, late = await asyncio.wait(sending, timeout=CLOSE_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.wait((*sending, looking))

    async def look(self) -> None:
        """See how much waits. Raises DatabaseUnavailableError."""
        async with self._database.transaction() as session:
            self.backlog = await WebhookRows(session).backlog()

    async def _write(self, session: AsyncSession, batch: list[Message]) -> None:
        endpoints = [endpoint.key for endpoint in self.settings.endpoints]
        dropped = await WebhookRows(session).add(endpoints, batch, self.settings.max_pending)
        if dropped:
            self.counters.dropped["outbox_full"] += dropped
            LOG.warning("Webhooks were dropped", extra={"reason": "outbox_full", "events": dropped})

    def _wake(self) -> None:
        for delivery in self._deliveries:
            delivery.wake()

    async def _look(self) -> None:
        while True:
            try:
                await self.look()
            except DatabaseUnavailableError as exc:
                LOG.debug("The backlog of webhooks is not known now", extra={"reason": str(exc)})
            except Exception:
                LOG.exception("The backlog of webhooks is not known now")
            await asyncio.sleep(BACKLOG_INTERVAL)
