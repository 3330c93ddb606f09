import logging
import socket
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from prometheus_client.parser import text_string_to_metric_families

from chatter.app import DATABASE, create_app, identify
from chatter.errors import SettingsError, StartError
from migrations.runner import Migrations

ALICE = {"username": "alice", "password": "securepassword"}
ORIGIN = "http://localhost:5173"
SECRET = "0123456789abcdef0123456789abcdef"


async def sign_in(client):
    response = await client.post("/auth/register", json=ALICE, headers={"X-Device-ID": "laptop"})
    return {"Authorization": f"Bearer {(await response.json())['token']}"}


async def test_health(client):
    response = await client.get("/health")
    assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_metrics(client):
    await client.get("/health")
    response = await client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(await response.text())}
    for name in ("http_requests", "http_request_duration_ms", "http_response_size_bytes"):
        (sample,) = families[name].samples
        assert sample.labels == {"method": "GET", "path": "/health", "status": "200"}
    assert families["chatter_rooms"].samples[0].value == 0
    assert {"chatter_joins", "chatter_media_drops", "process_open_fds"} <= set(families)


async def test_rooms_and_their_metrics(client):
    response = await client.post("/rooms", headers=await sign_in(client))
    assert response.status == 200
    body = await response.json()
    async with client.ws_connect(f"/ws/{body['roomId']}") as ws:
        assert (await ws.receive_json())["type"] == "welcome"
        text = await (await client.get("/metrics")).text()
        assert "chatter_rooms 1.0" in text
        assert "chatter_participants 1.0" in text
        assert "chatter_participants_detached 0.0" in text
        assert "chatter_joins_total 1.0" in text


async def test_two_apps_live_side_by_side(make_settings, tmp_path):
    first, second = (create_app(make_settings(data_dir=tmp_path / name)) for name in "ab")
    async with TestClient(TestServer(first)) as one, TestClient(TestServer(second)) as other:
        headers = await sign_in(one)
        assert (await one.get("/auth/sessions", headers=headers)).status == 200
        # Another app has another secret.
        assert (await other.get("/auth/sessions", headers=headers)).status == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allow"),
    [
        ("GET", "/no/such/thing", 404, "not_found", None),
        ("POST", "/no/such/thing", 404, "not_found", None),
        ("DELETE", "/auth/login", 405, "method_not_allowed", "POST"),
        ("PUT", "/rooms", 405, "method_not_allowed", "GET, HEAD, POST"),
    ],
)
async def test_refusals_are_json(client, method, path, status, code, allow):
    response = await client.request(method, path)
    assert response.status == status
    assert (await response.json())["error"]["code"] == code
    assert response.headers.get("Allow") == allow


async def test_people_get_a_page_instead(client):
    response = await client.get("/no/such/thing", headers={"Accept": "text/html,*/*"})
    assert (response.status, response.content_type) == (404, "text/html")


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_a_crash_is_told_without_its_inside(make_settings, accept, caplog):
    app = create_app(make_settings())

    async def crash(request: web.Request) -> web.Response:
        raise RuntimeError("inside")

    app.router.add_get("/crash", crash)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/crash", headers={"Accept": accept})
        body = await response.json()
        assert (response.status, body["error"]["code"]) == (500, "internal_error")
        assert "inside" not in body["error"]["message"]
        assert "inside" in caplog.text
        assert (await client.get("/health")).status == 200


@pytest.mark.parametrize(
    ("configured", "origin", "allowed", "credentials"),
    [
        ([ORIGIN], ORIGIN, ORIGIN, "true"),
        ([ORIGIN, "https://b.example"], "https://b.example", "https://b.example", "true"),
        ([ORIGIN], "https://evil.example", None, None),
        ([ORIGIN], ORIGIN + ".evil.example", None, None),
        ([ORIGIN], None, None, None),
        (["*"], "https://any.example", "*", None),
        ([], ORIGIN, None, None),
    ],
)
async def test_pages_of_other_sites(make_settings, configured, origin, allowed, credentials):
    app = create_app(make_settings(server={"cors_origins": configured}))
    headers = {} if origin is None else {"Origin": origin}
    async with TestClient(TestServer(app)) as client:
        # Refusals are marked too, or the page could not read them.
        for path in ("/health", "/nothing"):
            response = await client.get(path, headers=headers)
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
            assert response.headers.get("Access-Control-Allow-Credentials") == credentials
            assert response.headers["Vary"] == "Origin"
        preflight = await client.options(
            "/auth/login", headers={**headers, "Access-Control-Request-Method": "POST"}
        )
        assert preflight.headers.get("Access-Control-Allow-Origin") == allowed
        if origin is not None:
            assert preflight.status == (204 if allowed else 403)
        if allowed:
            assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
            for header in ("Authorization", "Content-Type", "X-Device-ID"):
                assert header in preflight.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("target", "user"),
    [("/ws/a?token={token}", (1, "alice")), ("/ws/a?token=nonsense", None), ("/ws/a", None)],
)
async def test_a_websocket_is_known_by_its_token(client, target, user):
    token = (await sign_in(client))["Authorization"].removeprefix("Bearer ")
    request = make_mocked_request("GET", target.format(token=token), app=client.app)
    assert identify(request) == user


@pytest.mark.parametrize(
    ("kind", "tcp", "named"),
    [
        (socket.SOCK_DGRAM, True, "UDP and TCP port"),
        (socket.SOCK_STREAM, True, "UDP and TCP port"),
        (socket.SOCK_DGRAM, False, "UDP port"),
    ],
)
async def test_a_media_port_in_use_is_one_sentence(make_settings, kind, tcp, named):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        if kind is socket.SOCK_STREAM:
            taken.listen()
        app = create_app(make_settings(media={"host": "127.0.0.1", "port": port, "tcp": tcp}))
        runner = web.AppRunner(app)
        with pytest.raises(
            StartError, match=rf"{named} {port} \(MEDIA_PORT, --media-port\) for media is in use"
        ):
            await runner.setup()
        await runner.cleanup()


async def test_a_plane_that_was_not_built_is_one_sentence(make_settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "sfu.plane._fast", None)
    runner = web.AppRunner(create_app(make_settings(media={"host": "127.0.0.1", "port": 0, "plane": "fast"})))
    with pytest.raises(StartError, match=r'MEDIA_PLANE is "fast", and .* set MEDIA_PLANE to auto\.$'):
        await runner.setup()
    await runner.cleanup()


@pytest.mark.parametrize("url", ["postgresql://me@db/chatter"])
def test_a_server_database_needs_a_secret(make_settings, url):
    with pytest.raises(SettingsError, match=r"AUTH_SECRET \(auth.secret\) is not set"):
        create_app(make_settings(database={"url": url}))


async def test_a_database_that_is_away_is_one_sentence(make_settings, unused_tcp_port):
    url = f"postgresql://me:hidden@127.0.0.1:{unused_tcp_port}/chatter"
    runner = web.AppRunner(create_app(make_settings(database={"url": url}, auth={"secret": SECRET})))
    with pytest.raises(StartError, match="cannot be used") as caught:
        await runner.setup()
    await runner.cleanup()
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.system
async def test_a_server_database_is_migrated_by_command_only(make_settings, postgres_database):
    url = postgres_database.render_as_string(hide_password=False)
    settings = make_settings(database={"url": url}, auth={"secret": SECRET})
    runner = web.AppRunner(create_app(settings))
    with pytest.raises(StartError, match=r"lacks the versions 00001, 00002, .*: run `chatter migrate up`"):
        await runner.setup()
    await runner.cleanup()
    app = create_app(settings)
    await Migrations(app[DATABASE].engine).up()
    async with TestClient(TestServer(app)) as client:
        headers = await sign_in(client)
        assert len(await (await client.get("/auth/sessions", headers=headers)).json()) == 1


@pytest.mark.parametrize(
    ("trusted", "address"), [(["127.0.0.1"], "203.0.113.7"), ([], "127.0.0.1"), (["192.0.2.1"], "127.0.0.1")]
)
async def test_logs_name_the_client_and_not_a_trusted_proxy(make_settings, caplog, trusted, address):
    caplog.set_level(logging.INFO, "chatter.access")
    app = create_app(make_settings(server={"trusted_proxies": trusted}))
    async with TestClient(TestServer(app)) as client:
        await client.get("/ready", headers={"X-Forwarded-For": "198.51.100.9, 203.0.113.7"})
    assert [line.remote_addr for line in caplog.records if line.name == "chatter.access"] == [address]
