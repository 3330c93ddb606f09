"""Empties the outbox of one endpoint: one message after the other, each until it is delivered or given up."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from auth.database import Database, DatabaseUnavailableError
from webhooks.counters import Counters, DropReason
from webhooks.repository import Claim, WebhookRows
from webhooks.retry import retry_delay
from webhooks.sender import Outcome, Sender
from webhooks.settings import Endpoint, WebhookSettings

LOG = logging.getLogger(__name__)

# Seconds after which messages are looked for that another server has left behind.
POLL_INTERVAL = 10.0

# Seconds between two tries while the database is away.
RETRY_INTERVAL = 2.0


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Delivery:
    """What is sent to one endpoint, in the order in which it happened."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: WebhookSettings,
        database: Database,
        sender: Sender,
        counters: Counters,
        *,
        clock: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`clock` gives the time in UTC, `chance` numbers from 0 to 1."""
        self._endpoint = endpoint
        self._settings = settings
        self._database = database
        self._sender = sender
        self._counters = counters
        self._clock = clock
        self._chance = chance
        self._wake = asyncio.Event()
        self._closing = False
        self._failing = False
        self._unsettled: tuple[Claim, Outcome] | None = None
        """An attempt whose outcome the database has not been told."""

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def close(self) -> None:
        """Send what can be sent at once, and end."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Send until closed."""
        while True:
            self._wake.clear()
            try:
                wait = await self.step()
            except DatabaseUnavailableError as exc:
                LOG.warning("Webhooks have to wait for the database", extra={"reason": str(exc)})
                wait = RETRY_INTERVAL
            except Exception:
                LOG.exception("A webhook could not be sent", extra={"endpoint": self._endpoint.origin})
                wait = RETRY_INTERVAL
            if wait <= 0:
                continue
            if self._closing:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    async def step(self) -> float:
        """Make one attempt if one is due; return the seconds after which to come again.

        Raises DatabaseUnavailableError; the outcome of an attempt is then kept for the next step.
        """
        if self._unsettled is not None:
            await self._settle(*self._unsettled)
            self._unsettled = None
        now = self._clock()
        async with self._database.transaction() as session:
            found = await WebhookRows(session).claim(
                self._endpoint.key, now, timedelta(seconds=self._settings.lease)
            )
        if found is None:
            return POLL_INTERVAL
        if isinstance(found, datetime):
            return min(POLL_INTERVAL, max(0.0, (found - now).total_seconds()))
        if await self._drop_old(found, now):
            return 0.0
        outcome = await self._sender.send(self._endpoint, found.message_id, found.body, int(now.timestamp()))
        self._unsettled = (found, outcome)
        await self._settle(found, outcome)
        self._unsettled = None
        return 0.0

    async def _drop_old(self, claim: Claim, now: datetime) -> bool:
        oldest = now - timedelta(seconds=self._settings.max_age)
        if claim.created_at >= oldest:
            return False
        async with self._database.transaction() as session:
            gone = await WebhookRows(session).forget(oldest, self._endpoint.key)
        self._dropped("too_old", gone)
        return True

    async def _settle(self, claim: Claim, outcome: Outcome) -> None:
        last = claim.attempts >= self._settings.max_attempts
        removed = True
        async with self._database.transaction() as session:
            rows = WebhookRows(session)
            if outcome.failure is None or outcome.gone or last:
                removed = await rows.remove(claim)
            else:
                delay = retry_delay(claim.attempts, self._chance(), outcome.retry_after)
                await rows.postpone(claim, self._clock() + timedelta(seconds=delay))
        origin = self._endpoint.origin
        if outcome.failure is None:
            self._counters.delivered[origin] += 1
            if self._failing:
                LOG.info("Webhooks are delivered again", extra={"endpoint": origin})
            self._failing = False
            return
        self._counters.failed[origin, outcome.failure] += 1
        if not self._failing:
            LOG.warning("A webhook was not delivered", extra={"endpoint": origin, "reason": outcome.failure})
        self._failing = True
        # A message that gave way meanwhile has been counted.
        if removed and outcome.gone:
            self._dropped("gone", 1)
        elif removed and last:
            self._dropped("attempts", 1)

    def _dropped(self, reason: DropReason, count: int) -> None:
        if count:
            self._counters.dropped[reason] += count
            LOG.warning(
                "Webhooks were dropped",
                extra={"endpoint": self._endpoint.origin, "reason": reason, "events": count},
            )
