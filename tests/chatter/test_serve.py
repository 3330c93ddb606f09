"""The server as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys

import pytest
from aiohttp import ClientSession

pytestmark = pytest.mark.system

TIMEOUT = 30


@contextlib.asynccontextmanager
async def started(folder, *arguments, **environ):
    """A running `chatter serve`, and the address that it printed."""
    process = await launch(folder, *arguments, **environ)
    try:
        async with asyncio.timeout(TIMEOUT):
            line = (await process.stdout.readline()).decode()
            ready = re.fullmatch(r"Chatter is ready: (http://\S+)\n", line)
            assert ready, line + (await process.stderr.read()).decode()
            media = (await process.stdout.readline()).decode()
            assert re.fullmatch(r"Media: UDP port [1-9]\d*\n", media)
        yield process, ready[1]
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def launch(folder, *arguments, **environ):
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "chatter.cli", "serve", "--media-port", "0", *arguments),
        cwd=folder,
        env={**inherited, "PYTHONPATH": os.getcwd(), "AUTH_BCRYPT_ROUNDS": "4", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process):
    async with asyncio.timeout(TIMEOUT):
        _, err = await process.communicate()
    return process.returncode, err.decode()


async def sign_up(http, url):
    credentials = {"username": "alice", "password": "securepassword"}
    async with http.post(f"{url}/auth/register", json=credentials, headers={"X-Device-ID": "d"}) as response:
        return response.status, await response.json()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serves_until_it_is_told_to_stop(tmp_path, number):
    async with (
        started(tmp_path, "--addr", "127.0.0.1:0", SERVER_DRAIN_TIMEOUT="1s") as (process, url),
        ClientSession() as http,
    ):
        status, account = await sign_up(http, url)
        assert status == 200
        headers = {"Authorization": f"Bearer {account['token']}"}
        async with http.post(f"{url}/rooms", headers=headers) as response:
            room = await response.json()
        async with http.get(url) as response:
            assert (response.status, response.content_type) == (200, "text/html")
        # Somebody in a room does not hold it up for longer than the drain.
        async with http.ws_connect(f"{room['wsUrl']}?token={account['token']}") as ws:
            assert (await ws.receive_json(timeout=TIMEOUT))["type"] == "welcome"
            process.send_signal(number)
            async with asyncio.timeout(TIMEOUT):
                received = [message async for message in ws]
            assert received[-1].json()["code"] == "server_stopping"
            drained = any(message.json()["type"] == "draining" for message in received)
            assert drained is (number is signal.SIGTERM)
            assert ws.close_code == 4410
        code, err = await ended(process)
    assert code == 0
    assert "Traceback" not in err
    assert account["token"] not in err
    assert {path.name for path in (tmp_path / "data").iterdir()} >= {"chatter.db", "secret"}


async def test_drains_until_a_second_signal(tmp_path):
    settings = {"SERVER_DRAIN_TIMEOUT": "60s", "SERVER_DRAIN_URL": "https://b.example.com"}
    async with (
        started(tmp_path, "--addr", "127.0.0.1:0", **settings) as (process, url),
        ClientSession() as http,
    ):
        _, account = await sign_up(http, url)
        headers = {"Authorization": f"Bearer {account['token']}"}
        async with http.get(f"{url}/ready") as response:
            assert (response.status, await response.json()) == (200, {"status": "ready"})
        async with http.post(f"{url}/rooms", headers=headers) as response:
            room = await response.json()
        async with http.ws_connect(f"{room['wsUrl']}?token={account['token']}") as ws:
            assert (await ws.receive_json(timeout=TIMEOUT))["type"] == "welcome"
            process.terminate()
            async with asyncio.timeout(TIMEOUT):
                while (told := await ws.receive_json())["type"] != "draining":
                    pass
            assert told["url"] == "https://b.example.com"
            async with http.get(f"{url}/ready") as response:
                assert (response.status, (await response.json())["code"]) == (503, "server_draining")
            async with http.get(f"{url}/health") as response:
                assert response.status == 200
            async with http.post(f"{url}/rooms", headers=headers) as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "10")
                assert (await response.json())["error"]["code"] == "server_draining"
            # The call goes on: somebody else comes, and is told, too.
            async with http.ws_connect(room["wsUrl"]) as guest:
                types = [(await guest.receive_json(timeout=TIMEOUT))["type"] for _ in range(3)]
                assert types == ["welcome", "participants", "draining"]
            process.terminate()
            async with asyncio.timeout(TIMEOUT):
                received = [message async for message in ws]
            assert received[-1].json()["code"] == "server_stopping"
        assert (await ended(process))[0] == 0


async def test_drains_until_the_last_has_gone(tmp_path):
    async with (
        started(tmp_path, "--addr", "127.0.0.1:0", SERVER_DRAIN_TIMEOUT="600s") as (process, url),
        ClientSession() as http,
    ):
        _, account = await sign_up(http, url)
        async with http.ws_connect(f"{url}/ws/room?token={account['token']}") as ws:
            assert (await ws.receive_json(timeout=TIMEOUT))["type"] == "welcome"
            process.terminate()
            async with asyncio.timeout(TIMEOUT):
                while (await ws.receive_json())["type"] != "draining":
                    pass
        assert (await ended(process))[0] == 0


async def test_listens_on_ipv6_and_ipv4_by_default(tmp_path):
    async with started(tmp_path, "--addr", ":0") as (process, url), ClientSession() as http:
        port = url.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            async with http.get(f"http://{host}:{port}/health") as response:
                assert response.status == 200
        process.terminate()
        assert (await ended(process))[0] == 0


async def test_a_port_in_use_is_one_sentence(tmp_path):
    async with started(tmp_path, "--addr", "127.0.0.1:0") as (_, url):
        port = url.rpartition(":")[2]
        second = await launch(tmp_path, "--addr", f"127.0.0.1:{port}")
        async with asyncio.timeout(TIMEOUT):
            out, err = await second.communicate()
    assert (second.returncode, out) == (1, b"")
    assert err.decode() == (
        f"chatter: TCP port {port} (SERVER_ADDR, --addr) is in use: "
        "stop the program that has it, or choose another one.\n"
    )


async def test_a_bad_setting_stops_the_start(tmp_path):
    process = await launch(tmp_path, ROOMS_MODE="mesh")
    async with asyncio.timeout(TIMEOUT):
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.decode() == 'chatter: ROOMS_MODE is "mesh": it must be auto, p2p or sfu.\n'
