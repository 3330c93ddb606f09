"""Write the offers of this folder anew: `python tests/data/sdp/capture.py` (Chromium, Firefox ESR, aiortc).

Addresses of the machine are replaced by ones from the documentation ranges (RFC 5737, RFC 3849).
"""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_address
from pathlib import Path

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from playwright.async_api import Browser, Playwright, async_playwright

FOLDER = Path(__file__).parent

OFFERS = """
async () => {
  const gathered = pc => new Promise(resolve => {
    const check = () => { if (pc.iceGatheringState === 'complete') resolve(); };
    pc.addEventListener('icegatheringstatechange', check);
    check();
  });
  const offers = {};
  const offer = async (name, pc) => {
    await pc.setLocalDescription();
    await gathered(pc);
    offers[name] = pc.localDescription.sdp;
  };
  const connect = async pc => {
    const other = new RTCPeerConnection();
    await other.setRemoteDescription(pc.localDescription);
    await other.setLocalDescription();
    await gathered(other);
    await pc.setRemoteDescription(other.localDescription);
    other.close();
  };
  const camera = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  const screen = await navigator.mediaDevices.getUserMedia({video: true});
  const [audio] = camera.getAudioTracks(), [video] = camera.getVideoTracks();
  const [display] = screen.getVideoTracks();
  const sendEncodings = [
    {rid: 'q', scaleResolutionDownBy: 4}, {rid: 'h', scaleResolutionDownBy: 2}, {rid: 'f'},
  ];
  const take = async (name, prepare) => {
    const pc = new RTCPeerConnection();
    prepare(pc);
    await offer(name, pc);
    pc.close();
  };
  const sendrecv = pc => { pc.addTrack(audio, camera); pc.addTrack(video, camera); };
  const sendonly = (pc, track, stream, encodings) => pc.addTransceiver(
    track, {direction: 'sendonly', streams: [stream], ...(encodings ? {sendEncodings: encodings} : {})});
  const recvonly = (pc, ...kinds) => kinds.forEach(kind => pc.addTransceiver(kind, {direction: 'recvonly'}));

  await take('sendrecv', sendrecv);
  await take('simulcast', pc => { sendonly(pc, audio, camera); sendonly(pc, video, camera, sendEncodings); });
  await take('recvonly', pc => recvonly(pc, 'audio', 'video', 'video'));
  await take('datachannel', pc => { sendrecv(pc); pc.createDataChannel('x'); });
  await take('screen', pc => {
    sendonly(pc, audio, camera);
    sendonly(pc, video, camera);
    sendonly(pc, display, screen);
    recvonly(pc, 'audio', 'video');
  });

  const restarting = new RTCPeerConnection();
  sendrecv(restarting);
  await offer('before-restart', restarting);
  await connect(restarting);
  restarting.restartIce();
  await offer('restart', restarting);
  restarting.close();

  const stopping = new RTCPeerConnection();
  sendrecv(stopping);
  await stopping.setLocalDescription();
  await connect(stopping);
  stopping.getTransceivers()[1].stop();
  await offer('stopped', stopping);
  stopping.close();
  return offers;
}
"""


def anonymous(sdp: str) -> str:
    """Replace the addresses that are the machine's own."""

    def replacement(match: re.Match[str]) -> str:
        address = ip_address(match[0])
        if address.is_loopback or address.is_unspecified:
            return match[0]
        return "192.0.2.2" if address.version == 4 else "2001:db8::2"

    sdp = re.sub(r"(?<=IP4 )[\d.]+|(?<= )\d+(?:\.\d+){3}(?= )", replacement, sdp)
    return re.sub(r"(?<=IP6 )[\da-f:]+|(?<= )[\da-f]*:[\da-f:]+(?= \d+ typ)", replacement, sdp)


def save(name: str, sdp: str) -> None:
    (FOLDER / f"{name}.sdp").write_bytes(anonymous(sdp).encode())


async def capture_browser(name: str, browser: Browser) -> None:
    page = await browser.new_page()
    # Devices are only there on a secure origin, and localhost is one.
    await page.route("**/*", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    await page.goto("http://localhost:9999/")
    for offer, sdp in (await page.evaluate(OFFERS)).items():
        save(f"{name}-{offer}", sdp)
    await browser.close()


async def capture_browsers(playwright: Playwright) -> None:
    chromium = await playwright.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
    )
    await capture_browser("chromium", chromium)
    firefox = await playwright.firefox.launch(
        channel="moz-firefox",
        executable_path="/usr/bin/firefox-esr",
        firefox_user_prefs={
            "media.navigator.streams.fake": True,
            "media.navigator.permission.disabled": True,
            "media.peerconnection.ice.obfuscate_host_addresses": False,
        },
    )
    await capture_browser("firefox", firefox)


async def capture_aiortc() -> None:
    for name in ("sendrecv", "recvonly", "datachannel", "screen"):
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if name == "recvonly":
            connection.addTransceiver("audio", direction="recvonly")
            connection.addTransceiver("video", direction="recvonly")
        else:
            connection.addTrack(AudioStreamTrack())
            connection.addTrack(VideoStreamTrack())
        if name == "datachannel":
            connection.createDataChannel("x")
        if name == "screen":
            connection.addTransceiver(VideoStreamTrack(), direction="sendonly")
        await connection.setLocalDescription(await connection.createOffer())
        save(f"aiortc-{name}", connection.localDescription.sdp)
        await connection.close()


async def main() -> None:
    await capture_aiortc()
    async with async_playwright() as playwright:
        await capture_browsers(playwright)


if __name__ == "__main__":
    asyncio.run(main())
