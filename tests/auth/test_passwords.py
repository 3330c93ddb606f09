import asyncio
import threading

import pytest
from passlib.hash import bcrypt_sha256

from auth.passwords import OverloadedError, PasswordHasher


@pytest.fixture
def hasher():
    hasher = PasswordHasher(rounds=4, workers=1, max_pending=2)
    yield hasher
    hasher.close()


@pytest.mark.parametrize("password", ["securepassword", "x" * 128, "pässwörter 🔑"])
async def test_a_hash_is_of_its_password_only(hasher, password):
    hashed = await hasher.hash(password)
    assert await hasher.verify(password, hashed)
    assert not await hasher.verify(password + "x", hashed)
    # bcrypt alone would stop at the 72nd byte.
    assert not await hasher.verify(password[:-1], hashed)


async def test_a_hash_is_salted(hasher):
    assert await hasher.hash("securepassword") != await hasher.hash("securepassword")


async def test_nobody_has_no_password(hasher):
    assert not await hasher.verify("securepassword", None)


@pytest.mark.parametrize("rounds", [4, 5, 12])
def test_nobody_costs_the_same(rounds):
    hasher = PasswordHasher(rounds)
    try:
        assert bcrypt_sha256.from_string(hasher._nobody).rounds == rounds
        assert not bcrypt_sha256.using(rounds=rounds).needs_update(hasher._nobody)
    finally:
        hasher.close()


async def test_more_than_the_bound_is_refused_and_the_rest_goes_on(hasher):
    entered, release = threading.Event(), threading.Event()

    def work() -> str:
        entered.set()
        assert release.wait(10)
        return "done"

    first, second = (asyncio.create_task(hasher._run(work)) for _ in range(2))
    await asyncio.to_thread(entered.wait, 10)
    with pytest.raises(OverloadedError):
        await hasher.hash("securepassword")
    release.set()
    assert await asyncio.gather(first, second) == ["done", "done"]
    assert await hasher.verify("securepassword", await hasher.hash("securepassword"))
