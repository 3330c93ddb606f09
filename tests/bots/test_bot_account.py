from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import bots
from bots.account import Account


@pytest.fixture
async def server():
    """Answers as docs/protocol.md's server does, with what a test puts there."""
    requests, answers = [], {}

    async def handle(request):
        requests.append((request.path, dict(request.headers), await request.json()))
        status, body = answers[request.path]
        return (
            web.json_response(body, status=status) if not isinstance(body, str) else web.Response(text=body)
        )

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    async with TestServer(app) as running:
        running.requests, running.answers = requests, answers
        yield running


SIGNED_IN = {"id": 7, "username": "ann", "token": "t0ken"}


@pytest.mark.parametrize(
    ("sign_in", "path"), [(Account.register, "/auth/register"), (Account.login, "/auth/login")]
)
async def test_signing_in(server, sign_in, path):
    server.answers[path] = (200, SIGNED_IN)
    account = await sign_in(str(server.make_url("/r/abc")), "ann", "secret phrase")
    assert (account.id, account.username, account.token) == (7, "ann", "t0ken")
    (asked,) = server.requests
    assert asked[0] == path
    assert asked[2] == {"username": "ann", "password": "secret phrase"}
    assert asked[1]["X-Device-ID"].startswith("client-")


@pytest.mark.parametrize(("mode", "body"), [(None, {}), ("sfu", {"mode": "sfu"})])
async def test_making_a_room(server, mode, body):
    server.answers |= {
        "/auth/login": (200, SIGNED_IN),
        "/rooms": (200, {"roomId": "abc", "wsUrl": "ws://x/ws/abc"}),
    }
    account = await Account.login(str(server.make_url("")), "ann", "secret phrase")
    assert await account.create_room(mode) == str(server.make_url("/r/abc"))
    path, headers, sent = server.requests[-1]
    assert (path, headers["Authorization"], sent) == ("/rooms", "Bearer t0ken", body)


@pytest.mark.parametrize(
    ("answer", "status", "code", "sentence"),
    [
        (
            (401, {"code": "wrong_password", "detail": "Wrong."}),
            401,
            "wrong_password",
            r"Wrong\.",
        ),
        ((500, {"oops": 1}), 500, "http_error", "/auth/login was answered with HTTP 500"),
        ((200, "<html>"), 200, "protocol", "/auth/login was answered with something else"),
        ((200, {"id": 7, "username": "ann"}), 200, "protocol", "something else: token"),
    ],
)
async def test_what_is_no_sign_in(server, answer, status, code, sentence):
    server.answers["/auth/login"] = answer
    with pytest.raises(bots.SignInFailed, match=sentence) as failed:
        await Account.login(str(server.make_url("")), "ann", "x")
    assert (failed.value.status, failed.value.code) == (status, code)


async def test_nobody_to_sign_in_to(server):
    url = str(server.make_url(""))
    await server.close()
    with pytest.raises(bots.SignInFailed, match=r"cannot be reached.*\(unreachable\)"):
        await Account.login(url, "ann", "x")
