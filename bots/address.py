"""Where a room is: the addresses that people copy, and the WebSocket behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from yarl import URL

from bots.errors import AddressInvalid

ROOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SOCKET_SCHEME = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_FORMS = "expected http(s)://host/r/<room> or ws(s)://host/ws/<room>"


@dataclass(frozen=True, slots=True)
class Address:
    """A room on a server."""

    socket: URL
    """The WebSocket, without query: ws(s)://host[:port]/…/ws/{room_id}."""
    room_id: str

    def with_query(self, token: str | None, display_name: str | None) -> URL:
        """The WebSocket with who joins."""
        query = {"token": token, "displayName": display_name}
        return self.socket.with_query({key: value for key, value in query.items() if value is not None})


def parse(text: str) -> Address:
    """Read a room's address, as people see it (`http://host/r/abc`) or as clients use it
    (`ws://host/ws/abc`).

    Raises AddressInvalid with a sentence that names the wrong part.
    """
    try:
        url = URL(text)
        host = url.host
    except ValueError as error:
        raise AddressInvalid(f"{text!r} is no address: {error}") from error
    if url.scheme not in _SOCKET_SCHEME or not host:
        raise AddressInvalid(f"{text!r} is no room address: {_FORMS}")
    parts = [part for part in url.path.split("/") if part]
    marker = "r" if url.scheme.startswith("http") else "ws"
    if len(parts) < 2 or parts[-2] != marker:
        raise AddressInvalid(f"{text!r} has no room in its path: {_FORMS}")
    *before, _, room_id = parts
    if not ROOM_ID.fullmatch(room_id):
        raise AddressInvalid(f"{room_id!r} is no room id: 1 to 64 of A-Z a-z 0-9 _ -")
    path = "/" + "/".join([*before, "ws", room_id])
    return Address(
        URL.build(scheme=_SOCKET_SCHEME[url.scheme], host=host, port=url.explicit_port, path=path), room_id
    )
