"""Calls from networks that let no UDP through: media over TCP, on the media port's number."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from playwright.async_api import Browser

from bots.account import Account
from tests.system.conftest import Arrive, StartServer
from tests.system.senses import decodes_everybody

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

# To a browser that is told of no UDP address the server is one that cannot be reached by UDP.
WITHOUT_UDP = """
(() => {
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    return set.call(this, { type, sdp: sdp.replace(/^a=candidate:\\S+ 1 udp .*\\r\\n/gim, "") });
  };
})();
"""

PROTOCOLS = """
async () => {
  const found = [];
  for (const peer of window.peers) {
    const report = await peer.getStats();
    report.forEach((entry) => {
      if (entry.type === "candidate-pair" && entry.state === "succeeded" && entry.nominated)
        found.push(report.get(entry.remoteCandidateId).protocol);
    });
  }
  return found;
}
"""


@pytest.mark.parametrize("plane", ["fast", "reference"])
async def test_a_call_without_udp(
    start_server: StartServer, arrive: Arrive, chromium: Browser, firefox: Browser, plane: str
) -> None:
    server = await start_server(MEDIA_PLANE=plane)
    account = await Account.register(server.url, f"host-{secrets.token_hex(4)}", "correct horse")
    room_url = await account.create_room("sfu")
    people = [await arrive(chromium, "Ann"), await arrive(firefox, "Ben")]
    for person in people:
        await person.page.add_init_script(WITHOUT_UDP)
    ann, ben = people
    ids = [await person.join(room_url) for person in people]
    await asyncio.gather(decodes_everybody(ann, {ids[1]}), decodes_everybody(ben, {ids[0]}))
    for person in people:
        assert set(await person.page.evaluate(PROTOCOLS)) == {"tcp"}
