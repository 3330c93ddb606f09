"""Queries on the outbox, each within a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import Delete

from webhooks.message import Message
from webhooks.models import WebhookMessageRow as Row


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that is this server's to send, for a while."""

    number: int
    message_id: str
    body: str
    created_at: datetime
    attempts: int
    """This one included."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for an endpoint."""

    pending: int
    oldest_at: datetime


class WebhookRows:
    """Messages that wait for their endpoints."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, endpoints: Sequence[str], messages: Sequence[Message], max_pending: int) -> int:
        """Keep messages for each endpoint, but for those that are kept already: they may be written twice.

        Of more than `max_pending` for one endpoint the oldest are deleted. Returns how many that were.
        """
        ids = [message.id for message in messages]
        query = select(Row.message_id, Row.endpoint).where(Row.message_id.in_(ids))
        kept = {(message_id, endpoint) for message_id, endpoint in await self._session.execute(query)}
        rows = [
            {
                "endpoint": endpoint,
                "message_id": message.id,
                "body": message.body,
                "created_at": message.at,
                "not_before": message.at,
            }
            for message in messages
            for endpoint in endpoints
            if (message.id, endpoint) not in kept
        ]
        if rows:
            await self._session.execute(insert(Row), rows)
        return sum([await self._trim(endpoint, max_pending) for endpoint in endpoints])

    async def _trim(self, endpoint: str, keep: int) -> int:
        newest = (
            select(Row.number)
            .where(Row.endpoint == endpoint)
            .order_by(Row.number.desc())
            .offset(keep)
            .limit(1)
            .scalar_subquery()
        )
        return await self._delete(delete(Row).where(Row.endpoint == endpoint, Row.number <= newest))

    async def claim(self, endpoint: str, now: datetime, lease: timedelta) -> Claim | datetime | None:
        """Take the oldest message of an endpoint for as long as `lease`; only one of all servers gets it.

        Returns the time at which to ask again where it is taken or waits after a failure, and None where
        there is no message.
        """
        query = select(Row).where(Row.endpoint == endpoint).order_by(Row.number).limit(1)
        row = (await self._session.execute(query)).scalar_one_or_none()
        if row is None:
            return None
        if row.not_before > now:
            return row.not_before
        found = Claim(row.number, row.message_id, row.body, row.created_at, row.attempts + 1)
        taken = await self._session.execute(
            update(Row)
            .where(Row.number == row.number, Row.message_id == row.message_id, Row.attempts == row.attempts)
            .values(attempts=found.attempts, not_before=now + lease)
            .execution_options(synchronize_session=False)
        )
        assert isinstance(taken, CursorResult)
        return found if taken.rowcount == 1 else now + lease

    async def remove(self, claim: Claim) -> bool:
        """Forget a message; False where it is gone already."""
        same = (Row.number == claim.number) & (Row.message_id == claim.message_id)
        return await self._delete(delete(Row).where(same)) == 1

    async def postpone(self, claim: Claim, until: datetime) -> None:
        """Give a message back, to be sent again from `until` on, unless another has claimed it since."""
        await self._session.execute(
            update(Row)
            .where(
                Row.number == claim.number,
                Row.message_id == claim.message_id,
                Row.attempts == claim.attempts,
            )
            .values(not_before=until)
        )

    async def forget(self, before: datetime, endpoint: str | None = None) -> int:
        """Delete what happened before a time, for one endpoint or any; return how many rows that were."""
        old = delete(Row).where(Row.created_at < before)
        return await self._delete(old if endpoint is None else old.where(Row.endpoint == endpoint))

    async def backlog(self) -> dict[str, Backlog]:
        """Return what waits, for each endpoint for which something does."""
        query = select(Row.endpoint, func.count(), func.min(Row.created_at)).group_by(Row.endpoint)
        return {
            endpoint: Backlog(pending, oldest_at)
            for endpoint, pending, oldest_at in await self._session.execute(query)
        }

    async def _delete(self, statement: Delete) -> int:
        result = await self._session.execute(statement.execution_options(synchronize_session=False))
        assert isinstance(result, CursorResult)
        return result.rowcount
