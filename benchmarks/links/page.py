"""A person in a real browser, on a path of their own to the server, and what the browser knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Error, Page, async_playwright

from benchmarks.browser import ARGUMENTS, EXECUTABLE, PageFailed
from benchmarks.links.relay import HOST, Relay

FIREFOX = "/usr/bin/firefox-esr"
JOIN_TIMEOUT_MS = 30_000
_POLL_MS = 100

_CHROMIUM_ARGUMENTS = [
    *ARGUMENTS,
    # A page that is not in front would show no pictures to measure.
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
]
_FIREFOX_PREFERENCES: Mapping[str, str | float | bool] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
}

# Runs before the page's own scripts: media goes by way of the relay's port; the camera has the wanted size;
# what is to be compared without is struck from the offers.
_PREPARE = """
(options) => {
  const devices = navigator.mediaDevices;
  if (devices) {
    const ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = ({ audio, video }) => ask({ audio, video: video && options.camera });
  }
  const detour = (sdp) => {
    let done = false;
    return sdp.split("\\r\\n").flatMap((line) => {
      if (!line.startsWith("a=candidate:")) return [line];
      const words = line.split(" ");
      if (done || words[2].toLowerCase() !== "udp" || words[4] !== options.host) return [];
      done = true;
      words[5] = String(options.port);
      return [words.join(" ")];
    }).join("\\r\\n");
  };
  window.peers = [];
  const NativePeer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends NativePeer {
    constructor(...args) {
      super(...args);
      window.peers.push(this);
    }
    setRemoteDescription(description) {
      return super.setRemoteDescription({ type: description.type, sdp: detour(description.sdp) });
    }
  };
  const patterns = options.strip.map((pattern) => new RegExp(pattern));
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (typeof data === "string" && patterns.length && data.includes('"offer"')) {
      const message = JSON.parse(data);
      if (message.sdp)
        message.sdp = message.sdp.split("\\r\\n")
          .filter((line) => !patterns.some((pattern) => pattern.test(line))).join("\\r\\n");
      data = JSON.stringify(message);
    }
    return send.call(this, data);
  };
  window.shownAt = {};
  const watch = (video) => {
    const note = (now) => {
      const id = video.closest("[data-client-id]")?.dataset.clientId;
      if (id) (window.shownAt[id] ??= []).push([now, video.videoWidth]);
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
}
"""

_STATS = """
async () => {
  const found = [];
  for (const peer of window.peers)
    if (peer.connectionState === "connected")
      (await peer.getStats()).forEach((entry) => {
        if (["inbound-rtp", "outbound-rtp"].includes(entry.type)
            || (entry.type === "candidate-pair" && entry.nominated))
          found.push({ ...entry });
      });
  return { at: performance.now(), entries: found };
}
"""

_SHOWN = "(since) => Object.fromEntries(Object.entries(window.shownAt).map(" \
    "([id, times]) => [id, times.filter(([at]) => at >= since)]))"  # fmt: skip

WITHOUT_REPAIR = (
    r"^a=rtpmap:\d+ rtx/",
    r"^a=fmtp:\d+ apt=",
    r"^a=ssrc-group:FID",
    r"^a=rtcp-fb:\d+ nack$",
    r"^a=rtpmap:\d+ (red|ulpfec|flexfec)",
)
"""Lines without which nothing is sent again; keyframes are still asked for."""

WITHOUT_ADAPTATION = (
    r"^a=rtcp-fb:\d+ (transport-cc|goog-remb)",
    r"^a=extmap:\d+ .*transport-wide-cc",
    r"^a=extmap:\d+ .*abs-send-time",
)
"""Lines without which nobody knows what a path carries."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What the browser's camera is asked for: pixels and frames per second."""

    width: int = 640
    height: int = 360
    rate: int = 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The browser's statistics (W3C webrtc-stats) at one moment."""

    at: float
    """Milliseconds of the page's clock."""
    entries: list[dict[str, Any]]

    def sum(self, name: str, *, kind: str = "video", type: str = "inbound-rtp") -> float:  # noqa: A002
        """A counter over all streams of a kind."""
        return float(
            sum(e.get(name) or 0 for e in self.entries if e["type"] == type and e.get("kind") == kind)
        )

    def largest(self, name: str, *, type: str) -> float:  # noqa: A002
        """The highest value of a counter among the video streams."""
        return float(
            max(
                (e.get(name) or 0 for e in self.entries if e["type"] == type and e.get("kind") == "video"),
                default=0,
            )
        )


class Person:
    """Somebody in the call, on one page behind one relay."""

    def __init__(self, page: Page, relay: Relay) -> None:
        self.page = page
        self.relay = relay

    async def join(self, room: str, name: str) -> None:
        """Enter the room. Raises PageFailed."""
        try:
            await self.page.goto(f"{room}?name={name}&join=1")
            await self.page.wait_for_function(
                "() => window.chatterCall?.room.clientId"
                " && window.peers.some((p) => p.connectionState === 'connected')",
                timeout=JOIN_TIMEOUT_MS,
                polling=_POLL_MS,
            )
        except Error as error:
            raise PageFailed(f"{name} did not get into the call: {error.message.splitlines()[0]}") from error

    async def sees(self, count: int) -> None:
        """Wait until pictures of so many people have been shown. Raises PageFailed."""
        own = await self.client_id()
        try:
            await self.page.wait_for_function(
                "([own, count]) => Object.keys(window.shownAt).filter((id) => id !== own).length >= count",
                arg=[own, count],
                timeout=JOIN_TIMEOUT_MS,
                polling=_POLL_MS,
            )
        except Error as error:
            raise PageFailed(f"no pictures of {count} people: {error.message.splitlines()[0]}") from error

    async def client_id(self) -> str:
        return str(await self.page.evaluate("() => window.chatterCall.room.clientId"))

    async def snapshot(self) -> Snapshot:
        found = await self.page.evaluate(_STATS)
        return Snapshot(found["at"], found["entries"])

    async def shown(self, since: float) -> dict[str, list[tuple[float, int]]]:
        """When each picture of the others was shown since a moment of the page's clock, in milliseconds, and
        how wide it was, by client id."""
        found = await self.page.evaluate(_SHOWN, since)
        own = await self.client_id()
        return {
            client: [(float(at), int(width)) for at, width in times]
            for client, times in found.items()
            if client != own
        }


@asynccontextmanager
async def browser(name: str) -> AsyncIterator[Browser]:
    """`chromium` or `firefox`, with its fake devices. Raises PageFailed when there is none."""
    async with async_playwright() as playwright:
        try:
            if name == "firefox":
                running = await playwright.firefox.launch(
                    channel="moz-firefox",
                    executable_path=FIREFOX,
                    firefox_user_prefs=dict(_FIREFOX_PREFERENCES),
                )
            else:
                running = await playwright.chromium.launch(
                    executable_path=EXECUTABLE, args=_CHROMIUM_ARGUMENTS
                )
        except Error as error:
            raise PageFailed(f"{name} cannot be started: {error.message.splitlines()[0]}") from error
        try:
            yield running
        finally:
            await running.close()


@asynccontextmanager
async def person(
    running: Browser, relay: Relay, *, camera: Camera | None, strip: tuple[str, ...] = ()
) -> AsyncIterator[Person]:
    """A page in a new profile, behind the relay. Without a camera nothing of theirs is seen."""
    context = await running.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = await context.new_page()
        wanted = camera or Camera(160, 90, 5)
        options = {
            "host": HOST,
            "port": relay.port,
            "strip": list(strip),
            "camera": {"width": wanted.width, "height": wanted.height, "frameRate": wanted.rate},
        }
        await page.add_init_script(f"({_PREPARE})({json.dumps(options)})")
        if camera is None:
            await page.add_init_script(
                "localStorage.setItem('chatter.preferences', JSON.stringify({cameraOn: false}))"
            )
        yield Person(page, relay)
    finally:
        await asyncio.shield(context.close())
