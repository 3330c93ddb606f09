"""On a host with several addresses a client hears us only from the one that it talks to."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator

import pytest

from sfu.plane._fast import FastPlane
from sfu.plane.interface import Address, Punt, SrtpKeys, SrtpProfile

STUN = b"\x00\x01" + bytes(18)
TIMEOUT = 5.0
REPORT = bytes.fromhex("80c9000100000001")
KEYS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, receive=bytes(28), send=bytes(range(28)))


@pytest.fixture
def plane() -> Iterator[FastPlane]:
    plane = FastPlane()
    yield plane
    plane.close_port()


def connected(family: int, host: str, port: int) -> socket.socket:
    """A client's socket that hears one address only."""
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(TIMEOUT)
    client.connect((host, port))
    return client


def punted(plane: FastPlane) -> Punt:
    wake = plane.wake_descriptor
    assert wake is not None
    assert select.select([wake], [], [], TIMEOUT)[0]
    os.read(wake, 8)
    (punt,) = plane.take_punts()
    return punt


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("host", "family", "target"),
    [
        ("", socket.AF_INET, "127.0.0.1"),
        # Not the address that the kernel would answer from.
        ("", socket.AF_INET, "127.0.0.5"),
        ("0.0.0.0", socket.AF_INET, "127.0.0.5"),
        ("::", socket.AF_INET, "127.0.0.5"),
        ("", socket.AF_INET6, "::1"),
        ("127.0.0.5", socket.AF_INET, "127.0.0.5"),
    ],
)
def test_checks_and_media_leave_by_the_address_that_was_asked(
    plane: FastPlane, host: str, family: int, target: str, threads: int
) -> None:
    plane.open_port(host, 0, threads)
    port = plane.port_number
    assert port is not None
    with connected(family, target, port) as client:
        client.send(STUN)
        punt = punted(plane)
        address: Address = client.getsockname()[:2]
        assert punt.address == address
        plane.send(b"answer", address)
        assert client.recv(100) == b"answer"

        plane.open_transport(1)
        plane.bind(1, address)
        plane.set_keys(1, KEYS)
        plane.send_rtcp(1, REPORT)
        assert client.recv(100)[:2] == REPORT[:2]


def test_a_client_that_moves_to_another_of_our_addresses_is_followed_when_it_is_bound(
    plane: FastPlane,
) -> None:
    plane.open_port("", 0)
    port = plane.port_number
    assert port is not None
    plane.open_transport(1)
    plane.set_keys(1, KEYS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT)
        for target in ("127.0.0.5", "127.0.0.6"):
            client.connect((target, port))
            client.send(STUN)
            address = punted(plane).address
            assert address is not None
            plane.bind(1, address)
            plane.send_rtcp(1, REPORT)
            assert client.recv(100)[:2] == REPORT[:2]
