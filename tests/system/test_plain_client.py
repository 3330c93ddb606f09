"""A client that knows only the documented offer, answer and ice: to it, `sfu` is one more participant."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser

from tests.system.conditions import until_rates
from tests.system.conftest import Arrive, MakeRoom
from tests.system.senses import FRAMES_PER_SECOND, bot_receives_everybody, robot
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

# One offer: its camera and microphone on lines that send and receive, and a line more for a second person.
PLAIN_CLIENT = """
async (address) => {
  const peer = new RTCPeerConnection();
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  for (const track of media.getTracks())
    peer.addTransceiver(track, { direction: "sendrecv", streams: [media] });
  peer.addTransceiver("audio", { direction: "recvonly" });
  peer.addTransceiver("video", { direction: "recvonly" });
  const socket = new WebSocket(address);
  const send = (message) => socket.send(JSON.stringify({ type: "webrtc", to: "sfu", ...message }));
  peer.onicecandidate = ({ candidate }) => candidate && send({ action: "ice", candidate });
  window.errors = [];
  return new Promise((resolve) => {
    let self;
    socket.onmessage = async ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "error") window.errors.push(message);
      if (message.type === "welcome") {
        self = message.clientId;
        await peer.setLocalDescription(await peer.createOffer());
        send({ action: "offer", sdp: peer.localDescription.sdp });
      }
      if (message.type === "webrtc" && message.from === "sfu" && message.action === "answer") {
        await peer.setRemoteDescription({ type: "answer", sdp: message.sdp });
        resolve(self);
      }
    };
    window.counters = async (kind, name) => {
      const found = {};
      (await peer.getStats()).forEach((entry) => {
        if (entry.type === "inbound-rtp" && entry.kind === kind) found[entry.mid] = entry[name] ?? 0;
      });
      return found;
    };
    // Sound has to be played to be heard.
    peer.ontrack = ({ track }) => {
      if (track.kind !== "audio") return;
      const player = new Audio();
      player.srcObject = new MediaStream([track]);
      void player.play();
    };
  });
}
"""


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_a_client_of_the_documented_messages_sees_who_is_there_and_who_comes_later(
    name: str, request: pytest.FixtureRequest, server: Server, make_room: MakeRoom, arrive: Arrive
) -> None:
    browser: Browser = request.getfixturevalue(name)
    room_url = await make_room("sfu")
    person = await arrive(browser, "Plain")
    await person.page.goto(f"{server.url}/health")
    async with robot(room_url, "First") as first:
        address = room_url.replace("http", "ws", 1).replace("/r/", "/ws/")
        client_id = await person.page.evaluate(PLAIN_CLIENT, address)

        async def frames() -> dict[str, float]:
            return dict(await person.page.evaluate("() => window.counters('video', 'framesDecoded')"))

        async def energy() -> dict[str, float]:
            return dict(await person.page.evaluate("() => window.counters('audio', 'totalAudioEnergy')"))

        await asyncio.gather(
            until_rates(_moving(frames), FRAMES_PER_SECOND, "it sees the first", count=1),
            until_rates(_moving(energy), 1e-7, "it hears the first", count=1),
            bot_receives_everybody(first, {client_id}),
        )
        async with robot(room_url, "Second") as second:
            await asyncio.gather(
                until_rates(frames, FRAMES_PER_SECOND, "it sees who comes later", count=2),
                until_rates(energy, 1e-7, "it hears who comes later", count=2),
                bot_receives_everybody(second, {client_id, first.client_id}),
            )
    assert await person.page.evaluate("() => window.errors") == []


def _moving(read):
    """Only the counters that have begun to count."""

    async def moving() -> dict[str, float]:
        return {mid: value for mid, value in (await read()).items() if value}

    return moving
