import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from api.errors import ApiError
from auth.credentials import Credentials, NewAccount
from auth.database import Database
from auth.models import RefreshToken
from auth.passwords import PasswordHasher
from auth.service import AuthService
from auth.tokens import AccessTokens
from migrations.runner import Migrations

ALICE = NewAccount(username="alice", password="securepassword")
ALICE_AGAIN = Credentials(username="alice", password="securepassword")
TTL = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 2, 7, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


async def open_service(url, clock):
    database = Database(url)
    await Migrations(database.engine).up()
    hasher = PasswordHasher(rounds=4)
    return database, hasher, AuthService(database, AccessTokens("x" * 32, 60), hasher, TTL, clock)


@pytest.fixture
async def opened(database_url, clock):
    """A database with its service."""
    database, hasher, service = await open_service(database_url, clock)
    yield database, service
    hasher.close()
    await database.close()


@pytest.fixture
def service(opened):
    return opened[1]


async def refused(awaitable):
    with pytest.raises(ApiError) as caught:
        await awaitable
    return caught.value.status, caught.value.code


async def test_of_two_who_want_a_name_one_gets_it(service):
    results = await asyncio.gather(
        *(
            service.register(NewAccount(username=name, password="securepassword"), "d")
            for name in ("alice", "Alice", "ALICE")
        ),
        return_exceptions=True,
    )
    refusals = [result for result in results if isinstance(result, BaseException)]
    assert [(refusal.status, refusal.code) for refusal in refusals] == [(409, "username_taken")] * 2


async def test_a_user_who_does_not_exist_costs_a_hash_too(opened, monkeypatch):
    _, service = opened
    verified = []

    async def verify(password, password_hash):
        verified.append(password_hash)
        return False

    monkeypatch.setattr(service._passwords, "verify", verify)
    assert await refused(service.login(ALICE_AGAIN, "laptop")) == (401, "invalid_credentials")
    assert verified == [None]


async def test_of_two_who_use_a_token_one_gets_a_new_one(service):
    token = (await service.register(ALICE, "laptop")).refresh_token
    results = await asyncio.gather(service.refresh(token), service.refresh(token), return_exceptions=True)
    assert sum(isinstance(result, ApiError) for result in results) == 1


async def test_a_device_that_signs_in_twice_at_once_has_one_session(opened):
    database, service = opened
    await service.register(ALICE, "laptop")
    await asyncio.gather(*(service.login(ALICE_AGAIN, "phone") for _ in range(4)))
    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(RefreshToken)) == 2


@pytest.mark.parametrize(
    ("age", "lives"), [(timedelta(0), True), (TTL - timedelta(seconds=1), True), (TTL, False)]
)
async def test_a_session_lives_for_its_time(service, clock, age, lives):
    token = (await service.register(ALICE, "laptop")).refresh_token
    clock.now += age
    if lives:
        assert (await service.refresh(token)).identity.username == "alice"
    else:
        assert await refused(service.refresh(token)) == (401, "refresh_token_invalid")


async def test_refreshing_prolongs_the_session_and_is_seen(service, clock):
    signed_in = await service.register(ALICE, "laptop")
    clock.now += timedelta(hours=20)
    token = (await service.refresh(signed_in.refresh_token)).refresh_token
    (session,) = await service.sessions(signed_in.identity, None, token)
    assert (session.last_seen, session.expires_at, session.current) == (clock.now, clock.now + TTL, True)


async def test_dead_sessions_are_forgotten(opened, clock):
    database, service = opened
    await service.register(ALICE, "laptop")
    await service.logout((await service.login(ALICE_AGAIN, "phone")).refresh_token)
    clock.now += TTL
    await service.login(ALICE_AGAIN, "tablet")
    async with database.transaction() as session:
        assert [row.device_id for row in await session.scalars(select(RefreshToken))] == ["tablet"]


async def test_a_session_without_a_device_is_listed(opened, clock):
    database, service = opened
    signed_in = await service.register(ALICE, "laptop")
    async with database.transaction() as session:
        session.add(
            RefreshToken(user_id=1, token_hash="old", expires_at=clock.now + TTL, updated_at=clock.now)
        )
    devices = {session.device_id for session in await service.sessions(signed_in.identity, None, None)}
    assert devices == {"laptop", None}
