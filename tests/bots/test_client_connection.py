"""What a client repeats, what it waits for, and what it raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import bots
from bots.client.answers import AccountInfo
from bots.client.connection import Connection, Request, path_of
from bots.client.retry import Attempt, Retries, retry_after
from bots.errors import FieldProblem

RETRIES = Retries(attempts=4, first_wait=1.0, longest_wait=3.0, longest_retry_after=60.0)


@pytest.mark.parametrize(
    ("attempt", "repeatable", "wait"),
    [
        (Attempt(1, None), True, 1.0),
        (Attempt(2, None), True, 2.0),
        (Attempt(3, None), True, 3.0),
        (Attempt(4, None), True, None),
        (Attempt(1, None), False, None),
        (Attempt(1, None, sent=False), False, 1.0),
        (Attempt(1, 429, 7.0), False, 7.0),
        (Attempt(1, 429, 60.0), False, 60.0),
        (Attempt(1, 429, 61.0), True, None),
        (Attempt(1, 503), True, 1.0),
        (Attempt(1, 503, 5.0), True, 5.0),
        (Attempt(1, 503, 5.0), False, None),
        (Attempt(1, 502), True, 1.0),
        (Attempt(1, 504), True, 1.0),
        (Attempt(1, 500), True, None),
        (Attempt(1, 409), True, None),
        (Attempt(1, 409, 1.0), True, 1.0),
        (Attempt(1, 409, 1.0), False, None),
        (Attempt(1, 404), True, None),
    ],
)
def test_when_a_request_is_sent_again(attempt, repeatable, wait):
    assert RETRIES.wait(attempt, repeatable=repeatable, chance=0.0) == wait


def test_clients_do_not_come_back_at_once():
    assert RETRIES.wait(Attempt(1, 503), repeatable=True, chance=0.5) == 0.75
    # Never sooner than the server asked.
    assert RETRIES.wait(Attempt(1, 503, 5.0), repeatable=True, chance=0.5) == 5.5


NOW = datetime(2026, 2, 7, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Sat, 07 Feb 2026 12:00:30 GMT", 30.0),
        ("Sat, 07 Feb 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("9" * 400, None),
        ("²", None),
        ("", None),
    ],
)
def test_how_long_a_server_asks_to_wait(text, seconds):
    assert retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    ("segments", "path"),
    [(("rooms", "abc"), "/rooms/abc"), (("rooms", "a/b?c%"), "/rooms/a%2Fb%3Fc%25")],
)
def test_an_id_stays_one_segment(segments, path):
    assert path_of(*segments) == path


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_what_is_no_id(segment):
    with pytest.raises(ValueError, match="is no id"):
        path_of("rooms", segment)


@pytest.mark.parametrize("server", ["", "example.com", "ftp://example.com", "http://", "http://a:99999"])
def test_what_is_no_server(server):
    with pytest.raises(bots.AddressInvalid, match="expected http"):
        bots.Client(server)


LOST = object()
"""In the place of an answer: the connection is cut."""


@pytest.fixture
async def server():
    """Answers what a test puts there, one after another."""
    requests, script = [], []

    async def handle(request):
        requests.append((request.method, request.path, request.headers.get("Authorization")))
        answer = script.pop(0)
        if answer is LOST:
            request.transport.abort()
            return web.Response()
        status, body, headers = answer
        if isinstance(body, str):
            return web.Response(text=body, status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as running:
        running.requests, running.script = requests, script
        yield running


@pytest.fixture
async def connection(server):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    made = Connection(
        str(server.make_url("")), token="t", timeout=10.0, retries=Retries(), ssl=True, sleep=sleep
    )
    made.waits = waits
    await made.open()
    yield made
    await made.close()


def problem(status, code, **headers):
    return (status, {"code": code, "detail": "No.", "status": status}, headers)


ANN = {"id": 1, "username": "ann", "createdAt": "2026-02-07T12:00:00Z"}
GET = Request("GET", "/x")
POST = Request("POST", "/x", {})


async def test_a_get_is_repeated_until_it_is_answered(server, connection):
    # aiohttp itself sends again once.
    server.script += [LOST, LOST, problem(503, "busy", **{"Retry-After": "5"}), (200, ANN, {})]
    assert (await connection.call(GET, AccountInfo)).username == "ann"
    assert len(server.requests) == 4
    assert connection.waits[0] <= 0.25
    assert 5 <= connection.waits[1] <= 5.25


async def test_a_post_that_may_have_been_done_is_not_repeated(server, connection):
    server.script.append(LOST)
    with pytest.raises(bots.ServerUnreachable) as failed:
        await connection.do(POST)
    assert failed.value.sent
    server.script.append(problem(503, "database_unavailable", **{"Retry-After": "5"}))
    with pytest.raises(bots.ApiProblem) as refused:
        await connection.do(POST)
    assert (refused.value.retry_after, connection.waits) == (5.0, [])


async def test_a_post_that_was_not_let_in_is_repeated(server, connection):
    server.script += [problem(429, "rate_limited", **{"Retry-After": "3"}), (204, "", {})]
    await connection.do(POST)
    assert len(server.requests) == 2
    assert 3 <= connection.waits[0] <= 3.25


async def test_nobody_waits_for_an_hour(server, connection):
    server.script.append(problem(429, "rate_limited", **{"Retry-After": "3600"}))
    with pytest.raises(bots.ApiProblem) as refused:
        await connection.do(POST)
    assert (refused.value.code, refused.value.retry_after, connection.waits) == ("rate_limited", 3600.0, [])


@pytest.mark.parametrize("lost", [[LOST], [LOST, LOST]])
async def test_a_delete_whose_answer_got_lost_was_done(server, connection, lost):
    server.script += [*lost, problem(404, "room_not_found")]
    await connection.do(Request("DELETE", "/x"))
    assert len(server.requests) == len(lost) + 1
    server.script.append(problem(404, "room_not_found"))
    with pytest.raises(bots.ApiProblem):
        await connection.do(Request("DELETE", "/x"))


async def test_nobody_there(server, connection):
    await server.close()
    with pytest.raises(bots.ServerUnreachable, match="cannot be reached") as failed:
        await connection.do(POST)
    assert not failed.value.sent
    assert len(connection.waits) == 3


async def test_an_expired_token_is_renewed_once(server, connection):
    async def renew():
        connection.token = "new"

    connection.renew = renew
    server.script += [problem(401, "token_expired"), (204, "", {})]
    await connection.do(POST)
    assert [token for _, _, token in server.requests] == ["Bearer t", "Bearer new"]
    server.script += [problem(401, "token_expired"), problem(401, "token_expired")]
    with pytest.raises(bots.ApiProblem, match="token_expired"):
        await connection.do(POST)


async def test_a_refusal_has_all_that_the_server_said(server, connection):
    body = {
        "type": "/docs#error-invalid_username",
        "title": "The username is not allowed",
        "status": 400,
        "detail": "Too short.",
        "code": "invalid_username",
        "errors": [{"pointer": "#/username", "detail": "Too short."}, 7],
    }
    server.script.append((400, body, {}))
    with pytest.raises(bots.ApiProblem, match=r"Too short\. \(invalid_username\)") as refused:
        await connection.do(POST)
    found = refused.value
    assert (found.status, found.code, found.detail) == (400, "invalid_username", "Too short.")
    assert (found.type, found.title) == ("/docs#error-invalid_username", "The username is not allowed")
    assert found.errors == (FieldProblem("#/username", "Too short."),)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((500, "<html>", {}), "GET /x was answered with HTTP 500"),
        ((400, ["no"], {}), "GET /x was answered with HTTP 400"),
        ((400, {"code": 7}, {}), "GET /x was answered with HTTP 400"),
        ((301, "", {"Location": "https://x/x"}), "a redirection to https://x/x: use that server's address"),
    ],
)
async def test_what_is_no_problem(server, connection, answer, sentence):
    server.script.append(answer)
    with pytest.raises(bots.ApiProblem, match=sentence) as refused:
        await connection.call(GET, AccountInfo)
    assert refused.value.code == "http_error"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [("<html>", "the whole: Invalid JSON"), ([], "the whole"), ({"id": 1, "username": "a"}, "createdAt")],
)
async def test_an_answer_of_another_form(server, connection, body, sentence):
    server.script.append((200, body, {}))
    with pytest.raises(bots.ProtocolViolated, match=f"GET /x was answered with something else: {sentence}"):
        await connection.call(GET, AccountInfo)


async def test_a_client_is_used_in_a_block():
    with pytest.raises(RuntimeError, match="async with Client"):
        await bots.Client("http://localhost").rooms.get("abc")
