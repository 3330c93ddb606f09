"""Rooms over HTTP and WebSockets, on the whole app: kept, moderated, and entered with join tokens."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from auth.tokens import AccessTokens, Identity, TokenError
from chatter.app import DATABASE, create_app
from rooms.expiry import Expiry
from rooms.join_tokens import JoinToken, JoinTokens
from rooms.models import ApiKeyRow, ChatMessageRow
from rooms.recorder import Recorder
from signaling.closing import ROOM_DELETED
from signaling.grants import Grants
from signaling.http import ROOMS
from signaling.room_event import RoomEvent

PATIENCE = 5.0


@pytest.fixture
async def owner(client):
    return await account(client, "owner")


async def account(client, name):
    answer = await client.post(
        "/auth/register",
        json={"username": name, "password": "correct horse battery"},
        headers={"X-Device-ID": f"device-{name}"},
    )
    assert answer.status == 200, await answer.text()
    return {"Authorization": f"Bearer {(await answer.json())['token']}"}


async def call(client, method, path, who, status=200, **options):
    answer = await client.request(method, path, headers=who, **options)
    assert answer.status == status, await answer.text()
    return await answer.json() if answer.content_length else None


async def make(client, who, **body):
    return (await call(client, "POST", "/rooms", who, json=body))["roomId"]


async def first(client, room, who=None, token=None, name="someone"):
    token = token or (who["Authorization"].split()[1] if who else "")
    ws = await client.ws_connect(f"/ws/{room}", params={"token": token, "displayName": name})
    return ws, await ws.receive_json(timeout=PATIENCE)


async def until(ws, kind):
    async with asyncio.timeout(PATIENCE):
        while (message := await ws.receive_json())["type"] != kind:
            pass
        return message


async def mint(client, room, who, **body):
    return (await call(client, "POST", f"/rooms/{room}/tokens", who, json=body))["token"]


async def test_a_room_and_its_chat_outlive_the_server(make_settings):
    settings = make_settings()
    async with TestClient(TestServer(create_app(settings))) as client:
        owner = await account(client, "owner")
        room = await make(client, owner, name="Standup")
        ws, _ = await first(client, room, owner)
        await ws.send_json({"type": "chat", "text": "see you"})
        await until(ws, "chat")
        await first(client, "by-its-name", owner)
    async with TestClient(TestServer(create_app(settings))) as client:
        _, welcome = await first(client, room)
        assert (welcome["type"], welcome["role"], welcome["room"]["name"]) == ("welcome", "guest", "Standup")
        assert [said["text"] for said in welcome["chat"]] == ["see you"]
        _, welcome = await first(client, "by-its-name")
        assert welcome["type"] == "welcome"
        _, refused = await first(client, "never-opened")
        assert refused["code"] == "room_not_found"
        _, welcome = await first(client, room, owner)
        assert welcome["role"] == "owner"


async def test_rooms_are_listed_changed_and_deleted(client, owner):
    other = await account(client, "other")
    ids = [await make(client, owner, name=f"r{index}") for index in range(3)]
    await make(client, other)
    page = await call(client, "GET", "/rooms?limit=2", owner)
    assert [room["name"] for room in page["items"]] == ["r2", "r1"]
    page = await call(client, "GET", f"/rooms?limit=2&cursor={page['nextCursor']}", owner)
    assert ([room["name"] for room in page["items"]], page["nextCursor"]) == (["r0"], None)
    change = {"name": "new", "lobby": True, "maxParticipants": 5, "videoCodecs": ["VP8"], "guests": "deny"}
    changed = await call(client, "PATCH", f"/rooms/{ids[0]}", owner, json=change)
    assert changed == await call(client, "GET", f"/rooms/{ids[0]}", owner)
    assert {key: changed[key] for key in change} == change
    assert (await call(client, "GET", f"/rooms/{ids[0]}", other))["role"] == "speaker"
    await call(client, "PATCH", f"/rooms/{ids[0]}", other, 403, json={"lobby": False})
    await call(client, "DELETE", f"/rooms/{ids[0]}", other, 403)
    ws, _ = await first(client, ids[0], owner)
    await call(client, "DELETE", f"/rooms/{ids[0]}", owner, 204)
    await until(ws, "error")
    await ws.receive(timeout=PATIENCE)
    assert ws.close_code == 4410
    await call(client, "GET", f"/rooms/{ids[0]}", owner, 404)


@pytest.mark.parametrize("cursor", ["x", "WzEsMl0", "WzksImEiXQ", "WzkyMjMzNzIwMzY4NTQ3NzU4MDAsImEiXQ"])
async def test_a_cursor_of_another_list_is_refused_or_empty(client, owner, cursor):
    answer = await client.get(f"/rooms?cursor={cursor}", headers=owner)
    assert answer.status in (200, 400)


async def test_people_are_moderated_over_http(client, owner):
    other = await account(client, "other")
    room = await make(client, owner, guests="lobby")
    boss, _ = await first(client, room, owner, name="Boss")
    guest, lobby = await first(client, room, name="Guest")
    assert lobby["type"] == "lobby"
    people = await call(client, "GET", f"/rooms/{room}/participants", owner)
    assert [(p["displayName"], p["role"], p["waiting"]) for p in people] == [
        ("Boss", "owner", False),
        ("Guest", "guest", True),
    ]
    path = f"/rooms/{room}/participants/{lobby['clientId']}/moderation"
    await call(client, "GET", f"/rooms/{room}/participants", other, 403)
    await call(client, "POST", path, other, 403, json={"action": "admit"})
    await call(client, "POST", path, owner, 404, json={"action": "mute"})
    await call(client, "POST", path, owner, 204, json={"action": "admit"})
    assert (await until(guest, "welcome"))["role"] == "guest"
    await call(client, "POST", path, owner, 400, json={"action": "role"})
    await call(client, "POST", path, owner, 204, json={"action": "role", "role": "listener"})
    assert (await until(guest, "role"))["grants"]["publish"] == []
    await call(client, "POST", path, owner, 204, json={"action": "remove"})
    assert (await until(guest, "error"))["code"] == "removed"
    await call(client, "POST", f"/rooms/{room}/end", owner, 204)
    assert (await until(boss, "error"))["code"] == "room_closed"


async def test_who_was_made_moderator_stays_one(client, owner):
    other = await account(client, "other")
    room = await make(client, owner)
    boss, _ = await first(client, room, owner)
    ws, welcome = await first(client, room, other)
    await boss.send_json(
        {"type": "moderate", "action": "role", "clientId": welcome["clientId"], "role": "moderator"}
    )
    await until(ws, "role")
    async with asyncio.timeout(PATIENCE):
        while True:
            if (await call(client, "GET", "/rooms", other))["items"]:
                break
    await ws.close()
    _, welcome = await first(client, room, other)
    assert welcome["role"] == "moderator"
    await call(client, "PATCH", f"/rooms/{room}", other, json={"locked": True})
    await call(client, "PATCH", f"/rooms/{room}", other, 403, json={"name": "mine"})
    _, refused = await first(client, room)
    assert refused["code"] == "room_locked"


async def test_a_join_token_carries_grants_and_is_used_up(client, owner):
    room = await make(client, owner, guests="deny")
    grants = {"publish": ["microphone"], "chat": False, "bot": True}
    token = await mint(client, room, owner, name="Recorder", uses=1, grants=grants)
    ws = await client.ws_connect(f"/ws/{room}", params={"token": token})
    welcome = await ws.receive_json(timeout=PATIENCE)
    assert welcome["grants"] == {
        "publish": ["microphone"],
        "subscribe": True,
        "chat": False,
        "data": True,
        "moderate": False,
        "hidden": False,
        "bot": True,
    }
    assert [(p["displayName"], p["bot"]) for p in welcome["participants"]] == [("Recorder", True)]
    await ws.send_json({"type": "chat", "text": "hi"})
    assert (await until(ws, "error"))["code"] == "not_permitted"
    _, refused = await first(client, room, token=token)
    assert refused["code"] == "token_used"


async def test_a_use_is_given_back_when_the_room_refuses(client, owner):
    room = await make(client, owner, locked=True)
    token = await mint(client, room, owner, uses=1)
    _, refused = await first(client, room, token=token)
    assert refused["code"] == "room_locked"
    await call(client, "PATCH", f"/rooms/{room}", owner, json={"locked": False})
    _, welcome = await first(client, room, token=token)
    assert welcome["type"] == "welcome"


async def test_of_many_who_come_at_once_as_many_get_in_as_the_token_has_uses(client, owner):
    room = await make(client, owner)
    token = await mint(client, room, owner, uses=3)
    answers = await asyncio.gather(*(first(client, room, token=token) for _ in range(8)))
    assert sorted(message["type"] for _, message in answers) == ["error"] * 5 + ["welcome"] * 3


async def test_a_token_opens_its_own_room_only_and_no_api(client, owner):
    room, other = await make(client, owner), await make(client, owner)
    token = await mint(client, room, owner, grants={"moderate": True})
    _, refused = await first(client, other, token=token)
    assert refused["code"] == "token_invalid"
    await call(client, "GET", "/rooms", {"Authorization": f"Bearer {token}"}, 401)


@pytest.mark.parametrize(
    "body",
    [
        {"uses": 0},
        {"expiresIn": 1},
        {"grants": {"hidden": True}},
        {"grants": {"publish": ["printer"]}},
        {"name": "x" * 65},
    ],
)
async def test_a_token_that_makes_no_sense_is_not_minted(client, owner, body):
    room = await make(client, owner)
    await call(client, "POST", f"/rooms/{room}/tokens", owner, 400, json=body)


async def test_an_api_key_mints_tokens_until_it_is_revoked(client, owner):
    made = await call(client, "POST", "/api-keys", owner, 201, json={"name": "backend"})
    program = {"Authorization": f"Bearer {made['key']}"}
    room = await make(client, owner)
    token = await mint(client, room, program)
    assert (await first(client, room, token=token))[1]["type"] == "welcome"
    listed = await call(client, "GET", "/api-keys", owner)
    assert [set(key) for key in listed] == [{"id", "name", "createdAt"}]
    async with client.app[DATABASE].transaction() as session:
        assert made["key"] not in str((await session.scalars(select(ApiKeyRow.key_hash))).all())
    # A key is for rooms alone: it makes no keys.
    await call(client, "POST", "/api-keys", program, 401, json={"name": "more"})
    other = await account(client, "other")
    await call(client, "DELETE", f"/api-keys/{made['id']}", other, 404)
    await call(client, "DELETE", f"/api-keys/{made['id']}", owner, 204)
    await call(client, "POST", f"/rooms/{room}/tokens", program, 401, json={})
    _, refused = await first(client, room, token=token)
    assert refused["code"] == "token_invalid"


async def test_the_chat_that_is_kept_is_bounded(make_settings):
    app = create_app(make_settings(rooms={"chat_history": 3}))
    async with TestClient(TestServer(app)) as client:
        owner = await account(client, "owner")
        ws, _ = await first(client, await make(client, owner), owner)
        for index in range(8):
            await ws.send_json({"type": "chat", "text": f"m{index}"})
            await until(ws, "chat")
        async with asyncio.timeout(PATIENCE):
            while True:
                async with app[DATABASE].transaction() as session:
                    kept = (await session.scalars(select(ChatMessageRow.text))).all()
                if sorted(kept) == ["m5", "m6", "m7"]:
                    return


SECRET = "s" * 32


def token(**fields):
    values = {"id": uuid.uuid4(), "room_id": "r", "name": "", "grants": Grants(), "expires_at": 2_000}
    return JoinToken(**values | fields)


def test_a_join_token_says_what_was_put_into_it():
    tokens = JoinTokens(SECRET, clock=lambda: 1_000.0)
    wanted = token(name="Ada", grants=Grants(frozenset({"screen"}), subscribe=False, hidden=True))
    assert tokens.verify(tokens.issue(wanted)) == wanted
    old = JoinTokens("o" * 32, clock=lambda: 1_000.0).issue(wanted)
    assert JoinTokens(SECRET, ["o" * 32], clock=lambda: 1_000.0).verify(old) == wanted


def test_neither_kind_of_token_passes_for_the_other():
    access, join = AccessTokens(SECRET, 600), JoinTokens(SECRET)
    with pytest.raises(TokenError):
        access.verify(join.issue(token(expires_at=int(time.time()) + 600)))
    of_account = access.issue(Identity(1, "ada"))
    assert not join.is_one(of_account)
    with pytest.raises(TokenError):
        join.verify(of_account)


@pytest.mark.parametrize(
    "forge",
    [
        lambda claims: jwt.encode(claims, None, algorithm="none"),
        lambda claims: jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": "x"}),
        lambda claims: jwt.encode(claims, SECRET, algorithm="HS256"),
        lambda claims: "a.b.c",
        lambda claims: "",
    ],
)
def test_forged_join_tokens_are_refused(forge):
    tokens = JoinTokens(SECRET, clock=lambda: 1_000.0)
    claims = jwt.decode(tokens.issue(token()), options={"verify_signature": False})
    with pytest.raises(TokenError) as caught:
        tokens.verify(forge(claims))
    assert caught.value.code == "token_invalid"


def test_an_expired_join_token_says_so():
    signed = JoinTokens(SECRET, clock=lambda: 1_000.0).issue(token())
    with pytest.raises(TokenError) as caught:
        JoinTokens(SECRET, clock=lambda: 2_000.0).verify(signed)
    assert caught.value.code == "token_expired"


async def test_what_is_too_old_is_forgotten(client, owner):
    database, rooms = client.app[DATABASE], client.app[ROOMS]
    used, unused = await make(client, owner), await make(client, owner)
    ws, _ = await first(client, used, owner)
    await ws.send_json({"type": "chat", "text": "old"})
    await until(ws, "chat")
    await mint(client, used, owner)
    rooms.forget(unused, ROOM_DELETED, 0.0)
    async with asyncio.timeout(PATIENCE):
        while True:
            async with database.transaction() as session:
                if (await session.scalars(select(ChatMessageRow.text))).all():
                    break
    expiry = Expiry(database, rooms, timedelta(days=30), lambda: datetime.now(UTC))
    assert await expiry.forget() == 0
    expiry = Expiry(database, rooms, timedelta(days=30), lambda: datetime.now(UTC) + timedelta(days=31))
    assert await expiry.forget() == 3
    await call(client, "GET", f"/rooms/{used}", owner)
    await call(client, "GET", f"/rooms/{unused}", owner, 404)


async def test_what_cannot_be_written_takes_nothing_else_with_it(client, owner):
    room = await make(client, owner)
    database = client.app[DATABASE]
    recorder = Recorder(database, 10)

    def said(text):
        data = {"id": text, "from": "a", "displayName": "Ann", "text": text, "timestamp": 1}
        return RoomEvent("chat.sent", room, "call", data)

    recorder.record(said("first"))
    # Of an account that has been deleted since.
    recorder.record(RoomEvent("role.changed", room, "call", {"userId": 999_999, "role": "moderator"}))
    recorder.record(said("last"))
    running = recorder.run(client.app)
    await anext(running)
    with pytest.raises(StopAsyncIteration):
        await anext(running)
    async with database.transaction() as session:
        texts = (await session.scalars(select(ChatMessageRow.text).order_by(ChatMessageRow.number))).all()
    assert list(texts) == ["first", "last"]
    assert (recorder.waiting, recorder.dropped) == (0, 1)


async def test_what_was_written_already_is_not_written_again(client, owner):
    """The database wrote it, and its answer was lost."""
    room, other = await make(client, owner), await make(client, owner)
    database = client.app[DATABASE]

    async def write(*said):
        recorder = Recorder(database, 10)
        for where, name in said:
            data = {"id": name, "from": "a", "displayName": "Ann", "text": name, "timestamp": 1}
            recorder.record(RoomEvent("chat.sent", where, "call", data))
        running = recorder.run(client.app)
        await anext(running)
        with pytest.raises(StopAsyncIteration):
            await anext(running)
        assert (recorder.waiting, recorder.dropped) == (0, 0)

    await write((room, "first"), (room, "second"))
    await write((room, "first"), (room, "second"), (room, "third"), (other, "first"))
    async with database.transaction() as session:
        rows = await session.execute(
            select(ChatMessageRow.room_id, ChatMessageRow.text).order_by(ChatMessageRow.number)
        )
        assert list(rows) == [(room, "first"), (room, "second"), (room, "third"), (other, "first")]
