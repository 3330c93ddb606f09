"""A call by way of nginx with TLS, as docker-compose.prod.yaml sets it up."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext

from tests.system.browser import Person
from tests.system.conditions import until, until_equal
from tests.system.conftest import StartServer
from tests.system.senses import decodes_everybody
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

NGINX = Path(__file__).parents[2] / "deploy" / "nginx"
STOP_LIMIT = 10.0

_MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/chatter.conf;
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def run(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


async def prepare(folder: Path, upstream: str, http: int, https: int) -> Path:
    """Fill in the template as the nginx image does, with other ports and a certificate of our own."""
    live = folder / "live" / "localhost"
    live.mkdir(parents=True)
    code, text = await run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", str(live / "privkey.pem"), "-out", str(live / "fullchain.pem")),
    )
    assert code == 0, text
    conf = (NGINX / "chatter.conf.template").read_text()
    for given, wanted in (
        ("${DOMAIN}", "localhost"),
        ("${UPSTREAM}", upstream),
        ("/etc/letsencrypt", str(folder)),
        ("/dev/stdout", f"{folder}/access.log"),
        ("listen 80;", f"listen 127.0.0.1:{http};"),
        ("listen [::]:80;", ""),
        ("listen 443 ssl;", f"listen 127.0.0.1:{https} ssl;"),
        ("listen [::]:443 ssl;", ""),
    ):
        assert given in conf
        conf = conf.replace(given, wanted)
    (folder / "chatter.conf").write_text(conf)
    main = folder / "nginx.conf"
    main.write_text(_MAIN.format(folder=folder))
    return main


@asynccontextmanager
async def nginx(folder: Path, server: Server) -> AsyncIterator[tuple[int, int]]:
    """nginx before the server; its ports for HTTP and HTTPS."""
    http, https = free_port(), free_port()
    main = await prepare(folder, server.url.removeprefix("http://"), http, https)
    code, text = await run("/usr/sbin/nginx", "-t", "-c", str(main))
    assert code == 0, text
    process = await asyncio.create_subprocess_exec("/usr/sbin/nginx", "-c", str(main))

    async def listens() -> bool:
        assert process.returncode is None
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", https)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await until(listens, "nginx listens")
        yield http, https
    finally:
        process.terminate()
        async with asyncio.timeout(STOP_LIMIT):
            await process.wait()


async def test_a_call_through_nginx(start_server: StartServer, tmp_path: Path, chromium: Browser) -> None:
    server = await start_server(SERVER_TRUSTED_PROXIES="127.0.0.1")
    async with nginx(tmp_path, server) as (http_port, port):
        base = f"https://localhost:{port}"
        trusted = ssl.create_default_context(cafile=str(tmp_path / "live/localhost/fullchain.pem"))
        connector = aiohttp.TCPConnector(ssl=trusted)
        async with aiohttp.ClientSession(connector=connector) as http:
            async with http.get(f"http://localhost:{http_port}/r/x", allow_redirects=False) as moved:
                assert (moved.status, moved.headers["Location"]) == (301, "https://localhost/r/x")
            async with http.get(f"{base}/metrics") as hidden:
                assert hidden.status == 404
            credentials = {"username": f"ann-{secrets.token_hex(4)}", "password": "correct horse battery"}
            headers = {"X-Device-ID": "d"}
            async with http.post(f"{base}/api/auth/register", json=credentials, headers=headers) as reply:
                account = await reply.json()
                assert reply.status == 200, account
                assert "Secure" in reply.headers["Set-Cookie"]
                assert "max-age" in reply.headers["Strict-Transport-Security"]
            bearer = {"Authorization": f"Bearer {account['token']}"}
            async with http.post(f"{base}/rooms", headers=bearer, json={"mode": "sfu"}) as reply:
                room = await reply.json()
                assert room["wsUrl"].startswith(f"wss://localhost:{port}/ws/")
        contexts: list[BrowserContext] = []
        try:
            people = []
            for name in ("Ann", "Ben"):
                person = await Person.arrive(chromium, name, ignore_https_errors=True)
                contexts.append(person.context)
                people.append(person)
            ids = [await person.join(f"{base}/r/{room['roomId']}") for person in people]
            for person, other in zip(people, reversed(ids), strict=True):
                await decodes_everybody(person, {other})
                assert await person.paths() == {"sfu"}
        finally:
            await asyncio.gather(*(context.close() for context in contexts))
        await until_equal(server.held, {}, "nothing is held", limit=10)
    access = (tmp_path / "access.log").read_text()
    assert f"GET /ws/{room['roomId']} HTTP/1.1" in access
    assert "token=" not in access
    assert account["token"] not in access
    # Who asked, not who passed it on: the log of the server has the client's address from nginx.
    assert (tmp_path / "error.log").read_text() == ""


async def test_the_first_configuration_answers_for_the_certificate(tmp_path: Path) -> None:
    port = free_port()
    conf = (NGINX / "init.conf").read_text()
    challenge = tmp_path / "www" / ".well-known" / "acme-challenge"
    challenge.mkdir(parents=True)
    (challenge / "abc").write_text("proof")
    for given, wanted in (
        ("listen 80 default_server;", f"listen 127.0.0.1:{port} default_server;"),
        ("listen [::]:80 default_server;", ""),
        ("/var/www/certbot", f"{tmp_path}/www"),
    ):
        assert given in conf
        conf = conf.replace(given, wanted)
    (tmp_path / "chatter.conf").write_text(conf)
    main = tmp_path / "nginx.conf"
    main.write_text("user root;\n" + _MAIN.format(folder=tmp_path))
    process = await asyncio.create_subprocess_exec("/usr/sbin/nginx", "-c", str(main))
    try:
        async with aiohttp.ClientSession() as http:

            async def proof() -> str:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/.well-known/acme-challenge/abc") as reply:
                        return await reply.text()
                except aiohttp.ClientError:
                    return ""

            await until_equal(proof, "proof", "nginx answers")
            async with http.get(f"http://127.0.0.1:{port}/") as reply:
                assert reply.status == 503
    finally:
        process.terminate()
        async with asyncio.timeout(STOP_LIMIT):
            await process.wait()
