"""A client of the HTTP API."""

from __future__ import annotations

import ssl
import uuid
from types import TracebackType
from typing import Self

from bots.client.accounts import Accounts
from bots.client.answers import IceServer, IceServers
from bots.client.api_keys import ApiKeys
from bots.client.connection import Connection, Request
from bots.client.retry import Retries
from bots.client.rooms import Rooms


class Client:
    """A server's HTTP API, by parts: `accounts`, `rooms`, `api_keys`.

    All calls raise ApiProblem where the server refuses, ServerUnreachable where it does not answer, and
    ProtocolViolated where its answer is none of this API.
    """

    def __init__(
        self,
        server: str,
        *,
        token: str | None = None,
        device_id: str | None = None,
        timeout: float = 30.0,
        retries: Retries | None = None,
        ssl: ssl.SSLContext | bool = True,
    ) -> None:
        """`server` is http(s)://host[:port]; `token` an access token or an API key, where the client does not
        sign in; `device_id` what the session is kept under, made anew where it is left out; `timeout` the
        seconds for each attempt. Raises AddressInvalid.
        """
        self._connection = Connection(
            server,
            token=token,
            timeout=timeout,
            retries=retries if retries is not None else Retries(),
            ssl=ssl,
        )
        self.accounts = Accounts(self._connection, device_id or f"client-{uuid.uuid4()}")
        self.rooms = Rooms(self._connection)
        self.api_keys = ApiKeys(self._connection)

    @property
    def token(self) -> str | None:
        """The access token or API key that requests are made with; Room.join() takes the former."""
        return self._connection.token

    def room_address(self, room_id: str) -> str:
        """Return the address of a room as people see it, for Room.join()."""
        return str(self._connection.server / "r" / room_id)

    async def ice_servers(self) -> list[IceServer]:
        """Return STUN and TURN servers, with credentials that expire."""
        return (await self._connection.call(Request("GET", "/ice-servers"), IceServers)).ice_servers

    async def __aenter__(self) -> Self:
        await self._connection.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._connection.close()
