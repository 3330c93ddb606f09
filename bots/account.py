"""Signing in: an account's access token, by which a bot joins as somebody."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from bots.errors import SignInFailed

TIMEOUT = 30.0
"""Seconds for a request; hashing a password takes its time."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who a bot is on a server."""

    server: URL
    id: int
    username: str
    token: str
    """The access token, for Room.join() and the `Authorization: Bearer` header."""

    @classmethod
    async def register(cls, server: str, username: str, password: str) -> Account:
        """Make an account at `server` (http(s)://host). Raises SignInFailed with the server's reason."""
        return await cls._sign_in(server, "register", username, password)

    @classmethod
    async def login(cls, server: str, username: str, password: str) -> Account:
        """Sign in. Raises SignInFailed with the server's reason."""
        return await cls._sign_in(server, "login", username, password)

    async def create_room(self, mode: str | None = None) -> str:
        """Make a room of a mode (`p2p`, `sfu`, `auto`), or of the server's default one; returns its address
        as people see it. Raises SignInFailed with the server's reason."""
        headers = {"Authorization": f"Bearer {self.token}"}
        body = await _post(self.server / "rooms", headers, {} if mode is None else {"mode": mode})
        room_id = body.get("roomId")
        if not isinstance(room_id, str):
            raise SignInFailed(200, "protocol", f"{self.server / 'rooms'} answered without a room id")
        return str(self.server / "r" / room_id)

    @classmethod
    async def _sign_in(cls, server: str, action: str, username: str, password: str) -> Account:
        url = URL(server).with_path("")
        headers = {"X-Device-ID": f"bot-{uuid.uuid4()}"}
        body = await _post(url / "auth" / action, headers, {"username": username, "password": password})
        try:
            return cls(url, int(body["id"]), str(body["username"]), str(body["token"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SignInFailed(200, "protocol", f"the server answered without {error}") from error


async def _post(url: URL, headers: dict[str, str], json: dict[str, Any]) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(url, headers=headers, json=json) as reply,
        ):
            try:
                body = await reply.json(content_type=None)
            except ValueError:
                body = None
            if reply.ok and isinstance(body, dict):
                return body
            error = body.get("error") if isinstance(body, dict) else None
            error = error if isinstance(error, dict) else {}
            raise SignInFailed(
                reply.status,
                str(error.get("code", "http_error")),
                str(error.get("message", f"{url} answered with HTTP {reply.status}")),
            )
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SignInFailed(0, "unreachable", f"{url} cannot be reached: {error or 'timeout'}") from error
