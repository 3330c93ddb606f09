"""Which addresses the server offers as its host candidates."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import ifaddr

LOOPBACK = ("127.0.0.1", "::1")


def interface_addresses() -> list[str]:
    """The addresses of this machine's interfaces; no link-local ones (a browser needs a zone for them)."""
    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            if not ipaddress.ip_address(text).is_link_local:
                found.append(text)
    return found


def host_candidates(
    interfaces: Iterable[str], *, host: str, announced: tuple[str, ...], ipv6: bool, local: bool
) -> tuple[str, ...]:
    """The addresses to offer, the preferred one first.

    `host` is what the socket is bound to (empty for all); `announced` replaces everything; `local` says that
    the client reached us over loopback, so that it can reach our media there too.
    """
    if announced:
        return announced
    if host and not ipaddress.ip_address(host).is_unspecified:
        return (host,)
    addresses = [ipaddress.ip_address(text) for text in interfaces]
    chosen = [address for address in addresses if not address.is_loopback and (ipv6 or address.version == 4)]
    # IPv4 first: it is what more networks carry; ICE tries all anyway.
    chosen.sort(key=lambda address: address.version)
    texts = [str(address) for address in chosen]
    if local or not texts:
        texts += [text for text in LOOPBACK if ipv6 or ":" not in text]
    return tuple(dict.fromkeys(texts))
