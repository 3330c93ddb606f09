"""Signing in is work, and holds nobody else up."""

from __future__ import annotations

import asyncio
import secrets
import time

import aiohttp
import pytest

from bots.account import Account
from tests.system.conftest import Figure, StartServer

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

LOGINS = 20
# Seconds between requests that are timed, and how many go before the logins.
PAUSE = 0.02
BASELINE = 100

PASSWORD = "correct horse battery"


async def answer_time(http: aiohttp.ClientSession, url: str) -> float:
    """Seconds that the server takes for a request that is no work."""
    began = time.perf_counter()
    async with http.get(url) as reply:
        await reply.read()
    return time.perf_counter() - began


async def test_twenty_logins_hold_no_other_request_up(start_server: StartServer, figure: Figure) -> None:
    # The cost of a real password; tries in flight count as wrong ones until they turn out right.
    server = await start_server(AUTH_BCRYPT_ROUNDS="12", AUTH_LOGIN_ATTEMPTS="0")
    username = f"ann-{secrets.token_hex(4)}"
    await Account.register(server.url, username, PASSWORD)
    async with aiohttp.ClientSession() as http:
        alone = []
        for _ in range(BASELINE):
            alone.append(await answer_time(http, f"{server.url}/health"))
            await asyncio.sleep(PAUSE)
        began = time.perf_counter()
        logins = asyncio.gather(*(Account.login(server.url, username, PASSWORD) for _ in range(LOGINS)))
        beside = []
        while not logins.done():
            beside.append(await answer_time(http, f"{server.url}/health"))
            await asyncio.sleep(PAUSE)
        took = time.perf_counter() - began
        accounts = await logins
    assert {account.username for account in accounts} == {username}
    figure(
        f"{LOGINS} logins at once took {took:.1f} s; other requests meanwhile: {len(beside)}, the slowest "
        f"{max(beside) * 1000:.0f} ms, the median {sorted(beside)[len(beside) // 2] * 1000:.1f} ms "
        f"(before: {max(alone) * 1000:.0f} and {sorted(alone)[len(alone) // 2] * 1000:.1f} ms)"
    )
    # One hash on the event loop would hold a request up for the time of a hash: 20 for that of all.
    assert max(beside) < took / LOGINS + max(alone)
