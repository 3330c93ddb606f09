"""The outbox, on both databases, and what is sent from it to a receiver on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from sqlalchemy import URL

from auth.database import Database, DatabaseUnavailableError
from migrations.runner import Migrations
from signaling.room_event import RoomEvent
from tests.webhooks.webhook_receiver import KEY, Receiver
from webhooks.counters import Counters
from webhooks.delivery import POLL_INTERVAL, Delivery
from webhooks.message import Message
from webhooks.metrics import WebhookMetrics
from webhooks.outbox import Outbox
from webhooks.repository import Claim, WebhookRows
from webhooks.sender import Sender
from webhooks.settings import Endpoint, WebhookSettings

NOW = datetime(2026, 2, 7, 12, tzinfo=UTC)
LEASE = timedelta(seconds=15)


@pytest.fixture
async def database(database_url: URL) -> AsyncIterator[Database]:
    database = Database(database_url)
    await Migrations(database.engine).up()
    yield database
    await database.close()


def message(number: int, at: datetime = NOW) -> Message:
    return Message(f"msg_{number}", at, RoomEvent("room.started", f"r{number}", "s", {}))


async def add(database: Database, *numbers: int, endpoint: str = "e", keep: int = 100) -> int:
    async with database.transaction() as session:
        return await WebhookRows(session).add([endpoint], [message(number) for number in numbers], keep)


async def claim(database: Database, now: datetime = NOW, endpoint: str = "e") -> Claim | datetime | None:
    async with database.transaction() as session:
        return await WebhookRows(session).claim(endpoint, now, LEASE)


async def claimed(database: Database, now: datetime = NOW, endpoint: str = "e") -> Claim:
    found = await claim(database, now, endpoint)
    assert isinstance(found, Claim)
    return found


async def remove(database: Database, found: Claim) -> bool:
    async with database.transaction() as session:
        return await WebhookRows(session).remove(found)


async def pending(database: Database) -> dict[str, int]:
    async with database.transaction() as session:
        return {key: waits.pending for key, waits in (await WebhookRows(session).backlog()).items()}


async def test_messages_come_out_in_the_order_in_which_they_went_in(database: Database) -> None:
    await add(database, 3, 1)
    await add(database, 2)
    order = []
    while isinstance(found := await claim(database), Claim):
        order.append(found.message_id)
        assert await remove(database, found)
        assert not await remove(database, found)
    assert order == ["msg_3", "msg_1", "msg_2"]
    assert found is None


async def test_each_endpoint_has_its_own_order(database: Database) -> None:
    await add(database, 1, 2)
    await add(database, 1, endpoint="other")
    await remove(database, await claimed(database))
    assert (await claimed(database, endpoint="other")).message_id == "msg_1"
    assert (await claimed(database)).message_id == "msg_2"


async def test_a_claim_keeps_all_others_away_until_it_ends(database: Database) -> None:
    await add(database, 1, 2)
    first = await claimed(database)
    assert await claim(database) == NOW + LEASE
    assert await claim(database, NOW + LEASE - timedelta(milliseconds=1)) == NOW + LEASE
    # Whoever had it is gone: it is sent again, under the same id.
    second = await claimed(database, NOW + LEASE)
    assert (second.message_id, second.attempts) == (first.message_id, 2)


async def test_one_of_many_who_claim_at_once_gets_it(database: Database) -> None:
    await add(database, 1, 2)
    found = await asyncio.gather(*(claim(database) for _ in range(8)))
    assert [one.message_id for one in found if isinstance(one, Claim)] == ["msg_1"]
    assert [one for one in found if not isinstance(one, Claim)] == [NOW + LEASE] * 7


async def test_a_message_given_back_holds_up_those_behind_it(database: Database) -> None:
    await add(database, 1, 2)
    found, later = await claimed(database), NOW + timedelta(seconds=3)
    async with database.transaction() as session:
        await WebhookRows(session).postpone(found, later)
    assert await claim(database) == later
    assert (await claimed(database, later)).message_id == "msg_1"


async def test_who_lost_its_claim_does_not_shorten_that_of_another(database: Database) -> None:
    await add(database, 1)
    lost = await claimed(database)
    await claimed(database, NOW + LEASE)
    async with database.transaction() as session:
        await WebhookRows(session).postpone(lost, NOW)
    assert await claim(database, NOW + LEASE) == NOW + 2 * LEASE


async def test_the_oldest_give_way(database: Database) -> None:
    assert await add(database, 1, 2, 3, keep=3) == 0
    await add(database, 1, endpoint="other")
    assert await add(database, 4, 5, keep=3) == 2
    assert await pending(database) == {"e": 3, "other": 1}
    assert (await claimed(database)).message_id == "msg_3"


async def test_what_is_written_twice_is_kept_once(database: Database) -> None:
    await add(database, 1, 2)
    await add(database, 2, 3)
    assert await pending(database) == {"e": 3}


async def test_what_is_too_old_is_forgotten(database: Database) -> None:
    async with database.transaction() as session:
        rows = WebhookRows(session)
        await rows.add(["e", "gone"], [message(1, NOW - timedelta(hours=2)), message(2)], 100)
        assert await rows.forget(NOW - timedelta(hours=1), "e") == 1
        assert await rows.forget(NOW - timedelta(hours=1)) == 1
    assert await pending(database) == {"e": 1, "gone": 1}
    assert (await claimed(database)).message_id == "msg_2"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Site:
    """A delivery that is stepped by hand, to a receiver."""

    def __init__(self, database: Database, receiver: Receiver, url: str = "", **settings: float) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.endpoint = Endpoint(url or receiver.url)
        self.database = database
        self.settings = WebhookSettings((self.endpoint,), (KEY,), **settings)  # type: ignore[arg-type]
        self.sender = Sender(self.settings, "Chatter/test")
        self.delivery = self.make()

    def make(self, database: Database | None = None) -> Delivery:
        return Delivery(
            self.endpoint,
            self.settings,
            database or self.database,
            self.sender,
            self.counters,
            clock=self.clock,
            chance=lambda: 1.0,
        )

    async def step(self) -> float:
        return await self.delivery.step()

    async def add(self, *numbers: int) -> None:
        await add(self.database, *numbers, endpoint=self.endpoint.key)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


async def test_a_receiver_that_fails_and_then_takes_it(database: Database, receiver: Receiver) -> None:
    receiver.answer = lambda number: web.Response(status=503 if number <= 2 else 200)
    site = Site(database, receiver)
    async with site.sender:
        await site.add(1, 2)
        waits = []
        while (wait := await site.step()) != POLL_INTERVAL:
            waits.append(wait)
            site.clock.now += timedelta(seconds=wait)
    # Each failure is followed by its pause, and then both are taken.
    assert waits == [0, 1, 0, 2, 0, 0]
    assert [message_id for message_id, _ in receiver.attempts] == ["msg_1", "msg_1", "msg_1", "msg_2"]
    assert [body["room"]["id"] for _, body in receiver.taken] == ["r1", "r2"]
    assert site.counters.delivered == {site.endpoint.origin: 2}
    assert site.counters.failed == {(site.endpoint.origin, "status_5xx"): 2}
    assert await pending(database) == {}


async def test_a_message_is_given_up_after_its_attempts(database: Database, receiver: Receiver) -> None:
    receiver.answer = lambda number: web.Response(status=400 if number <= 2 else 200)
    site = Site(database, receiver, max_attempts=2)
    async with site.sender:
        await site.add(1, 2)
        while (wait := await site.step()) != POLL_INTERVAL:
            site.clock.now += timedelta(seconds=wait)
    assert [message_id for message_id, _ in receiver.taken] == ["msg_2"]
    assert site.counters.dropped == {"attempts": 1}


async def test_a_message_is_given_up_when_it_is_too_old(database: Database, receiver: Receiver) -> None:
    site = Site(database, receiver, max_age=60)
    async with site.sender:
        await site.add(1, 2)
        site.clock.now += timedelta(seconds=61)
        assert await site.step() == 0
        assert await site.step() == POLL_INTERVAL
    assert receiver.attempts == []
    assert site.counters.dropped == {"too_old": 2}


async def test_who_is_gone_is_not_asked_again(database: Database, receiver: Receiver) -> None:
    receiver.answer = lambda number: web.Response(status=410)
    site = Site(database, receiver)
    async with site.sender:
        await site.add(1)
        assert await site.step() == 0
        assert await site.step() == POLL_INTERVAL
    assert len(receiver.attempts) == 1
    assert site.counters.dropped == {"gone": 1}


async def test_a_receiver_says_when_to_come_again(database: Database, receiver: Receiver) -> None:
    receiver.answer = lambda number: web.Response(status=429, headers={"Retry-After": "7"})
    site = Site(database, receiver)
    async with site.sender:
        await site.add(1)
        assert await site.step() == 0
        assert await site.step() == 7


async def test_redirects_are_not_followed(database: Database, receiver: Receiver) -> None:
    receiver.answer = lambda number: web.Response(status=307, headers={"Location": receiver.url})
    site = Site(database, receiver)
    async with site.sender:
        await site.add(1)
        await site.step()
    assert len(receiver.attempts) == 1
    assert site.counters.failed == {(site.endpoint.origin, "status_3xx"): 1}


async def test_nobody_listens(database: Database, receiver: Receiver) -> None:
    url = receiver.url
    await receiver.__aexit__()
    site = Site(database, receiver, url)
    async with site.sender:
        await site.add(1)
        await site.step()
    assert site.counters.failed == {(site.endpoint.origin, "connection"): 1}


async def test_a_receiver_that_never_answers(database: Database) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with Receiver() as receiver, await asyncio.start_server(silent, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        site = Site(database, receiver, f"http://127.0.0.1:{port}/", timeout=0.05)
        async with site.sender:
            await site.add(1)
            await site.step()
    assert site.counters.failed == {(site.endpoint.origin, "timeout"): 1}


async def test_an_answer_without_end_is_not_read(database: Database) -> None:
    sent = 0

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        except ConnectionError:
            writer.close()

    async with Receiver() as receiver, await asyncio.start_server(talkative, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        site = Site(database, receiver, f"http://127.0.0.1:{port}/")
        async with site.sender:
            await site.add(1)
            await site.step()
    assert site.counters.delivered == {site.endpoint.origin: 1}
    # What the kernel's buffers hold, and not what there would be.
    assert sent < 64 * 1024 * 1024


class Away:
    """A database that loses its connection once a message has been claimed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.transactions = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[object]:
        self.transactions += 1
        if self.transactions == 2:
            raise DatabaseUnavailableError("it is away")
        async with self._database.transaction() as session:
            yield session


async def test_an_outcome_waits_for_the_database(database: Database, receiver: Receiver) -> None:
    site = Site(database, receiver)
    away = Away(database)
    delivery = site.make(away)  # type: ignore[arg-type]
    async with site.sender:
        await site.add(1)
        with pytest.raises(DatabaseUnavailableError):
            await delivery.step()
        assert await pending(database) == {site.endpoint.key: 1}
        assert await delivery.step() == POLL_INTERVAL
    assert len(receiver.attempts) == 1
    assert site.counters.delivered == {site.endpoint.origin: 1}
    assert await pending(database) == {}


async def test_from_an_event_to_its_receivers(database: Database, receiver: Receiver) -> None:
    async with Receiver() as other:
        settings = WebhookSettings((Endpoint(receiver.url), Endpoint(other.url)), (KEY,))
        outbox = Outbox(settings, database, "Chatter/test")
        running = outbox.run(web.Application())
        await anext(running)
        for number in range(250):
            outbox.record(RoomEvent("room.started", f"r{number}", "s", {}))
            outbox.record(RoomEvent("chat.sent", f"r{number}", "s", {"text": "secret"}))
        one, two = await receiver.until_taken(250), await other.until_taken(250)
        await anext(running, None)
    assert one == two
    assert [body["room"]["id"] for _, body in one] == [f"r{number}" for number in range(250)]
    assert len({message_id for message_id, _ in one}) == 250
    assert not any(outbox.dropped.values())


async def test_what_waits_is_shown(database: Database, receiver: Receiver) -> None:
    clock = Clock()
    settings = WebhookSettings((Endpoint(receiver.url),), (KEY,))
    outbox = Outbox(settings, database, "Chatter/test", clock=clock)
    registry = CollectorRegistry()
    registry.register(WebhookMetrics(outbox, clock))
    origin = settings.endpoints[0].origin

    def figure(name: str, endpoint: str) -> float | None:
        return registry.get_sample_value(f"chatter_webhooks_{name}", {"endpoint": endpoint})

    assert (figure("pending", origin), figure("delivered_total", origin)) == (0, 0)
    await add(database, 1, 2, endpoint=settings.endpoints[0].key)
    await add(database, 1, endpoint="not configured any more")
    clock.now += timedelta(seconds=30)
    await outbox.look()
    assert (figure("pending", origin), figure("oldest_seconds", origin)) == (2, 30)
    assert (figure("pending", "removed"), figure("oldest_seconds", "removed")) == (1, 30)
    clock.now += timedelta(days=2)
    assert await outbox.forget() == 3
    assert registry.get_sample_value("chatter_webhooks_dropped_total", {"reason": "too_old"}) == 3


def test_an_endpoint_shows_no_secret() -> None:
    endpoint = Endpoint("https://user:password@example.com:8443/hook?key=secret")
    assert endpoint.origin == "https://example.com:8443"
    assert len(endpoint.key) == 64
