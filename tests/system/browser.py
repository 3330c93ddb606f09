"""People in real browsers: how the browsers are started, and what one does and sees on the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, Playwright, Request, expect

from tests.system.conditions import until

CHROMIUM = "/usr/bin/chromium"
FIREFOX = "/usr/bin/firefox-esr"

RESULTS = Path(__file__).parents[2] / "test-results"
"""Screenshots; not kept in the repository."""

_CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=30",
    "--allow-loopback-in-peer-connection",
)
_FIREFOX_PREFERENCES: Mapping[str, str | float | bool] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
}

# Runs before the page's own scripts. A small camera, since one machine is everybody here; and notes on what
# is played: when each picture of a tile was shown (so that a gap can be measured over a change of video
# elements), when the page was drawn at all, and all peer connections.
_OBSERVE = """
(() => {
  const devices = navigator.mediaDevices;
  if (devices) {
    const ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = ({ audio, video }) =>
      ask({ audio, video: video && (window.testCamera ?? { width: 320, height: 180, frameRate: 20 }) });
  }
  window.peers = [];
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      window.peers.push(this);
    }
  };
  window.drawnAt = [];
  const draw = (now) => {
    window.drawnAt.push(now);
    requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);
  window.shownAt = {};
  const watch = (video) => {
    const note = (now) => {
      const id = video.closest("[data-client-id]")?.dataset.clientId;
      if (id) (window.shownAt[id] ??= []).push(now);
      video.requestVideoFrameCallback(note);
    };
    video.requestVideoFrameCallback(note);
  };
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes)
      for (const node of addedNodes)
        if (node instanceof HTMLVideoElement) watch(node);
        else if (node instanceof Element) node.querySelectorAll("video").forEach(watch);
  }).observe(document, { childList: true, subtree: true });
})();
"""

# The longest time between two pictures of a tile, in seconds, from a moment on. Where the page was not drawn
# at all, since a browser that starts beside it took the processors, at most `pause` of that counts.
_LONGEST_GAP = """
([clientId, since, pause]) => {
  const times = (window.shownAt[clientId] ?? []).filter((at) => at >= since).sort((a, b) => a - b);
  const drawn = window.drawnAt.filter((at) => at >= since);
  const lost = drawn.slice(1).map((at, i) => [drawn[i], at, Math.max(0, at - drawn[i] - pause)]);
  const gap = (from, to) =>
    lost.reduce((left, [begin, end, late]) => (begin >= from && end <= to ? left - late : left), to - from);
  return Math.max(...times.slice(1).map((at, i) => gap(times[i], at))) / 1000;
}
"""

_INBOUND = """
async () => {
  const found = [];
  for (const peer of window.peers) {
    if (peer.connectionState !== "connected") continue;
    (await peer.getStats()).forEach((entry) => {
      if (entry.type === "inbound-rtp" && entry.kind === "video") found.push({ ...entry });
    });
  }
  return found;
}
"""


async def launch_chromium(playwright: Playwright, *arguments: str) -> Browser:
    """A Chromium with its fake devices."""
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=[*_CHROMIUM_ARGUMENTS, *arguments])


async def launch_firefox(playwright: Playwright) -> Browser:
    """A Firefox ESR with its fake devices."""
    return await playwright.firefox.launch(
        channel="moz-firefox", executable_path=FIREFOX, firefox_user_prefs=dict(_FIREFOX_PREFERENCES)
    )


class Person:
    """Somebody with a browser profile of their own and one page."""

    def __init__(self, name: str, context: BrowserContext, page: Page) -> None:
        self.name = name
        self.context = context
        self.page = page
        self.failures: list[str] = []
        """Exceptions of the pages that nobody caught."""
        self._cut_off = False
        page.on("pageerror", lambda error: self.failures.append(f"{name}: {error}"))
        page.on("requestfailed", self._request_failed)

    @classmethod
    async def arrive(
        cls, browser: Browser, name: str, *, camera: tuple[int, int, int] | None = None, **options: Any
    ) -> Person:
        """Open a new profile with an empty page; `options` are those of Playwright's new_context.

        `camera`: width, height and frame rate; a small one if not given.
        """
        context = await browser.new_context(viewport={"width": 960, "height": 600}, **options)
        context.set_default_timeout(15_000)
        page = await context.new_page()
        await page.add_init_script(_OBSERVE)
        if camera is not None:
            width, height, rate = camera
            await page.add_init_script(
                f"window.testCamera = {{ width: {width}, height: {height}, frameRate: {rate} }}"
            )
        return cls(name, context, page)

    async def join(self, room_url: str) -> str:
        """Enter the call without the preview; returns the client id."""
        await self.page.goto(f"{room_url}?name={self.name}&join=1")
        return await self.client_id()

    def _request_failed(self, request: Request) -> None:
        self._cut_off |= "ERR_NETWORK_CHANGED" in (request.failure or "")

    async def client_id(self) -> str:
        """Who one is in the call, as soon as one is in it."""

        async def known() -> str:
            if self._cut_off:
                # Chromium gives its requests up when an interface of the machine, say a container's, changes.
                self._cut_off = False
                await self.page.reload()
            return str(await self.page.evaluate("() => window.chatterCall?.room.clientId ?? ''"))

        return await until(known, f"{self.name} is in the room")

    async def stats(self) -> list[dict[str, Any]]:
        """Figures of everything that is received."""
        found: list[dict[str, Any]] = await self.page.evaluate("() => window.chatterCall.stats()")
        return found

    async def figure(self, name: str, source: str) -> dict[str, float]:
        """One figure of everybody's camera or microphone, by client id."""
        return {s["clientId"]: s[name] for s in await self.stats() if s["source"] == source}

    async def paths(self) -> set[str]:
        """The ways that what is received takes: p2p, sfu."""
        return {str(s["path"]) for s in await self.stats()}

    async def inbound_video(self) -> list[dict[str, Any]]:
        """The browser's own statistics of all video that it receives (W3C webrtc-stats, inbound-rtp)."""
        found: list[dict[str, Any]] = await self.page.evaluate(_INBOUND)
        return found

    async def now(self) -> float:
        """The page's clock in milliseconds, for longest_gap()."""
        return float(await self.page.evaluate("() => performance.now()"))

    async def longest_gap(self, client_id: str, since: float, pause: float | None = None) -> float:
        """Seconds without a new picture of somebody, at most, since a moment of the page's clock.

        Of a time in which the browser did not draw the page at all, `pause` seconds count, or else all.
        """
        most = None if pause is None else pause * 1000
        return float(await self.page.evaluate(_LONGEST_GAP, [client_id, since, most or 1e9]))

    async def see_names(self, names: Sequence[str]) -> None:
        """Wait until the list of people and the tiles show exactly these."""
        tiles = self.page.get_by_test_id("tile")
        await expect(tiles).to_have_count(len(names))
        if not await self.page.get_by_test_id("participant").first.is_visible():
            await self.page.get_by_test_id("participants-button").click()
        shown = [f"{name} (you)" if name == self.name else name for name in names]
        people = self.page.get_by_test_id("participant").locator(".name")
        await until(lambda: _same(people.all_inner_texts(), shown), f"{self.name} sees {shown} in the list")
        for name in shown:
            await expect(tiles.and_(self.page.get_by_label(name, exact=True))).to_be_visible()

    async def say(self, text: str) -> None:
        """Write into the chat."""
        await self.open_chat()
        await self.page.get_by_test_id("chat-input").fill(text)
        await self.page.get_by_test_id("chat-send").click()

    async def open_chat(self) -> None:
        field = self.page.get_by_test_id("chat-input")
        if not await field.is_visible():
            await self.page.get_by_test_id("chat-button").click()
        await expect(field).to_be_visible()

    async def read(self, text: str) -> None:
        """Wait until a message is in the chat."""
        await expect(self.page.get_by_test_id("chat-message").filter(has_text=text)).to_be_attached()

    async def leave(self) -> None:
        await self.page.get_by_test_id("leave-button").click()
        await expect(self.page.get_by_test_id("ended")).to_be_visible()

    async def photograph(self, name: str) -> None:
        """Keep a picture of the page for people to look at."""
        RESULTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=RESULTS / f"{name}.png", caret="initial")


async def _same(texts: Any, expected: Sequence[str]) -> bool:
    return sorted(await texts) == sorted(expected)
