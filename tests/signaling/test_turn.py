from __future__ import annotations

import base64
import hashlib
import hmac

from signaling.settings import RoomSettings
from signaling.turn import TurnServer

NOW = 1_700_000_000.7


def server(ttl: float = 3600.0) -> TurnServer:
    return TurnServer(("turn:t:3478",), "north-and-south-and-east", ttl, clock=lambda: NOW)


def test_the_user_name_tells_until_when():
    assert server().for_client("4f2a")["username"] == "1700003600:4f2a"


def test_the_credential_is_what_coturn_computes():
    # Of the draft: base64(HMAC-SHA1(secret, username)).
    expected = hmac.new(b"north-and-south-and-east", b"1700003600:4f2a", hashlib.sha1).digest()
    assert base64.b64decode(str(server().for_client("4f2a")["credential"])) == expected


def test_everybody_gets_their_own():
    credentials = {server().for_client(name)["credential"] for name in ("a", "b")}
    assert len(credentials) == 2


def test_clients_get_it_after_what_is_fixed():
    settings = RoomSettings(ice_servers=({"urls": ["stun:s"]},), turn=server())
    assert [each["urls"] for each in settings.ice_servers_for("a")] == [["stun:s"], ["turn:t:3478"]]
    assert RoomSettings().ice_servers_for("a") == []


def test_the_secret_is_not_shown():
    assert "north" not in repr(server())
    assert "north" not in repr(RoomSettings(turn=server()))
