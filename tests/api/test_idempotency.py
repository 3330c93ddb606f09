"""A request with an Idempotency-Key is done once."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import TestServer

import bots
from api.errors import ApiError
from api.idempotency import IdempotencyKeys, Kept, fingerprint_of
from chatter.app import create_app

PASSWORD = "correct horse battery"
DONE = Kept(200, b"{}", "application/json")
A, B = fingerprint_of("POST", "/rooms", "a"), fingerprint_of("POST", "/rooms", "b")


def refused(keys, name, fingerprint, now=0.0):
    with pytest.raises(ApiError) as caught:
        keys.begin(name, fingerprint, now)
    return caught.value.code


def done(keys, name, fingerprint=A, now=0.0):
    """Do a request that was not done before."""
    entry = keys.begin(name, fingerprint, now)
    assert entry.kept is None
    keys.finish(entry, DONE, now)


def test_an_answer_is_given_again_for_a_time():
    keys = IdempotencyKeys(keep_seconds=60.0)
    entry = keys.begin((1, "k"), A, 90.0)
    assert entry.kept is None
    assert refused(keys, (1, "k"), A) == "request_in_progress"
    keys.finish(entry, DONE, 100.0)
    assert keys.begin((1, "k"), A, 159.0).kept is DONE
    assert refused(keys, (1, "k"), B) == "idempotency_key_reused"
    done(keys, (2, "k"), B, 159.0)
    done(keys, (1, "k"), B, 160.0)
    assert len(keys) == 2


def test_what_was_refused_may_be_sent_again():
    keys = IdempotencyKeys()
    keys.abandon(keys.begin((1, "k"), A, 0.0))
    assert len(keys) == 0
    assert keys.begin((1, "k"), B, 0.0).kept is None


def test_keys_are_bounded_and_the_oldest_give_way():
    keys = IdempotencyKeys(of_account=2, of_all=3)
    for name in ((1, "a"), (1, "b"), (1, "c"), (2, "d"), (3, "e")):
        done(keys, name)
    assert len(keys) == 3
    assert [keys.begin(name, A, 0.0).kept for name in ((1, "c"), (2, "d"), (3, "e"))] == [DONE] * 3
    done(keys, (1, "a"))


def test_what_is_being_worked_on_never_gives_way():
    keys = IdempotencyKeys(keep_seconds=60.0, of_account=2, of_all=3)
    first = keys.begin((1, "first"), A, 0.0)
    for index in range(3):
        done(keys, (1, f"more{index}"))
        done(keys, (2, f"more{index}"))
    assert refused(keys, (1, "first"), A, 1000.0) == "request_in_progress"
    keys.finish(first, DONE, 1000.0)
    assert keys.begin((1, "first"), A, 1059.0).kept is DONE


@pytest.mark.parametrize("bound", ["of_account", "of_all"])
def test_what_was_answered_last_is_the_newest(bound):
    keys = IdempotencyKeys(**{bound: 2})
    slow = keys.begin((1, "slow"), A, 0.0)
    done(keys, (1, "fast"), now=1.0)
    keys.finish(slow, DONE, 2.0)
    done(keys, (1, "new"), now=3.0)
    assert keys.begin((1, "slow"), A, 3.0).kept is DONE
    assert keys.begin((1, "fast"), A, 3.0).kept is None


def test_more_at_once_than_are_known_are_refused():
    keys = IdempotencyKeys(of_account=2, of_all=3)
    first, _, _ = (keys.begin(name, A, 0.0) for name in ((1, "a"), (1, "b"), (2, "c")))
    assert refused(keys, (1, "d"), A) == "rate_limited"
    assert refused(keys, (2, "d"), A) == "unavailable"
    assert len(keys) == 3
    keys.finish(first, DONE, 0.0)
    assert keys.begin((2, "d"), A, 0.0).kept is None
    assert len(keys) == 3


def test_keys_end_with_their_account():
    keys = IdempotencyKeys()
    done(keys, (1, "k"))
    done(keys, (2, "k"))
    keys.forget_account(1)
    keys.forget_account(3)
    assert len(keys) == 1
    assert keys.begin((1, "k"), B, 0.0).kept is None
    assert keys.begin((2, "k"), A, 0.0).kept is DONE


@pytest.mark.parametrize("late", [lambda keys, entry: keys.finish(entry, DONE, 0.0), IdempotencyKeys.abandon])
def test_a_request_of_a_deleted_account_touches_no_other(late):
    keys = IdempotencyKeys()
    gone = keys.begin((1, "k"), A, 0.0)
    keys.forget_account(1)
    late(keys, gone)
    assert len(keys) == 0
    other = keys.begin((1, "k"), B, 0.0)
    late(keys, gone)
    assert refused(keys, (1, "k"), B) == "request_in_progress"
    keys.finish(other, DONE, 0.0)
    assert keys.begin((1, "k"), B, 0.0).kept is DONE


async def registered(client, username):
    """Register, and return the account's id and the header that speaks for it."""
    body = {"username": username, "password": PASSWORD}
    answer = await (await client.post("/auth/register", json=body, headers={"X-Device-ID": "d"})).json()
    return answer["id"], {"Authorization": f"Bearer {answer['token']}"}


@pytest.fixture
async def owner(client):
    _, who = await registered(client, "owner")
    return who


async def post(client, path, who, key, body):
    answer = await client.post(path, headers={**who, "Idempotency-Key": key}, json=body)
    return answer.status, answer.headers.get("Idempotency-Replayed"), await answer.json()


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/rooms", {"name": "a"}, {"name": "b"}),
        ("/rooms/{room}/tokens", {"uses": 1}, {"uses": 2}),
        ("/api-keys", {"name": "a"}, {"name": "b"}),
    ],
)
async def test_the_same_request_is_answered_as_before(client, owner, path, body, other):
    _, _, room = await post(client, "/rooms", owner, "first", {})
    path = path.format(room=room["roomId"])
    status, replayed, made = await post(client, path, owner, "k", body)
    assert (status < 300, replayed) == (True, None)
    assert await post(client, path, owner, "k", {**body, "unknown": 1}) == (status, "true", made)
    status, _, problem = await post(client, path, owner, "k", other)
    assert (status, problem["code"]) == (422, "idempotency_key_reused")
    _, replayed, again = await post(client, path, owner, "k2", body)
    assert replayed is None
    assert again != made


async def test_of_two_at_once_one_is_done(client, owner):
    answers = await asyncio.gather(*(post(client, "/rooms", owner, "k", {}) for _ in range(5)))
    made = {problem["roomId"] for status, _, problem in answers if status == 200}
    assert len(made) == 1
    assert {problem["code"] for status, _, problem in answers if status != 200} <= {"request_in_progress"}
    assert len((await (await client.get("/rooms", headers=owner)).json())["items"]) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ü"])
async def test_what_is_no_key(client, owner, key):
    status, _, problem = await post(client, "/rooms", owner, key, {})
    assert (status, problem["code"]) == (400, "invalid_request")
    assert problem["errors"][0]["pointer"] == "header:Idempotency-Key"


async def test_a_refusal_is_not_kept(client, owner):
    for index in range(50):
        await post(client, "/api-keys", owner, f"k{index}", {"name": "n"})
    status, _, _ = await post(client, "/api-keys", owner, "more", {"name": "n"})
    assert status == 409
    keys = await (await client.get("/api-keys", headers=owner)).json()
    await client.delete(f"/api-keys/{keys[0]['id']}", headers=owner)
    status, replayed, _ = await post(client, "/api-keys", owner, "more", {"name": "n"})
    assert (status, replayed) == (201, None)


async def test_a_new_account_gets_no_answer_of_a_deleted_one(client):
    first, who = await registered(client, "first")
    _, _, made = await post(client, "/api-keys", who, "k", {"name": "n"})
    wrong = await client.post("/auth/account/delete", json={"password": "no"}, headers=who)
    assert wrong.status == 403
    assert await post(client, "/api-keys", who, "k", {"name": "n"}) == (201, "true", made)
    deleted = await client.post("/auth/account/delete", json={"password": PASSWORD}, headers=who)
    assert deleted.status == 204
    second, who = await registered(client, "second")
    assert second == first, "SQLite gives the id again: what the test is about"
    status, replayed, own = await post(client, "/api-keys", who, "k", {"name": "n"})
    assert (status, replayed) == (201, None)
    assert own["key"] != made["key"]


async def test_a_lost_answer_makes_no_second_room(make_settings):
    app = create_app(make_settings())
    lost = []

    async def lose(request, _response):
        if (request.method, request.path) == ("POST", "/rooms") and not lost:
            lost.append(request)
            request.transport.abort()

    app.on_response_prepare.append(lose)
    async with TestServer(app) as server, bots.Client(str(server.make_url(""))) as client:
        await client.accounts.register("ann", "correct horse battery")
        made = await client.rooms.create(name="once")
        assert len(lost) == 1
        assert [room.room_id async for room in client.rooms.all()] == [made.room_id]
