"""The TURN server: whether it gives our clients a relay, by each way that they are told."""

from __future__ import annotations

import asyncio
import re
import ssl

from aioice import stun, turn

from chatter.doctor.finding import Finding, fault, ok, warning
from signaling.turn import TurnServer

CHECK = "TURN"
TIMEOUT = 5.0

_URL = re.compile(r"(turns?):(\[[^\]]+\]|[^:?]+)(?::(\d+))?(?:\?transport=(udp|tcp))?")


async def examine(server: TurnServer | None) -> list[Finding]:
    """Ask for a relayed address by each URL."""
    if server is None:
        return [
            warning(
                CHECK,
                "There is no TURN server.",
                "People whose network lets no UDP through cannot call peer-to-peer. Run coturn with"
                " deploy/coturn/turnserver.conf and set TURN_URLS and TURN_SECRET.",
            )
        ]
    return list(await asyncio.gather(*(_allocate(server, url) for url in server.urls)))


async def _allocate(server: TurnServer, url: str) -> Finding:
    match = _URL.fullmatch(url)
    if match is None:
        return fault(
            CHECK, f"{url} is no TURN URL.", "Write turn:host:port?transport=udp, or tcp, or turns:."
        )
    scheme, host, port, way = match.groups()
    secure = scheme == "turns"
    credentials = server.for_client("doctor")
    try:
        async with asyncio.timeout(TIMEOUT):
            transport, _ = await turn.create_turn_endpoint(
                asyncio.DatagramProtocol,
                server_addr=(host.strip("[]"), int(port or (5349 if secure else 3478))),
                username=str(credentials["username"]),
                password=str(credentials["credential"]),
                ssl=ssl.create_default_context() if secure else False,
                transport="tcp" if secure else way or "udp",
            )
    except TimeoutError:
        return fault(CHECK, f"{url} does not answer.", "Is it running, and its port open in the firewall?")
    except (OSError, stun.TransactionError) as error:
        return _refused(url, error)
    relayed = transport.get_extra_info("sockname")
    transport.close()
    return ok(CHECK, f"{url} relays by way of {relayed[0]}.")


def _refused(url: str, error: Exception) -> Finding:
    if isinstance(error, stun.TransactionFailed):
        code, reason = error.response.attributes.get("ERROR-CODE", (0, str(error)))
        if code == 401:
            return fault(
                CHECK,
                f"{url} refuses our credentials.",
                "TURN_SECRET must be its static-auth-secret, with use-auth-secret; both clocks must agree.",
            )
        return fault(CHECK, f"{url} gives no relay: {code} {reason}.", "Its log tells why.")
    if isinstance(error, stun.TransactionTimeout):
        return fault(CHECK, f"{url} does not answer.", "Is it running, and its port open in the firewall?")
    return fault(CHECK, f"{url} cannot be reached: {error}.", "Is the name right, and is it running?")
