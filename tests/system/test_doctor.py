"""`chatter doctor` looks at real servers, well and ill."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from pathlib import Path

import pytest

from tests.system.conftest import StartServer
from tests.system.coturn import coturn

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

LIMIT = 40.0


async def doctor(folder: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Its exit code and what it prints."""
    file = folder / "settings.yaml"
    file.write_text("{}\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatter.cli", "doctor", *arguments),
        env={**os.environ, "CONFIG_PATH": str(file), "DATA_DIR": str(folder / "data"), **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LIMIT):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_a_server_that_is_well(start_server: StartServer, tmp_path: Path) -> None:
    async with coturn(tmp_path, secrets.token_hex(16)) as turn:
        server = await start_server(TURN_URLS=turn.urls, TURN_SECRET=turn.secret)
        code, text = await doctor(
            server.folder,
            "--url",
            server.url,
            SERVER_ADDR=server.url.removeprefix("http://"),
            MEDIA_PORT=str(server.media_port),
            MEDIA_ANNOUNCED_ADDRESSES="127.0.0.1",
            ROOMS_ICE_SERVERS=f'[{{"urls": "stun:127.0.0.1:{turn.port}"}}]',
            TURN_URLS=turn.urls,
            TURN_SECRET=turn.secret,
        )
    assert code == 0, text
    for line in (
        f"ok    HTTP: {server.url} answers.",
        "ok    WebSocket: It can be opened.",
        f"ok    media port: 127.0.0.1 answers on UDP port {server.media_port}.",
        f"ok    STUN: 127.0.0.1:{turn.port} sees us as 127.0.0.1.",
        f"ok    TURN: turn:127.0.0.1:{turn.port}?transport=udp relays by way of 127.0.0.1.",
        f"ok    TURN: turn:127.0.0.1:{turn.port}?transport=tcp relays by way of 127.0.0.1.",
        "chatter.db is there and up to date.",
    ):
        assert line in text, text
    assert turn.secret not in text


async def test_each_fault_is_named_with_what_to_change(start_server: StartServer, tmp_path: Path) -> None:
    async with coturn(tmp_path, secrets.token_hex(16)) as turn:
        server = await start_server()
        code, text = await doctor(
            server.folder,
            SERVER_ADDR=server.url.removeprefix("http://"),
            # Nobody listens at the second one.
            MEDIA_PORT=str(server.media_port),
            MEDIA_ANNOUNCED_ADDRESSES="127.0.0.1,127.0.0.77",
            MEDIA_HOST="127.0.0.1",
            ROOMS_ICE_SERVERS='[{"urls": "stun:127.0.0.1:9"}]',
            TURN_URLS=turn.urls,
            TURN_SECRET="another secret altogether",
            DATABASE_URL="postgresql://me:hidden@127.0.0.1:9/chatter",
            AUTH_SECRET=secrets.token_hex(32),
        )
    assert code == 1
    for line in (
        "FAIL  STUN: 127.0.0.1:9 does not answer.",
        f"FAIL  TURN: turn:127.0.0.1:{turn.port}?transport=udp refuses our credentials.",
        "TURN_SECRET must be its static-auth-secret",
        "FAIL  database: The database postgresql+asyncpg://me:***@127.0.0.1:9/chatter cannot be used:",
    ):
        assert line in text, text
    assert "hidden" not in text


async def test_a_server_that_does_not_run(tmp_path: Path) -> None:
    code, text = await doctor(tmp_path, SERVER_ADDR="127.0.0.1:0", MEDIA_PORT="0")
    assert code == 0, text
    assert "warn  HTTP: No server runs here" in text
    assert "ok    database: There is none yet" in text
    assert not (tmp_path / "data").exists()


async def test_a_bad_url_is_refused(tmp_path: Path) -> None:
    code, text = await doctor(tmp_path, "--url", "chat.example.com")
    assert code == 2
    assert "'chat.example.com' should be a URL such as https://chat.example.com" in text
