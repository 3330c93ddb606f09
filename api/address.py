"""Where a request comes from, also through proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from aiohttp import web

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A home or a site has at least this many bits of IPv6 for itself (RFC 6177).
IPV6_SITE = 64


class TrustedProxies:
    """The proxies whose X-Forwarded-For is believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        """`networks` are addresses or CIDR blocks. Raise ValueError for anything else."""
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(network) for network in networks)

    def client(self, peer: str | None, forwarded_for: str) -> str | None:
        """Return the address of the client.

        `peer` is who connected and `forwarded_for` the header, to which each proxy adds whom it saw: it is
        read from its end for as long as a trusted one tells it. What others wrote into it is not believed.
        """
        address = _parsed(peer)
        if address is None:
            return None
        for hop in reversed(forwarded_for.split(",")):
            if not self.trusts(address):
                break
            told = _parsed(hop)
            if told is None:
                break
            address = told
        return str(address)

    def trusts(self, address: Address | str | None) -> bool:
        """Whether that is one of them."""
        parsed = _parsed(address) if isinstance(address, str) else address
        return parsed is not None and any(parsed in network for network in self._networks)


PROXIES = web.AppKey("trusted_proxies", TrustedProxies)


def client_address(request: web.Request) -> str | None:
    """Return the address that a request comes from; None on a connection that has none."""
    proxies = request.app.get(PROXIES) or TrustedProxies(())
    return proxies.client(request.remote, ",".join(request.headers.getall("X-Forwarded-For", ())))


def network_of(address: str | None) -> str:
    """Return what stands for one visitor: an IPv4 address, or the site of an IPv6 one."""
    parsed = _parsed(address)
    if parsed is None:
        return ""
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, IPV6_SITE), strict=False))


def _parsed(text: str | None) -> Address | None:
    if text is None:
        return None
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if address.version == 6 and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
