"""Signing in: an account's access token, by which a bot joins as somebody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from yarl import URL

from bots.client import Client
from bots.client.retry import Retries
from bots.errors import ApiProblem, ProtocolViolated, ServerUnreachable, SignInFailed

# What is measured is the server, not the patience of a client.
ONCE = Retries(attempts=1)


@dataclass(frozen=True, slots=True)
class Account:
    """Who a bot is on a server; for more than signing in and making a room there is Client."""

    server: URL
    id: int
    username: str
    token: str
    """The access token, for Room.join() and the `Authorization: Bearer` header."""

    @classmethod
    async def register(cls, server: str, username: str, password: str) -> Account:
        """Make an account at `server` (http(s)://host). Raises SignInFailed with the server's reason."""
        async with _client(server) as client:
            made = await client.accounts.register(username, password)
        return cls(URL(server).origin(), made.id, made.username, made.token)

    @classmethod
    async def login(cls, server: str, username: str, password: str) -> Account:
        """Sign in. Raises SignInFailed with the server's reason."""
        async with _client(server) as client:
            made = await client.accounts.login(username, password)
        return cls(URL(server).origin(), made.id, made.username, made.token)

    async def create_room(self, mode: Literal["auto", "p2p", "sfu"] | None = None) -> str:
        """Make a room of a mode (`p2p`, `sfu`, `auto`), or of the server's default one; returns its address
        as people see it. Raises SignInFailed with the server's reason."""
        async with _client(str(self.server), self.token) as client:
            made = await (client.rooms.create() if mode is None else client.rooms.create(mode=mode))
            return client.room_address(made.room_id)


@asynccontextmanager
async def _client(server: str, token: str | None = None) -> AsyncIterator[Client]:
    try:
        async with Client(server, token=token, retries=ONCE) as client:
            yield client
    except ApiProblem as problem:
        raise SignInFailed(problem.status, problem.code, problem.detail) from problem
    except ServerUnreachable as error:
        raise SignInFailed(0, "unreachable", str(error)) from error
    except ProtocolViolated as error:
        raise SignInFailed(200, "protocol", str(error)) from error
