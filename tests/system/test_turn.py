"""Calls of people whose network lets nothing through but a TURN server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from bots.account import Account
from tests.system.browser import Person
from tests.system.conditions import until_equal
from tests.system.conftest import StartServer
from tests.system.coturn import Coturn, coturn
from tests.system.senses import decodes_everybody
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

# Runs before the page's own scripts: nothing but the relay is used, and only by one way.
_ONLY_THE_RELAY = """
(way) => {
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(configuration = {}) {
      const servers = (configuration.iceServers ?? []).map((server) => ({
        ...server,
        urls: [server.urls].flat().filter((url) => url.endsWith(`transport=${way}`)),
      }));
      super({ ...configuration, iceServers: servers, iceTransportPolicy: "relay" });
    }
  };
}
"""

_USED = """
async () => {
  const found = [];
  for (const peer of window.peers) {
    if (peer.connectionState !== "connected") continue;
    const report = await peer.getStats();
    report.forEach((entry) => {
      if (entry.type !== "candidate-pair" || !entry.nominated || entry.state !== "succeeded") return;
      const local = report.get(entry.localCandidateId);
      found.push(`${local.candidateType} ${local.relayProtocol}`);
    });
  }
  return [...new Set(found)];
}
"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def turn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Coturn]:
    async with coturn(tmp_path_factory.mktemp("coturn"), secrets.token_hex(16)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def relayed_server(start_server: StartServer, turn: Coturn) -> Server:
    return await start_server(TURN_URLS=turn.urls, TURN_SECRET=turn.secret)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def owner(relayed_server: Server) -> Account:
    return await Account.register(relayed_server.url, f"owner-{secrets.token_hex(4)}", "correct horse")


@pytest.mark.parametrize("mode", ["p2p", "sfu"])
@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_a_call_through_the_relay_alone(
    way: str, mode: str, relayed_server: Server, owner: Account, chromium: Browser, firefox: Browser
) -> None:
    room_url = await owner.create_room(mode)
    contexts: list[BrowserContext] = []
    try:
        people = []
        for browser, name in ((chromium, "Ann"), (firefox, "Fay")):
            person = await Person.arrive(browser, name)
            contexts.append(person.context)
            await person.page.add_init_script(f"({_ONLY_THE_RELAY})({way!r})")
            people.append(person)
        ids = [await person.join(room_url) for person in people]
        for person, other in zip(people, reversed(ids), strict=True):
            await decodes_everybody(person, {other})
            assert await person.paths() == {mode}
            assert person.failures == []
        for person in people:
            used = await person.page.evaluate(_USED)
            assert used == [f"relay {way}"], (person.name, used)
    finally:
        await asyncio.gather(*(context.close() for context in contexts))
    await until_equal(relayed_server.held, {}, "nothing is held", limit=10)


async def test_credentials_for_programs(relayed_server: Server, owner: Account, turn: Coturn) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{relayed_server.url}/ice-servers") as refused:
            assert refused.status == 401
        bearer = {"Authorization": f"Bearer {owner.token}"}
        async with http.get(f"{relayed_server.url}/ice-servers", headers=bearer) as reply:
            assert reply.headers["Cache-Control"] == "no-store"
            (server,) = (await reply.json())["iceServers"]
    assert server["urls"] == turn.urls.split(",")
    assert turn.secret not in str(server)
    assert await allocates(turn, server["username"], server["credential"]) is None
    assert "401" in str(await allocates(turn, server["username"], "wrong"))
    expired = f"1000000000:{server['username'].partition(':')[2]}"
    assert "401" in str(await allocates(turn, expired, server["credential"]))


async def allocates(turn: Coturn, username: str, credential: str) -> Exception | None:
    """Ask for a relayed address, as RFC 8656 says; the error, if it is refused."""
    from aioice import turn as client

    try:
        transport, _ = await client.create_turn_endpoint(
            asyncio.DatagramProtocol,
            server_addr=("127.0.0.1", turn.port),
            username=username,
            password=credential,
            transport="udp",
        )
    except Exception as error:
        return error
    transport.close()
    return None
