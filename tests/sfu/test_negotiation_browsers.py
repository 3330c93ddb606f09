"""Real browsers take the answers: what they then do on each line is what was meant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from sfu.config import MediaConfig
from sfu.negotiation import assign_sources, read_offer, write_answer
from sfu.parameters import LocalParameters, Outgoing

# One start of each browser serves all tests here.
pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

TIMEOUT_MS = 15_000

# Each step changes the one connection of the page and offers; the answer goes back to the same connection.
PAGE = """
window.pc = new RTCPeerConnection();
window.streams = {};
pc.ontrack = event => { streams[event.transceiver.mid] = event.streams.map(stream => stream.id); };
const add = (kind, direction, sendEncodings) =>
  pc.addTransceiver(kind, sendEncodings ? {direction, sendEncodings} : {direction});
const rids = [{rid: 'q', scaleResolutionDownBy: 4}, {rid: 'h', scaleResolutionDownBy: 2}, {rid: 'f'}];
const steps = {
  publish: () => { add('audio', 'sendrecv'); add('video', 'sendrecv'); },
  subscribe: () => { add('audio', 'recvonly'); add('video', 'recvonly'); },
  screen: () => { add('video', 'sendonly'); },
  simulcast: () => { add('video', 'sendonly', rids); },
  data: () => { pc.createDataChannel('x'); },
  stop: () => { pc.getTransceivers()[2].stop(); },
  restart: () => { pc.restartIce(); },
};
window.offer = async step => {
  steps[step]();
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
};
window.answer = async sdp => {
  await pc.setRemoteDescription({type: 'answer', sdp});
  const directions = {}, encodings = {};
  for (const t of pc.getTransceivers()) {
    directions[t.mid] = t.currentDirection;
    encodings[t.mid] = t.sender.getParameters().encodings.length;
  }
  return {directions, encodings, streams: window.streams, state: pc.signalingState};
};
true;
"""


@dataclass(frozen=True)
class Step:
    """What the page does, and what its transceivers must then say."""

    name: str
    directions: dict[str, str]
    withheld: frozenset[str] = frozenset()
    """mids on which the server sends nothing although the client would receive."""


STEPS = (
    Step("publish", {"0": "sendrecv", "1": "sendonly"}, withheld=frozenset({"1"})),
    Step("subscribe", {"0": "sendrecv", "1": "sendrecv", "2": "recvonly", "3": "inactive"}, frozenset({"3"})),
    Step("screen", {"0": "sendrecv", "1": "sendrecv", "2": "recvonly", "3": "recvonly", "4": "sendonly"}),
    Step("data", {"0": "sendrecv", "1": "sendrecv", "2": "recvonly", "3": "recvonly", "4": "sendonly"}),
    Step("restart", {"0": "sendrecv", "1": "inactive", "2": "recvonly", "3": "recvonly", "4": "sendonly"}),
)


@pytest_asyncio.fixture(params=["chromium", "firefox"], scope="module", loop_scope="module")
async def browser(request: pytest.FixtureRequest) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        if request.param == "chromium":
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"], timeout=TIMEOUT_MS
            )
        else:
            browser = await playwright.firefox.launch(
                channel="moz-firefox", executable_path="/usr/bin/firefox-esr", timeout=TIMEOUT_MS
            )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    await page.evaluate(PAGE)
    yield page
    await page.close()


LOCAL = LocalParameters(
    ice_ufrag="serv",
    ice_pwd="serverpasswordserverpassword",
    fingerprints=(("sha-256", ":".join(["AB"] * 32)),),
    candidates=(("127.0.0.1", 10000), ("::1", 10000)),
    session_id=4_711,
    session_version=1,
    tcp=False,
    max_message_size=65_536,
)


async def negotiate(page: Page, step: str, withheld: frozenset[str], unpublished: frozenset[str]) -> dict:
    remote = read_offer(await page.evaluate("step => offer(step)", step), config=MediaConfig())
    publishes = assign_sources(remote.media, {}).keys() - unpublished
    outgoing = {
        line.mid: Outgoing(1000 + line.index, f"cname-{line.mid}", f"client-{line.mid}", f"c1:{line.kind}")
        for line in remote.media
        if line.receives and line.mid not in withheld
    }
    return await page.evaluate(
        "sdp => answer(sdp)", write_answer(remote, LOCAL, publishes=publishes, outgoing=outgoing)
    )


async def test_browsers_take_each_answer(page: Page) -> None:
    for step in STEPS:
        unpublished = frozenset({"1"}) if step.name == "restart" else frozenset()
        withheld = step.withheld | (unpublished & {"1"})
        result = await negotiate(page, step.name, withheld, unpublished)
        assert result["state"] == "stable", step.name
        assert result["directions"] == step.directions, step.name
        received = {mid for mid, way in step.directions.items() if way in ("recvonly", "sendrecv")}
        for mid in received:
            assert result["streams"][mid] == [f"client-{mid}"], step.name


async def test_browsers_take_a_stopped_line(page: Page) -> None:
    await negotiate(page, "publish", frozenset(), frozenset())
    await negotiate(page, "subscribe", frozenset(), frozenset())
    result = await negotiate(page, "stop", frozenset(), frozenset())
    assert result["state"] == "stable"
    assert result["directions"] == {"0": "sendrecv", "1": "sendrecv", "3": "recvonly"}


async def test_browsers_keep_their_simulcast(page: Page) -> None:
    result = await negotiate(page, "simulcast", frozenset(), frozenset())
    assert result["directions"] == {"0": "sendonly"}
    assert result["encodings"] == {"0": 3}


async def test_browsers_take_an_answer_without_any_line_and_go_on(page: Page) -> None:
    result = await negotiate(page, "data", frozenset(), frozenset())
    assert result == {"directions": {}, "encodings": {}, "streams": {}, "state": "stable"}
    result = await negotiate(page, "publish", frozenset(), frozenset())
    assert set(result["directions"].values()) == {"sendrecv"}
