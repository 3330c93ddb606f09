"""API keys: /api-keys/…"""

from __future__ import annotations

from bots.client.answers import ApiKeyInfo, NewApiKey
from bots.client.connection import Connection, Request, once, path_of


class ApiKeys:
    """The keys by which programs act for the account. All methods raise ApiProblem.

    Only the account itself may: a client that was given a key as its token may not.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, name: str) -> NewApiKey:
        """Make a key; the server shows it this once."""
        return await self._connection.call(once("/api-keys", {"name": name}), NewApiKey)

    async def all(self) -> list[ApiKeyInfo]:
        """Return the account's keys, the newest first."""
        return await self._connection.call(Request("GET", "/api-keys"), list[ApiKeyInfo])

    async def revoke(self, key_id: str) -> None:
        """Revoke a key, and the join tokens that were minted by it."""
        await self._connection.do(Request("DELETE", path_of("api-keys", key_id)))
