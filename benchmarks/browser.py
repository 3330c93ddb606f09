"""A join in a real browser: Chromium with its fake camera and microphone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Error, Page, async_playwright

EXECUTABLE = "/usr/bin/chromium"
FRAME_TIMEOUT_MS = 15_000

ARGUMENTS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=30",
    "--allow-loopback-in-peer-connection",
]

# Notes the stages from inside the page, before any of its scripts run. The first frame is the first that a
# track processor is given, which is when it has been decoded: getStats() may be 50 ms old, and a video
# element waits for the next repaint.
_OBSERVE = """
(() => {
  const stages = {};
  window.joinStages = stages;
  const note = (stage) => { stages[stage] ??= performance.now(); };
  const NativeSocket = window.WebSocket;
  window.WebSocket = class extends NativeSocket {
    constructor(...args) {
      super(...args);
      if (!String(args[0]).includes("/ws/")) return;
      note("socket");
      this.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "welcome") note("welcome");
        if (message.type === "webrtc" && message.from === "sfu" && message.action === "answer")
        note("answer");
      });
    }
  };
  const NativePeer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends NativePeer {
    constructor(...args) {
      super(...args);
      this.addEventListener("connectionstatechange", () => {
        if (this.connectionState === "connected") note("connected");
      });
      this.addEventListener("track", async ({ track }) => {
        if (track.kind !== "video") return;
        const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
        const { value } = await reader.read();
        if (value) { note("frame"); value.close(); }
        await reader.cancel();
      });
    }
  };
})();
"""

_DECODED = "async () => (await window.chatterCall.stats()).some((t) => t.framesDecoded > 0)"


class PageFailed(RuntimeError):  # noqa: N818
    """The page did not get to a frame."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser. Raises PageFailed when there is none."""
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        except Error as error:
            raise PageFailed(f"Chromium cannot be started: {error.message.splitlines()[0]}") from error
        try:
            yield browser
        finally:
            await browser.close()


async def join(browser: Browser, room: str) -> dict[str, float]:
    """Open the room in a new, empty profile, wait for the first remote frame, and close it.

    Returns the seconds from the WebSocket's connect to `welcome`, `answer`, `connected` and `frame`. Raises
    PageFailed.
    """
    context = await browser.new_context(permissions=["camera", "microphone"])
    try:
        page = await context.new_page()
        await page.add_init_script(_OBSERVE)
        return await _stages(page, f"{room}?name=Browser&join=1")
    except Error as error:
        raise PageFailed(error.message.splitlines()[0]) from error
    finally:
        await context.close()


async def _stages(page: Page, url: str) -> dict[str, float]:
    await page.goto(url)
    await page.wait_for_function("() => window.joinStages.frame !== undefined", timeout=FRAME_TIMEOUT_MS)
    # The page's own statistics must agree that it decoded somebody else's picture.
    await page.wait_for_function(_DECODED, timeout=FRAME_TIMEOUT_MS)
    at: dict[str, float] = await page.evaluate("() => window.joinStages")
    return {stage: (at[stage] - at["socket"]) / 1000 for stage in at if stage != "socket"}
