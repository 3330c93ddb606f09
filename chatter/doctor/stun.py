"""Asking a STUN server, a TURN server or Chatter's media port who we are to it (RFC 8489)."""

from __future__ import annotations

import asyncio
import struct

from aioice import stun

TIMEOUT = 2.0
RETRY = 0.5

# Chatter answers nobody whom it does not know with more than it was sent: the request is made longer.
_SOFTWARE = "chatter doctor, looking at the media port"


class _Client(asyncio.DatagramProtocol):
    def __init__(self, request: stun.Message) -> None:
        self.answer: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        self._request = request

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            message = stun.parse_message(data)
        except (ValueError, struct.error):
            return
        mapped = message.attributes.get("XOR-MAPPED-ADDRESS")
        if message.transaction_id == self._request.transaction_id and mapped and not self.answer.done():
            self.answer.set_result(mapped)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there. It may be a moment too early: the next try tells."""


async def mapped_address(host: str, port: int, patience: float = TIMEOUT) -> tuple[str, int] | None:
    """Return our address and port as the server sees them, None where it does not answer within `patience`
    seconds.

    Raises OSError where the name cannot be resolved or there is no route.
    """
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"SOFTWARE": _SOFTWARE})
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Client(request), remote_addr=(host, port)
    )
    try:
        async with asyncio.timeout(patience):
            while True:
                transport.sendto(bytes(request))
                done, _ = await asyncio.wait([client.answer], timeout=RETRY)
                if done:
                    return client.answer.result()
    except TimeoutError:
        return None
    finally:
        transport.close()
