"""What pages of other sites can do with the cookie of somebody who visits them: nothing."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chatter.app import create_app

HOST = "chat.example.com"
APP = "https://app.example.org"
OWN = "https://chat.example.com"
NEIGHBOUR = "https://blog.example.com"
EVIL = "https://evil.example"

# Which headers a browser writes, what the operator allows, and whether the cookie may speak.
REQUESTS = [
    ({}, [], True),
    ({"Origin": OWN}, [], True),
    ({"Origin": "http://chat.example.com"}, [], True),
    ({"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, [], True),
    ({"Sec-Fetch-Site": "none"}, [], True),
    # A proxy that changes Host: the browser knows better.
    ({"Origin": "https://public.example", "Sec-Fetch-Site": "same-origin"}, [], True),
    ({"Origin": APP, "Sec-Fetch-Site": "cross-site"}, [APP], True),
    ({"Origin": APP}, [APP], True),
    ({"Origin": EVIL}, [], False),
    ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, [APP], False),
    # For all pages means: without cookies.
    ({"Origin": EVIL}, ["*"], False),
    ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, ["*"], False),
    # The same site has other hosts, whose pages get the cookie in spite of SameSite.
    ({"Origin": NEIGHBOUR, "Sec-Fetch-Site": "same-site"}, [], False),
    ({"Origin": f"{OWN}:8443"}, [], False),
    ({"Origin": f"{OWN}.evil.example"}, [], False),
    # A sandboxed frame, and a form of an old page.
    ({"Origin": "null"}, [], False),
    ({"Sec-Fetch-Site": "cross-site"}, [], False),
    # A browser's own word cannot be talked over by a forged Host.
    ({"Origin": OWN, "Sec-Fetch-Site": "cross-site"}, [], False),
    ({"Origin": "https://[", "Host": HOST}, [], False),
]


@pytest.mark.parametrize(("headers", "allowed", "good"), REQUESTS)
async def test_a_cookie_speaks_for_pages_of_its_own_only(make_settings, headers, allowed, good):
    app = create_app(make_settings(server={"cors_origins": allowed}))
    async with TestClient(TestServer(app)) as client:
        made = await client.post(
            "/auth/register",
            json={"username": "alice", "password": "securepassword"},
            headers={"X-Device-ID": "laptop"},
        )
        token = made.cookies["refresh_token"].value
        sent = {"Host": HOST, "Cookie": f"refresh_token={token}"} | headers
        for path in ("/auth/refresh", "/auth/logout"):
            answer = await client.post(path, headers=sent)
            if good:
                assert answer.status in (200, 204)
            else:
                assert (answer.status, (await answer.json())["code"]) == (403, "cross_site_request")
                assert "Set-Cookie" not in answer.headers
        # Refused is: nothing has happened to the session.
        again = await client.post("/auth/refresh", headers={"Host": HOST, "Cookie": f"refresh_token={token}"})
        assert again.status == (401 if good else 200)


async def test_what_else_signs_in_takes_no_form_of_another_site(client):
    form = {"username": "alice", "password": "securepassword"}
    for path in ("/auth/register", "/auth/login"):
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            headers = {"X-Device-ID": "laptop", "Origin": EVIL, "Content-Type": content_type}
            answer = await client.post(path, data=str(form).encode(), headers=headers)
            assert answer.status == 415
            assert "Set-Cookie" not in answer.headers
