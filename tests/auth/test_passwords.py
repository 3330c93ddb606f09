import asyncio
import threading

import pytest
from passlib.hash import bcrypt, bcrypt_sha256

from auth.passwords import OverloadedError, PasswordHasher, Verdict


@pytest.fixture
def hasher():
    hasher = PasswordHasher(rounds=4, workers=1, max_pending=2)
    yield hasher
    hasher.close()


@pytest.mark.parametrize("password", ["securepassword", "x" * 128, "pässwörter 🔑"])
async def test_a_hash_is_of_its_password_only(hasher, password):
    hashed = await hasher.hash(password)
    assert (await hasher.verify(password, hashed)).matches
    assert not (await hasher.verify(password + "x", hashed)).matches
    # bcrypt alone would stop at the 72nd byte.
    assert not (await hasher.verify(password[:-1], hashed)).matches


async def test_a_hash_is_salted(hasher):
    assert await hasher.hash("securepassword") != await hasher.hash("securepassword")


async def test_nobody_has_no_password(hasher):
    assert not (await hasher.verify("securepassword", None)).matches


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
    assert (await hasher.verify("securepassword", await hasher.hash("securepassword"))).matches


@pytest.mark.parametrize(
    ("password", "hashed_by", "matches", "upgraded"),
    [
        ("securepassword", lambda p: bcrypt.using(rounds=4).hash(p), True, True),
        ("securepassword", lambda p: bcrypt.using(rounds=4, ident="2a").hash(p), True, True),
        ("x" * 72, lambda p: bcrypt.using(rounds=4).hash(p), True, True),
        # bcrypt looks at 72 bytes: what is longer is not taken for what is cut off.
        ("x" * 73, lambda p: bcrypt.using(rounds=4).hash(p[:72]), False, False),
        ("ü" * 37, lambda p: bcrypt.using(rounds=4).hash("ü" * 36), False, False),
        ("securepassword", lambda p: bcrypt_sha256.using(rounds=5).hash(p), True, True),
        ("securepassword", lambda p: bcrypt_sha256.using(rounds=4).hash(p), True, False),
        ("securepassword", lambda p: "no hash at all", False, False),
        ("securepassword", lambda p: "", False, False),
    ],
)
async def test_hashes_of_other_kinds(hasher, password, hashed_by, matches, upgraded):
    verdict = await hasher.verify(password, hashed_by(password).encode())
    assert (verdict.matches, verdict.upgraded is not None) == (matches, upgraded)
    if verdict.upgraded is not None:
        assert (await hasher.verify(password, verdict.upgraded)) == Verdict(True)
        assert not (await hasher.verify(password + "x", verdict.upgraded)).matches
