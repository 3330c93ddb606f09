"""Which addresses media takes: IPv6, and those that the operator announces."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser

from bots.account import Account
from tests.system.conftest import Arrive, StartServer
from tests.system.senses import decodes_everybody

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

OFFER = Path(__file__).parents[1] / "data" / "sdp" / "chromium-recvonly.sdp"

REMOTE_ADDRESSES = """
async () => {
  const found = [];
  for (const peer of window.peers) {
    const report = await peer.getStats();
    report.forEach((entry) => {
      if (entry.type === "candidate-pair" && entry.state === "succeeded")
        found.push(report.get(entry.remoteCandidateId).address);
    });
  }
  return found;
}
"""


async def new_room(url: str) -> str:
    account = await Account.register(url, f"host-{secrets.token_hex(4)}", "correct horse")
    return await account.create_room("sfu")


async def test_a_call_over_ipv6(start_server: StartServer, arrive: Arrive, chromium: Browser) -> None:
    server = await start_server("[::1]:0", MEDIA_HOST="::1")
    assert server.url.startswith("http://[::1]:")
    room_url = await new_room(server.url)
    ann, ben = await arrive(chromium, "Ann"), await arrive(chromium, "Ben")
    ids = [await person.join(room_url) for person in (ann, ben)]
    await asyncio.gather(decodes_everybody(ann, {ids[1]}), decodes_everybody(ben, {ids[0]}))
    for person in (ann, ben):
        assert set(await person.page.evaluate(REMOTE_ADDRESSES)) == {"::1"}


async def test_announced_addresses_are_the_candidates(start_server: StartServer) -> None:
    server = await start_server(MEDIA_ANNOUNCED_ADDRESSES="203.0.113.5,2001:db8::5")
    address = (await new_room(server.url)).replace("http", "ws", 1).replace("/r/", "/ws/")
    async with aiohttp.ClientSession() as http, http.ws_connect(address) as socket, asyncio.timeout(10):
        offer = {"type": "webrtc", "action": "offer", "to": "sfu", "sdp": OFFER.read_bytes().decode()}
        await socket.send_json(offer)
        while (message := json.loads((await socket.receive()).data))["type"] != "webrtc":
            assert message["type"] != "error", message
    candidates = re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", message["sdp"], re.MULTILINE)
    port = str(server.media_port)
    assert set(candidates) == {("203.0.113.5", port), ("2001:db8::5", port)}
