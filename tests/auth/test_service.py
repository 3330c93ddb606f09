import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from passlib.hash import bcrypt
from sqlalchemy import func, select

from api.errors import ApiError
from auth.credentials import Credentials, NewAccount
from auth.database import Database
from auth.device import Device
from auth.limits import AccountLimits, Limits
from auth.models import RefreshToken, User
from auth.passwords import PasswordHasher, Verdict
from auth.refresh_tokens import hash_token
from auth.repositories import Users
from auth.service import AuthService
from auth.sessions import REFRESH_GRACE, SEEN_STEP, Sessions, session_of
from auth.tokens import AccessTokens, Identity, TokenError
from migrations.runner import Migrations

ALICE = NewAccount(username="alice", password="securepassword")
ALICE_AGAIN = Credentials(username="alice", password="securepassword")
TTL = timedelta(days=1)
LAPTOP, PHONE, TABLET = Device("laptop"), Device("phone"), Device("tablet")
UNLIMITED = Limits(0, 0, 0)


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
    sessions = Sessions(database, AccessTokens("x" * 32, 60), TTL, clock)
    return database, hasher, AuthService(database, sessions, hasher, AccountLimits(UNLIMITED))


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
            service.register(NewAccount(username=name, password="securepassword"), LAPTOP)
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
        return Verdict(False)

    monkeypatch.setattr(service._passwords, "verify", verify)
    assert await refused(service.login(ALICE_AGAIN, LAPTOP)) == (401, "invalid_credentials")
    assert verified == [None]


async def test_two_who_use_a_token_at_once_get_the_same_new_one(service):
    token = (await service.register(ALICE, LAPTOP)).refresh_token
    results = await asyncio.gather(*(service.sessions.refresh(token) for _ in range(4)))
    assert len({result.refresh_token for result in results}) == 1
    assert results[0].refresh_token != token
    await service.sessions.refresh(results[0].refresh_token)


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(0), None),
        (REFRESH_GRACE - timedelta(seconds=1), None),
        (REFRESH_GRACE, "refresh_token_reused"),
        (timedelta(hours=3), "refresh_token_reused"),
    ],
)
async def test_an_answer_that_got_lost_may_be_asked_for_again_for_a_while(service, clock, age, code):
    first = (await service.register(ALICE, LAPTOP)).refresh_token
    second = (await service.sessions.refresh(first)).refresh_token
    clock.now += age
    if code is None:
        assert (await service.sessions.refresh(first)).refresh_token == second
        assert (await service.sessions.refresh(second)).refresh_token not in (first, second)
    else:
        assert await refused(service.sessions.refresh(first)) == (401, code)


@pytest.mark.parametrize("uses", [2, 5])
@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=5)])
async def test_a_token_from_before_the_last_ends_its_session_alone(service, clock, caplog, uses, age):
    stolen = token = (await service.register(ALICE, LAPTOP)).refresh_token
    phone = await service.login(ALICE_AGAIN, PHONE)
    for _ in range(uses):
        token = (await service.sessions.refresh(token)).refresh_token
    clock.now += age
    assert await refused(service.sessions.refresh(stolen)) == (401, "refresh_token_reused")
    # The thief's tokens are of no more use than the owner's.
    assert await refused(service.sessions.refresh(token)) == (401, "refresh_token_invalid")
    (warning,) = [record for record in caplog.records if "used twice" in record.message]
    assert (warning.user_id, warning.device) == (1, "laptop")
    assert token not in caplog.text
    (left,) = await service.sessions.of(phone.identity, None, None)
    assert left.device_id == "phone"
    await service.sessions.refresh(phone.refresh_token)


async def test_a_token_of_a_family_that_is_made_up_is_only_refused(service):
    token = (await service.register(ALICE, LAPTOP)).refresh_token
    assert await refused(service.sessions.refresh("made.up")) == (401, "refresh_token_invalid")
    await service.sessions.refresh(token)


async def test_a_token_from_before_there_were_families_goes_on(opened, clock):
    database, service = opened
    await service.register(ALICE, LAPTOP)
    async with database.transaction() as session:
        session.add(
            RefreshToken(
                user_id=1, token_hash=hash_token("old"), expires_at=clock.now + TTL, updated_at=clock.now
            )
        )
    renewed = await service.sessions.refresh("old")
    assert (await service.sessions.refresh("old")).refresh_token == renewed.refresh_token
    again = (await service.sessions.refresh(renewed.refresh_token)).refresh_token
    clock.now += REFRESH_GRACE
    assert await refused(service.sessions.refresh(renewed.refresh_token)) == (401, "refresh_token_reused")
    assert await refused(service.sessions.refresh(again)) == (401, "refresh_token_invalid")


async def test_an_access_token_ends_with_its_session(service):
    laptop = await service.register(ALICE, LAPTOP)
    phone = await service.login(ALICE_AGAIN, PHONE)
    await service.sessions.close(laptop.refresh_token)
    await service.sessions.check(phone.identity)
    with pytest.raises(TokenError, match="has ended"):
        await service.sessions.check(laptop.identity)
    # Nor does it come back when the device signs in again.
    await service.login(ALICE_AGAIN, LAPTOP)
    with pytest.raises(TokenError, match="has ended"):
        await service.sessions.check(laptop.identity)


async def test_an_access_token_from_before_sessions_had_names_holds_until_the_password_changes(service):
    signed_in = await service.register(ALICE, LAPTOP)
    now = int(time.time())
    await service.sessions.check(Identity(1, "alice", None, now + 1))
    with pytest.raises(TokenError):
        await service.sessions.check(Identity(1, "alice", None, now - 3600))
    with pytest.raises(TokenError):
        await service.sessions.check(Identity(2, "bob", None, now + 1))
    with pytest.raises(TokenError):
        await service.sessions.check(Identity(1, "alice", "no uuid", now))
    with pytest.raises(TokenError):
        await service.sessions.check(Identity(2, "bob", signed_in.identity.session_id, now))


async def test_a_session_is_seen_when_it_is_used(service, clock):
    signed_in = await service.register(ALICE, LAPTOP)
    begin = clock.now
    for age, seen in ((SEEN_STEP / 2, begin), (SEEN_STEP, begin + SEEN_STEP)):
        clock.now = begin + age
        await service.sessions.check(signed_in.identity, "203.0.113.7")
        (session,) = await service.sessions.of(signed_in.identity, None, None)
        assert session.last_seen == seen
    assert session.address == "203.0.113.7"


async def test_one_session_is_ended_and_only_by_its_owner(service):
    laptop = await service.register(ALICE, LAPTOP)
    phone = await service.login(ALICE_AGAIN, PHONE)
    bob = await service.register(NewAccount(username="bob", password="securepassword"), TABLET)
    target = session_of(phone.identity)
    assert await refused(service.sessions.end(bob.identity, target)) == (404, "session_not_found")
    await service.sessions.end(laptop.identity, target)
    assert await refused(service.sessions.end(laptop.identity, target)) == (404, "session_not_found")
    assert await refused(service.sessions.refresh(phone.refresh_token)) == (401, "refresh_token_invalid")
    await service.sessions.refresh(laptop.refresh_token)


@pytest.mark.parametrize("keep", [True, False])
async def test_signing_out_everywhere(service, keep):
    laptop = await service.register(ALICE, LAPTOP)
    phone = await service.login(ALICE_AGAIN, PHONE)
    bob = await service.register(NewAccount(username="bob", password="securepassword"), TABLET)
    await service.sessions.end_all(laptop.identity, keep_current=keep)
    assert await refused(service.sessions.refresh(phone.refresh_token)) == (401, "refresh_token_invalid")
    if keep:
        await service.sessions.refresh(laptop.refresh_token)
    else:
        assert await refused(service.sessions.refresh(laptop.refresh_token)) == (401, "refresh_token_invalid")
    await service.sessions.refresh(bob.refresh_token)


async def test_changing_the_password_ends_the_other_sessions(service):
    laptop = await service.register(ALICE, LAPTOP)
    phone = await service.login(ALICE_AGAIN, PHONE)
    wrong = service.change_password(laptop.identity, "wrongpassword", "another secret")
    assert await refused(wrong) == (403, "wrong_password")
    common = service.change_password(laptop.identity, "securepassword", "Password123")
    assert await refused(common) == (400, "password_too_common")
    await service.change_password(laptop.identity, "securepassword", "another secret")
    assert await refused(service.sessions.refresh(phone.refresh_token)) == (401, "refresh_token_invalid")
    await service.sessions.check(laptop.identity)
    assert await refused(service.login(ALICE_AGAIN, PHONE)) == (401, "invalid_credentials")
    await service.login(Credentials(username="alice", password="another secret"), PHONE)


async def test_a_deleted_account_leaves_nothing_and_its_name_is_free(opened):
    database, service = opened
    laptop = await service.register(ALICE, LAPTOP)
    assert await refused(service.delete(laptop.identity, "wrongpassword")) == (403, "wrong_password")
    await service.delete(laptop.identity, "securepassword")
    async with database.transaction() as session:
        for table in (User, RefreshToken):
            assert await session.scalar(select(func.count()).select_from(table)) == 0
    with pytest.raises(TokenError):
        await service.sessions.check(laptop.identity)
    assert await refused(service.account(laptop.identity)) == (404, "account_not_found")
    await service.register(ALICE, LAPTOP)


@pytest.mark.parametrize("password", ["Password1", "alice-alice", "12345678"])
async def test_common_passwords_are_refused(service, password):
    new = NewAccount(username="alice-alice", password=password)
    assert await refused(service.register(new, LAPTOP)) == (400, "password_too_common")


async def test_an_old_hash_is_upgraded_at_login(opened):
    database, service = opened
    await service.register(ALICE, LAPTOP)
    old = bcrypt.using(rounds=4).hash("securepassword").encode()

    async def kept() -> User:
        async with database.transaction() as session:
            return (await session.scalars(select(User))).one()

    before = await kept()
    async with database.transaction() as session:
        await Users(session).set_password(1, old, None)
    wrong = Credentials(username="alice", password="wrongpassword")
    assert await refused(service.login(wrong, PHONE)) == (401, "invalid_credentials")
    assert (await kept()).password_hash == old
    await service.login(ALICE_AGAIN, PHONE)
    assert (await kept()).password_hash.startswith(b"$bcrypt-sha256$")
    # That is no change of the account.
    assert (await kept()).updated_at == before.updated_at
    await service.login(ALICE_AGAIN, PHONE)


async def test_wrong_passwords_are_bounded_and_right_ones_are_not(opened):
    database, service = opened
    await service.register(ALICE, LAPTOP)
    limited = AuthService(
        database, service.sessions, service._passwords, AccountLimits(Limits(login_attempts=3))
    )
    wrong = Credentials(username="alice", password="wrongpassword")
    here, there = Device("phone", address="203.0.113.7"), Device("phone", address="203.0.113.8")
    for _ in range(10):
        await limited.login(ALICE_AGAIN, here)
    for _ in range(3):
        assert await refused(limited.login(wrong, here)) == (401, "invalid_credentials")
    # The right one too: else it could be told from a wrong one.
    assert await refused(limited.login(ALICE_AGAIN, here)) == (429, "rate_limited")
    await limited.login(ALICE_AGAIN, there)


async def test_a_device_that_signs_in_twice_at_once_has_one_session(opened):
    database, service = opened
    await service.register(ALICE, LAPTOP)
    await asyncio.gather(*(service.login(ALICE_AGAIN, PHONE) for _ in range(4)))
    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(RefreshToken)) == 2


@pytest.mark.parametrize(
    ("age", "lives"), [(timedelta(0), True), (TTL - timedelta(seconds=1), True), (TTL, False)]
)
async def test_a_session_lives_for_its_time(service, clock, age, lives):
    token = (await service.register(ALICE, LAPTOP)).refresh_token
    clock.now += age
    if lives:
        assert (await service.sessions.refresh(token)).identity.username == "alice"
    else:
        assert await refused(service.sessions.refresh(token)) == (401, "refresh_token_invalid")


async def test_refreshing_prolongs_the_session_and_is_seen(service, clock):
    signed_in = await service.register(ALICE, LAPTOP)
    clock.now += timedelta(hours=20)
    token = (await service.sessions.refresh(signed_in.refresh_token)).refresh_token
    (session,) = await service.sessions.of(signed_in.identity, None, token)
    assert (session.last_seen, session.expires_at, session.current) == (clock.now, clock.now + TTL, True)


async def test_dead_sessions_are_forgotten(opened, clock):
    database, service = opened
    await service.register(ALICE, LAPTOP)
    await service.sessions.close((await service.login(ALICE_AGAIN, PHONE)).refresh_token)
    assert await service.sessions.forget_dead() == 1
    clock.now += TTL
    await service.login(ALICE_AGAIN, TABLET)
    assert await service.sessions.forget_dead() == 1
    async with database.transaction() as session:
        assert [row.device_id for row in await session.scalars(select(RefreshToken))] == ["tablet"]


async def test_a_session_without_a_device_is_listed(opened, clock):
    database, service = opened
    signed_in = await service.register(ALICE, LAPTOP)
    async with database.transaction() as session:
        session.add(
            RefreshToken(user_id=1, token_hash="old", expires_at=clock.now + TTL, updated_at=clock.now)
        )
    devices = {session.device_id for session in await service.sessions.of(signed_in.identity, None, None)}
    assert devices == {"laptop", None}
