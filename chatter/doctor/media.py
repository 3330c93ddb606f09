"""The media port, and the addresses that clients are told."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence

from chatter.doctor.finding import Finding, fault, ok, warning
from chatter.settings import MediaSettings
from sfu.net.addresses import host_candidates

Ask = Callable[[str, int], Awaitable[tuple[str, int] | None]]

PORT, ADDRESS = "media port", "announced address"
_SET = "MEDIA_ANNOUNCED_ADDRESSES (media.announced_addresses)"


def offered(media: MediaSettings, interfaces: Sequence[str], *, local: bool) -> tuple[str, ...]:
    """Return the addresses that clients are told."""
    return host_candidates(
        interfaces, host=media.host, announced=media.announced_addresses, ipv6=socket.has_ipv6, local=local
    )


def free(media: MediaSettings) -> Finding:
    """Say whether a server that does not run yet can have the port."""
    family = socket.AF_INET6 if ":" in media.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((media.host, media.port))
    except OSError as error:
        return fault(
            PORT,
            f"UDP port {media.port} cannot be opened: {error.strerror}.",
            "End the program that has it (ss -ulpn tells which), or choose another MEDIA_PORT (media.port).",
        )
    return ok(PORT, f"UDP port {media.port} is free for the server.")


async def answers(media: MediaSettings, addresses: Sequence[str], ask: Ask) -> list[Finding]:
    """Say at which of its addresses the running media server answers."""
    found = []
    for address in addresses:
        try:
            mapped = await ask(address, media.port)
        except OSError as error:
            found.append(_silent(address, media.port, f"cannot be sent to: {error.strerror}"))
            continue
        if mapped is None:
            found.append(_silent(address, media.port, "does not answer"))
        else:
            found.append(ok(PORT, f"{address} answers on UDP port {media.port}."))
    return found


def _silent(address: str, port: int, what: str) -> Finding:
    return fault(
        PORT,
        f"{address}, UDP port {port}, {what}.",
        f"Let UDP port {port} through the firewall and the provider's network rules to this machine, and"
        f" publish it under the same number from a container; clients are told this address by {_SET}. If"
        " only this machine cannot reach it (a NAT without hairpin), run the doctor from outside to be sure.",
    )


def judge_addresses(
    offered: Sequence[str], announced: Sequence[str], interfaces: Sequence[str], public: str | None
) -> Finding:
    """Say whether people elsewhere can reach what they are told. `public` is how a STUN server sees us."""
    addresses = [ipaddress.ip_address(text) for text in offered]
    reachable = [address for address in addresses if address.is_global]
    shown = ", ".join(offered) or "none"
    if public is not None and public not in offered:
        return (fault if not reachable else warning)(
            ADDRESS,
            f"Clients are told {shown}, but the Internet sees this machine as {public}.",
            f"Set {_SET} to {public} (and a private address too, if people come from inside).",
        )
    if not reachable:
        return warning(
            ADDRESS,
            f"Clients are told {shown}: nobody outside of this network reaches that.",
            f"That is well on a laptop or in an office. Else set {_SET} to the public address.",
        )
    foreign = [text for text in announced if text not in interfaces]
    if foreign and public is None:
        return ok(
            ADDRESS, f"Clients are told {shown}; {', '.join(foreign)} is no address of this machine: a NAT."
        )
    return ok(ADDRESS, f"Clients are told {shown}.")


def stun_servers(ice_servers: Sequence[Mapping[str, object]]) -> list[tuple[str, int]]:
    """Return host and port of each STUN server among RTCIceServer dictionaries."""
    found = []
    for server in ice_servers:
        urls = server["urls"]
        for url in urls if isinstance(urls, list | tuple) else [str(urls)]:
            if str(url).startswith("stun:"):
                host, _, port = str(url).removeprefix("stun:").rpartition(":")
                found.append((host, int(port)) if host and port.isdigit() else (port, 3478))
    return found
