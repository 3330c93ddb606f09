"""deploy/coturn/turnserver.conf: what must not be changed by mistake. tests/system/test_turn.py runs it."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

LINES = [
    line.strip()
    for line in (Path(__file__).parents[2] / "deploy/coturn/turnserver.conf").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]
DENIED = [
    tuple(map(ipaddress.ip_address, line.removeprefix("denied-peer-ip=").split("-")))
    for line in LINES
    if line.startswith("denied-peer-ip=")
]


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "10.1.2.3", "100.64.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "fd00::1"],
)
def test_the_network_behind_the_server_is_closed(address):
    wanted = ipaddress.ip_address(address)
    assert any(low.version == wanted.version and low <= wanted <= high for low, high in DENIED)


def test_credentials_expire():
    assert {"use-auth-secret", "no-cli", "no-multicast-peers"} <= set(LINES)
    assert not any(line.startswith(("user=", "no-auth", "allow-loopback-peers")) for line in LINES)


def test_the_secret_is_not_in_the_file():
    assert not any(line.startswith("static-auth-secret") for line in LINES)
