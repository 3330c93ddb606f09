"""What browsers meet first: HTTP, the certificate, the WebSocket through whatever proxy stands before us."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from typing import Any

import aiohttp
from yarl import URL

from chatter.address import ListenAddress
from chatter.doctor.finding import Finding, fault, ok, warning

HTTP, CERTIFICATE, SOCKET = "HTTP", "certificate", "WebSocket"
TIMEOUT = 5.0

SOON = 14
"""Days before the end of a certificate at which its renewal should have happened."""


def local_url(address: ListenAddress) -> str:
    """Return where a server that listens there is reached on its own machine."""
    host = address.host if address.host and address.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    return f"http://[{host}]:{address.port}" if ":" in host else f"http://{host}:{address.port}"


async def running(url: str) -> bool:
    """Whether Chatter answers there."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{url}/health") as reply:
            return reply.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def free(address: ListenAddress) -> Finding:
    """Say whether a server that does not run yet can have the port."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        return fault(
            HTTP,
            f"No server answers on port {address.port}, and it cannot be opened: {error.strerror}.",
            "Choose a port above 1023 or give the right to it (AmbientCapabilities=CAP_NET_BIND_SERVICE)."
            if error.errno == errno.EACCES
            else "End the program that has it (ss -tlpn tells which), or choose another SERVER_ADDR.",
        )
    return warning(
        HTTP,
        f"No server runs here; port {address.port} is free for it.",
        "Start `chatter serve`, and run the doctor again: much can only be seen then.",
    )


async def examine(url: str) -> list[Finding]:
    """Look at a server by the URL that browsers use."""
    address = URL(url)
    found = []
    if address.scheme == "https":
        found.append(await _certificate(address))
        if found[0].level == "fault":
            return found
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        try:
            async with http.get(f"{url}/health") as reply:
                if not reply.ok:
                    return [
                        *found,
                        fault(HTTP, f"{url}/health answers {reply.status}.", "Its log tells why."),
                    ]
        except (aiohttp.ClientError, TimeoutError) as error:
            return [
                *found,
                fault(
                    HTTP, f"{url} does not answer: {error or 'in time'}.", "Is it running, and let through?"
                ),
            ]
        found.append(ok(HTTP, f"{url} answers."))
        found.append(await _socket(http, url))
    return found


async def _socket(http: aiohttp.ClientSession, url: str) -> Finding:
    try:
        ws = await http.ws_connect(f"{url}/ws/doctor-looks-in")
    except aiohttp.WSServerHandshakeError as error:
        # Chatter refuses with these before the upgrade; all else is somebody's in between.
        if error.status in (401, 403, 404, 429):
            return ok(SOCKET, "The server is reached.")
        return fault(
            SOCKET,
            f"The upgrade is answered with {error.status}.",
            "A proxy must pass Upgrade and Connection (deploy/nginx shows how).",
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        return fault(
            SOCKET, f"It cannot be opened: {error or 'no answer in time'}.", "Look at the proxy's log."
        )
    await ws.close()
    return ok(SOCKET, "It can be opened.")


async def _certificate(address: URL) -> Finding:
    host, port = address.host or "", address.port or 443
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return fault(
            CERTIFICATE,
            f"Browsers will not accept that of {host}: {error.verify_message}.",
            "Renew it (init-letsencrypt.sh makes one), and serve the whole chain.",
        )
    except (OSError, TimeoutError) as error:
        return fault(
            CERTIFICATE, f"{host}:{port} gives none: {error or 'no answer'}.", "Is TLS on that port?"
        )
    certificate: dict[str, Any] = writer.get_extra_info("peercert")
    writer.close()
    return valid_for(host, ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time())


def valid_for(host: str, seconds: float) -> Finding:
    """Say how long the certificate is good for."""
    days = int(seconds // 86400)
    if days >= SOON:
        return ok(CERTIFICATE, f"That of {host} is good for {days} days.")
    return warning(CERTIFICATE, f"That of {host} is good for {days} days.", "Look why it was not renewed.")
