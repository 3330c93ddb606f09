"""A plane alone in a process: one publisher, many subscribers, no signaling, no ICE and no DTLS.

`python -m benchmarks.clients.plane_host` reads its configuration as one line of JSON, answers with the port,
and ends when its input does.
"""

from __future__ import annotations

import asyncio
import json
import select
import sys
from dataclasses import asdict, dataclass

from sfu.net.udp import UdpSocket
from sfu.plane import fast_plane
from sfu.plane.interface import Address, Feed, Plane, RouteRow, SourceRow, SrtpKeys, SrtpProfile
from sfu.plane.reference import ReferencePlane

HOST = "127.0.0.1"
SSRC = 1
PAYLOAD_TYPE = 97
PUBLISHER = 0
PUNTS_INTERVAL = 0.5
PROFILES = {
    "gcm": SrtpProfile.AEAD_AES_128_GCM,
    "gcm256": SrtpProfile.AEAD_AES_256_GCM,
    "cm": SrtpProfile.AES128_CM_SHA1_80,
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """Which plane, and whom it serves."""

    plane: str
    """`fast` or `reference`."""
    profile: str
    publisher: int
    """Its port."""
    subscribers: list[int]
    """Their ports."""
    segment: bool = True
    """UDP_SEGMENT, of the fast one."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def keys(profile: str, transport: int) -> SrtpKeys:
    """Of a transport of the plane; the same every time."""
    found = PROFILES[profile]
    size = found.key_length + found.salt_length
    seed = transport.to_bytes(2, "big") * size
    return SrtpKeys(found, receive=(b"r" + seed)[:size], send=(b"s" + seed)[:size])


def program(plane: Plane, configuration: Configuration) -> None:
    """Write its rows."""
    ports = [configuration.publisher, *configuration.subscribers]
    for transport, port in enumerate(ports):
        plane.open_transport(transport)
        plane.bind(transport, (HOST, port))
        plane.set_keys(transport, keys(configuration.profile, transport))
    plane.add_source(SourceRow(1, PUBLISHER, SSRC, 90_000, {PAYLOAD_TYPE: "VP8"}, True))
    for transport in range(1, len(ports)):
        plane.add_route(RouteRow(transport, transport, 1000 + transport, 90_000, 100, "0", 1))
        plane.feed_route(transport, Feed(1, {PAYLOAD_TYPE: PAYLOAD_TYPE}, {}, await_keyframe=False))


def main() -> None:
    configuration = Configuration(**json.loads(sys.stdin.readline()))
    if configuration.plane == "fast":
        _fast(configuration)
    else:
        asyncio.run(_reference(configuration))


def _fast(configuration: Configuration) -> None:
    plane = fast_plane()
    program(plane, configuration)
    plane.open_port(HOST, 0, 1, configuration.segment)
    print(plane.port_number, flush=True)
    while not select.select([sys.stdin], [], [], PUNTS_INTERVAL)[0]:
        plane.take_punts()
    plane.close_port()


async def _reference(configuration: Configuration) -> None:
    """As the media server does it: read a batch, work, send each datagram."""
    plane = ReferencePlane()
    program(plane, configuration)
    loop = asyncio.get_running_loop()

    def receive(datagrams: list[tuple[bytes, Address]]) -> None:
        now = loop.time()
        for data, address in datagrams:
            plane.receive(data, address, now)
        for data, address in plane.take_datagrams():
            socket.send(data, address)
        plane.take_punts()

    socket = UdpSocket(HOST, 0, receive)
    print(socket.port, flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()
    socket.close()


if __name__ == "__main__":
    main()
