"""The gate before a real server: floods, drips, and people who come as usual."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry

import chatter.gate
from api.address import TrustedProxies
from chatter.gate import Doorkeeper, Gate

HOST = "127.0.0.1"


async def echo(request: web.Request) -> web.Response:
    return web.Response(text=f"{len(await request.read())} {request.query_string}")


@pytest.fixture
async def site(monkeypatch):
    monkeypatch.setattr(chatter.gate, "HEAD_LIMIT", 0.2)
    app = web.Application()
    app.router.add_route("*", "/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    registry = CollectorRegistry()
    gate = Gate(3, TrustedProxies(()), registry)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Doorkeeper(gate, runner.server), HOST, 0)
    yield server.sockets[0].getsockname()[1], registry
    server.close()
    await runner.cleanup()


async def test_requests_are_served_one_after_another(site):
    port, _ = site
    async with ClientSession() as http:
        for size in (0, 10, 100_000):
            async with http.post(f"http://{HOST}:{port}/?a={size}", data=b"x" * size) as reply:
                assert await reply.text() == f"{size} a={size}"


async def test_a_head_in_pieces_is_one_head(site):
    port, _ = site
    reader, writer = await asyncio.open_connection(HOST, port)
    for piece in (b"GET /?b=1 HTTP/1.1\r\nHost: h\r\n", b"\r", b"\nGET /?b=2 HTTP/1.1\r\nHost: h\r\n\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    for number in (1, 2):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head
        assert await reader.readexactly(5) == f"0 b={number}".encode()
    writer.close()


async def test_one_address_cannot_have_all_connections(site):
    port, registry = site
    writers = [(await asyncio.open_connection(HOST, port))[1] for _ in range(3)]
    reader, writer = await asyncio.open_connection(HOST, port)
    assert (await reader.read()).startswith(b"HTTP/1.1 429 ")
    writer.close()
    refused = registry.get_sample_value("chatter_http_connections_refused_total", {"reason": "too_many"})
    assert refused == 1
    for each in writers:
        each.close()


async def test_who_drips_a_head_is_cut_off(site):
    port, registry = site
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
    async with asyncio.timeout(10):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()
    assert registry.get_sample_value("chatter_http_connections_refused_total", {"reason": "slow"}) == 1


async def test_a_head_without_end_is_aiohttps_to_refuse(site):
    port, _ = site
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET / HTTP/1.1\r\nX: " + b"y" * 64_000)
    async with asyncio.timeout(10):
        assert b" 400 " in await reader.readline()
    writer.close()
