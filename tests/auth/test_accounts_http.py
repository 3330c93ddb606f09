import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from blockbuster import blockbuster_ctx
from sqlalchemy import select, text

from auth.models import RefreshToken, User
from auth.refresh_tokens import hash_token
from chatter.app import DATABASE, create_app

ALICE = {"username": "alice", "password": "securepassword"}
LAPTOP = {"X-Device-ID": "laptop"}
PHONE = {"X-Device-ID": "phone"}


async def error_of(response):
    assert response.content_type == "application/problem+json"
    body = await response.json()
    assert body["status"] == response.status
    # The form that the API had first.
    assert body["error"] == {"code": body["code"], "message": body["detail"]}
    return response.status, body["code"]


async def register(client, credentials=ALICE, headers=LAPTOP):
    return await client.post("/auth/register", json=credentials, headers=headers)


def bearer(body):
    return {"Authorization": f"Bearer {body['token']}"}


def refresh_cookie(response):
    return response.cookies["refresh_token"]


async def test_registering_signs_in(client):
    response = await register(client)
    assert response.status == 200
    body = await response.json()
    assert set(body) == {"id", "token", "username"}
    assert (body["id"], body["username"]) == (1, "alice")
    claims = jwt.decode(body["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["username"], claims["iss"]) == ("1", "alice", "chatter")
    assert claims["exp"] - claims["iat"] == 24 * 3600


@pytest.mark.parametrize(("headers", "secure"), [({}, False), ({"X-Forwarded-Proto": "https"}, True)])
async def test_the_cookie_is_out_of_reach(client, headers, secure):
    cookie = refresh_cookie(await register(client, headers={**LAPTOP, **headers}))
    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"]) == ("Lax", "/auth")
    assert cookie["max-age"] == str(1440 * 3600)
    assert bool(cookie["secure"]) is secure


async def test_only_hashes_are_stored(client):
    token = refresh_cookie(await register(client)).value
    async with client.app[DATABASE].transaction() as session:
        row = (await session.scalars(select(RefreshToken))).one()
        user = (await session.scalars(select(User))).one()
    assert len(row.token_hash) == 64
    assert token not in row.token_hash
    assert b"securepassword" not in user.password_hash


@pytest.mark.parametrize("username", ["alice", "ALICE", "Alice"])
async def test_a_username_is_taken_whatever_its_case(client, username):
    await register(client)
    response = await register(client, {**ALICE, "username": username}, PHONE)
    assert await error_of(response) == (409, "username_taken")


@pytest.mark.parametrize("username", ["alice", "ALICE"])
async def test_signing_in(client, username):
    await register(client)
    response = await client.post("/auth/login", json={**ALICE, "username": username}, headers=PHONE)
    assert response.status == 200
    body = await response.json()
    assert (body["id"], body["username"]) == (1, "alice")
    assert refresh_cookie(response).value


@pytest.mark.parametrize(
    "credentials",
    [
        {**ALICE, "password": "wrongpassword"},
        {**ALICE, "password": "short"},
        {**ALICE, "password": "x" * 5000},
        {**ALICE, "username": "bob"},
        {**ALICE, "username": "no such name"},
    ],
)
async def test_refuses_wrong_credentials_all_alike(client, credentials):
    await register(client)
    response = await client.post("/auth/login", json=credentials, headers=LAPTOP)
    assert await error_of(response) == (401, "invalid_credentials")
    assert "refresh_token" not in response.cookies


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login"])
@pytest.mark.parametrize(
    ("data", "headers", "expected"),
    [
        (b"{", {}, (400, "invalid_json")),
        (b"\xff\xfe\xfd", {}, (400, "invalid_json")),
        (b"[" * 10_000, {}, (400, "invalid_json")),
        (b"[]", {}, (400, "invalid_body")),
        (b'{"username": "alice"}', {}, (400, "invalid_password")),
        (b'{"password": "securepassword"}', {}, (400, "invalid_username")),
        (b"{}", {"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
        (b"x" * 17_000, {}, (413, "body_too_large")),
        (json.dumps(ALICE).encode(), {"X-Device-ID": ""}, (400, "invalid_device_id")),
        (json.dumps(ALICE).encode(), {"X-Device-ID": None}, (400, "missing_device_id")),
    ],
)
async def test_bad_requests_are_named(client, path, data, headers, expected):
    sent = {"Content-Type": "application/json", **LAPTOP, **headers}
    response = await client.post(path, data=data, headers={k: v for k, v in sent.items() if v is not None})
    assert await error_of(response) == expected


@pytest.mark.parametrize(("size", "expected"), [(17_000, 413), (200_000, 413)])
async def test_a_body_of_undeclared_length_is_bounded(client, size, expected):
    async def chunks():
        yield b"x" * size

    headers = {"Content-Type": "application/json", **LAPTOP}
    response = await client.post("/auth/login", data=chunks(), headers=headers)
    assert await error_of(response) == (expected, "body_too_large")


async def test_refreshing_rotates_the_token(client):
    first = refresh_cookie(await register(client)).value
    response = await client.post("/auth/refresh", cookies={"refresh_token": first})
    assert response.status == 200
    assert set(await response.json()) == {"id", "token", "username"}
    second = refresh_cookie(response).value
    assert second != first
    # The answer may have got lost.
    again = await client.post("/auth/refresh", cookies={"refresh_token": first})
    assert refresh_cookie(again).value == second
    third = refresh_cookie(await client.post("/auth/refresh", cookies={"refresh_token": second})).value
    stale = await client.post("/auth/refresh", cookies={"refresh_token": first})
    assert await error_of(stale) == (401, "refresh_token_reused")
    ended = await client.post("/auth/refresh", cookies={"refresh_token": third})
    assert await error_of(ended) == (401, "refresh_token_invalid")


@pytest.mark.parametrize("cookies", [{}, {"refresh_token": ""}, {"refresh_token": "made-up"}])
async def test_refreshing_needs_a_token_of_ours(client, cookies):
    assert await error_of(await client.post("/auth/refresh", cookies=cookies)) == (
        401,
        "refresh_token_invalid",
    )


async def test_signing_in_again_replaces_the_session_of_the_device(client):
    old = refresh_cookie(await register(client)).value
    body = await (await client.post("/auth/login", json=ALICE, headers=LAPTOP)).json()
    assert len(await (await client.get("/auth/sessions", headers=bearer(body))).json()) == 1
    client.session.cookie_jar.clear()
    assert (await client.post("/auth/refresh", cookies={"refresh_token": old})).status == 401


async def test_signing_out_ends_the_session(client):
    token = refresh_cookie(await register(client)).value
    response = await client.post("/auth/logout")
    assert response.status == 204
    assert refresh_cookie(response)["max-age"] == "0"
    assert refresh_cookie(response)["path"] == "/auth"
    assert (await client.post("/auth/refresh", cookies={"refresh_token": token})).status == 401
    # Once more, and without a session, it is no error.
    assert (await client.post("/auth/logout")).status == 204


async def test_sessions_tell_devices_apart(client):
    body = await (await register(client)).json()
    await client.post("/auth/login", json=ALICE, headers=PHONE)
    await register(client, {**ALICE, "username": "bob"}, {"X-Device-ID": "tablet"})
    client.session.cookie_jar.clear()
    response = await client.get("/auth/sessions", headers={**bearer(body), **LAPTOP})
    assert response.status == 200
    sessions = {session["deviceId"]: session for session in await response.json()}
    assert set(sessions) == {"laptop", "phone"}
    assert {device: session["current"] for device, session in sessions.items()} == {
        "laptop": True,
        "phone": False,
    }
    for session in sessions.values():
        assert set(session) == {
            *("id", "deviceId", "device", "address", "createdAt", "expiresAt", "lastSeen", "current")
        }
        assert (session["address"], session["device"]) == ("127.0.0.1", "Python")
        last_seen = datetime.strptime(session["lastSeen"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        expires_at = datetime.strptime(session["expiresAt"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - last_seen) < timedelta(minutes=1)
        assert timedelta(0) <= expires_at - last_seen - timedelta(hours=1440) <= timedelta(seconds=1)


async def test_the_current_session_is_known_by_its_cookie(client):
    await register(client)
    body = await (await client.post("/auth/login", json=ALICE, headers=PHONE)).json()
    sessions = await (await client.get("/auth/sessions", headers=bearer(body))).json()
    assert [session["deviceId"] for session in sessions if session["current"]] == ["phone"]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "token_missing"),
        ("", "token_missing"),
        ("Bearer", "token_missing"),
        ("Bearer ", "token_missing"),
        ("Basic YTpi", "token_missing"),
        ("Bearer nonsense", "token_invalid"),
    ],
)
async def test_sessions_need_a_token(client, header, code):
    headers = {} if header is None else {"Authorization": header}
    response = await client.get("/auth/sessions", headers=headers)
    assert await error_of(response) == (401, code)
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_an_expired_token_says_so(make_settings):
    settings = make_settings(auth={"access_ttl": "1us"})
    async with TestClient(TestServer(create_app(settings))) as client:
        body = await (await register(client)).json()
        response = await client.get("/auth/sessions", headers=bearer(body))
        assert await error_of(response) == (401, "token_expired")


async def test_accounts_last(make_settings):
    settings = make_settings()
    async with TestClient(TestServer(create_app(settings))) as client:
        body = await (await register(client)).json()
    async with TestClient(TestServer(create_app(settings))) as client:
        assert (await client.get("/auth/sessions", headers=bearer(body))).status == 200
        assert (await client.post("/auth/login", json=ALICE, headers=LAPTOP)).status == 200


async def test_a_database_that_fails_is_told_and_logged_without_secrets(client, caplog):
    token = refresh_cookie(await register(client)).value
    async with client.app[DATABASE].engine.begin() as connection:
        await connection.execute(text("ALTER TABLE refresh_tokens RENAME TO away"))
    response = await client.post("/auth/refresh")
    assert await error_of(response) == (503, "database_unavailable")
    assert response.headers["Retry-After"] == "5"
    assert "no such table" in caplog.records[-2].reason
    assert hash_token(token) not in caplog.text
    assert (await client.get("/health")).status == 200


async def test_a_client_that_goes_away_is_no_failure(make_settings, caplog):
    # As it is served: the test server would cancel the route.
    runner = web.AppRunner(create_app(make_settings()))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        b"POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"X-Device-ID: d\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    )
    # The route is waiting for the body.
    assert await asyncio.wait_for(reader.readline(), 10) == b"HTTP/1.1 100 Continue\r\n"
    writer.close()
    gone = 'http_requests_total{method="POST",path="/auth/login",status="499"} 1.0'
    async with asyncio.timeout(10), ClientSession() as http:
        metrics = ""
        while gone not in metrics:
            async with http.get(f"http://{host}:{port}/metrics") as response:
                metrics = await response.text()
    await runner.cleanup()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_nothing_blocks_the_event_loop(client):
    with blockbuster_ctx():
        await register(client)
        body = await (await client.post("/auth/login", json=ALICE, headers=LAPTOP)).json()
        assert (await client.post("/auth/refresh")).status == 200
        assert (await client.get("/auth/sessions", headers=bearer(body))).status == 200
        assert (await client.post("/auth/logout")).status == 204


async def test_an_account_tells_who_it_is(client):
    body = await (await register(client)).json()
    answer = await client.get("/auth/account", headers=bearer(body))
    told = await answer.json()
    assert (set(told), told["id"], told["username"]) == ({"id", "username", "createdAt"}, 1, "alice")


async def test_a_device_is_signed_out_by_another(client):
    laptop = await (await register(client)).json()
    phone = await (await client.post("/auth/login", json=ALICE, headers=PHONE)).json()
    sessions = await (await client.get("/auth/sessions", headers=bearer(laptop))).json()
    target = next(session["id"] for session in sessions if session["deviceId"] == "phone")
    answers = [await client.delete(f"/auth/sessions/{target}", headers=bearer(laptop)) for _ in range(2)]
    assert answers[0].status == 204
    assert await error_of(answers[1]) == (404, "session_not_found")
    # Its access token ends with it.
    refused = await client.get("/auth/sessions", headers=bearer(phone))
    assert await error_of(refused) == (401, "token_invalid")
    malformed = await client.delete("/auth/sessions/none", headers=bearer(laptop))
    assert await error_of(malformed) == (400, "invalid_request")


@pytest.mark.parametrize(("query", "cookie_stays"), [("", False), ("?keepCurrent=true", True)])
async def test_signing_out_everywhere_over_http(client, query, cookie_stays):
    body = await (await register(client)).json()
    answer = await client.delete(f"/auth/sessions{query}", headers=bearer(body))
    assert answer.status == 204
    assert ("refresh_token" not in answer.cookies) is cookie_stays
    assert (await client.post("/auth/refresh")).status == (200 if cookie_stays else 401)


async def test_the_password_is_changed(client):
    body = await (await register(client)).json()
    change = {"currentPassword": "securepassword", "newPassword": "another secret"}
    wrong = await client.post("/auth/password", json=change | {"currentPassword": "no"}, headers=bearer(body))
    assert await error_of(wrong) == (403, "wrong_password")
    short = await client.post("/auth/password", json=change | {"newPassword": "no"}, headers=bearer(body))
    assert await error_of(short) == (400, "invalid_request")
    assert (await client.post("/auth/password", json=change, headers=bearer(body))).status == 204
    assert (await client.post("/auth/refresh")).status == 200
    assert (await client.post("/auth/login", json=ALICE, headers=PHONE)).status == 401
    again = {**ALICE, "password": "another secret"}
    assert (await client.post("/auth/login", json=again, headers=PHONE)).status == 200


async def test_the_account_is_deleted(client):
    body = await (await register(client)).json()
    refused = await client.post("/auth/account/delete", json={"password": "no"}, headers=bearer(body))
    assert await error_of(refused) == (403, "wrong_password")
    answer = await client.post(
        "/auth/account/delete", json={"password": "securepassword"}, headers=bearer(body)
    )
    assert (answer.status, refresh_cookie(answer)["max-age"]) == (204, "0")
    assert (await client.get("/auth/account", headers=bearer(body))).status == 401
    assert (await client.post("/auth/login", json=ALICE, headers=LAPTOP)).status == 401


async def test_a_call_is_not_joined_with_the_token_of_a_session_that_ended(client):
    body = await (await register(client)).json()
    await client.post("/auth/logout")
    async with client.ws_connect(f"/ws/room?token={body['token']}") as ws:
        assert (await ws.receive_json())["code"] == "token_invalid"
        await ws.receive()
        assert ws.close_code == 4401


@pytest.mark.parametrize(
    ("limit", "path", "body", "first"),
    [
        ({"login_attempts": 2}, "/auth/login", {**ALICE, "password": "wrongpassword"}, 401),
        ({"login_attempts": 2}, "/auth/login", {**ALICE, "username": "nobody"}, 401),
        ({"registrations": 2}, "/auth/register", ALICE, 409),
    ],
)
async def test_too_much_is_told_when_to_come_back(make_settings, limit, path, body, first):
    async with TestClient(TestServer(create_app(make_settings(auth=limit)))) as client:
        await register(client)
        answers = [await client.post(path, json=body, headers=PHONE) for _ in range(3)]
        assert answers[0].status == first
        assert await error_of(answers[2]) == (429, "rate_limited")
        assert 0 < int(answers[2].headers["Retry-After"]) <= 3600
        # Who comes by a trusted proxy from somewhere else is somebody else.
        elsewhere = {**PHONE, "X-Forwarded-For": "203.0.113.7"}
        assert (await client.post(path, json=body, headers=elsewhere)).status == first


async def test_refreshing_too_often_is_refused(make_settings):
    settings = make_settings(auth={"refreshes": 2})
    async with TestClient(TestServer(create_app(settings))) as client:
        await register(client)
        statuses = [(await client.post("/auth/refresh")).status for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_a_secret_is_changed_without_signing_anybody_out(make_settings):
    old, new = "o" * 32, "n" * 32
    async with TestClient(TestServer(create_app(make_settings(auth={"secret": old})))) as client:
        body = await (await register(client)).json()
    for changed, status in (
        ({"secret": new, "previous_secret": old}, 200),
        ({"secret": new}, 401),
    ):
        async with TestClient(TestServer(create_app(make_settings(auth=changed)))) as client:
            assert (await client.get("/auth/account", headers=bearer(body))).status == status


async def test_expired_rows_are_deleted_at_the_start(make_settings):
    settings = make_settings()
    async with TestClient(TestServer(create_app(settings))) as client:
        await register(client)
        await client.post("/auth/logout")
        database = client.app[DATABASE]
        async with database.transaction() as session:
            assert len(list(await session.scalars(select(RefreshToken)))) == 1
    async with TestClient(TestServer(create_app(settings))) as client, asyncio.timeout(10):
        database, left = client.app[DATABASE], 1
        while left:
            async with database.transaction() as session:
                left = len(list(await session.scalars(select(RefreshToken))))
