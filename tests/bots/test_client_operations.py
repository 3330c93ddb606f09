"""The client has every operation that the server describes, and each works on the whole app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

import bots
from bots.client import answers
from bots.client.rooms import RoomSettings
from chatter.app import create_app

PASSWORD = "correct horse battery"
PATIENCE = 5.0

# What people look at in pages, and what programs ask for that watch over the server.
LEFT_OUT = {
    *("health", "ready"),
    *("state", "history", "liveState", "removeParticipant", "closeRoom", "drain", "changeLogLevel"),
}

SETTINGS: RoomSettings = {
    "name": "Standup",
    "mode": "sfu",
    "max_participants": 9,
    "video_codecs": ["VP8"],
    "guests": "lobby",
    "lobby": False,
    "locked": False,
}


@dataclass
class Site:
    """The whole app, and ann, who is signed in and in a call of hers."""

    client: bots.Client
    http: aiohttp.ClientSession
    requests: list[tuple[str, str, set[str], set[str]]] = field(default_factory=list)
    """What the server was asked: method, path template, members of the query and of the body."""
    room_id: str = ""
    inside: str = ""
    waiting: str = ""
    sockets: dict[str, aiohttp.ClientWebSocketResponse] = field(default_factory=dict)

    async def join(self, room_id: str, token: str = "") -> dict[str, Any]:
        address = f"{self.client.room_address(room_id).replace('/r/', '/ws/')}"
        ws = await self.http.ws_connect(address, params={"token": token})
        first = await ws.receive_json(timeout=PATIENCE)
        self.sockets[first["clientId"]] = ws
        return first

    async def gone(self, client_id: str) -> None:
        """Wait until the server has seen that somebody it told to go went."""
        async with asyncio.timeout(PATIENCE):
            async for _ in self.sockets[client_id]:
                pass
            while client_id in [person.id for person in await self.client.rooms.participants(self.room_id)]:
                pass


@pytest.fixture
async def site(make_settings):
    app = create_app(make_settings(rooms={"ice_servers": [{"urls": ["stun:stun.example.com"]}]}))
    requests = []

    async def note(request, _response):
        resource = request.match_info.route.resource
        body = json.loads(await request.read() or b"{}")
        requests.append((request.method, resource.canonical, set(request.query), set(body)))

    app.on_response_prepare.append(note)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as http,
        bots.Client(str(server.make_url(""))) as client,
    ):
        await client.accounts.register("ann", PASSWORD)
        site = Site(client, http, requests)
        site.room_id = (await client.rooms.create(guests="lobby", mode="sfu")).room_id
        site.inside = (await site.join(site.room_id, client.token))["clientId"]
        site.waiting = (await site.join(site.room_id))["clientId"]
        requests.clear()
        yield site


async def sign_in_again(site: Site) -> None:
    await site.client.accounts.login("ann", PASSWORD)


async def register(site: Site) -> None:
    made = await site.client.accounts.register("ben", PASSWORD)
    assert (made.username, made.token) == ("ben", site.client.token)
    assert made.token not in repr(made)


async def login(site: Site) -> None:
    assert (await site.client.accounts.login("ann", PASSWORD)).username == "ann"


async def refresh(site: Site) -> None:
    assert (await site.client.accounts.refresh()).token == site.client.token
    assert (await site.client.accounts.account()).username == "ann"


async def logout(site: Site) -> None:
    await site.client.accounts.logout()
    assert site.client.token is None


async def account(site: Site) -> None:
    assert (await site.client.accounts.account()).created_at.tzinfo is not None


async def change_password(site: Site) -> None:
    await site.client.accounts.change_password(PASSWORD, "another horse battery")
    await site.client.accounts.login("ann", "another horse battery")


async def delete_account(site: Site) -> None:
    await site.client.accounts.delete(PASSWORD)
    with pytest.raises(bots.ApiProblem) as refused:
        await sign_in_again(site)
    assert refused.value.code == "invalid_credentials"


async def sessions(site: Site) -> None:
    (only,) = await site.client.accounts.sessions()
    assert only.current


async def delete_sessions(site: Site) -> None:
    await site.client.accounts.delete_sessions(keep_current=True)
    await site.client.accounts.account()
    await site.client.accounts.delete_sessions()
    assert site.client.token is None


async def delete_session(site: Site) -> None:
    (only,) = await site.client.accounts.sessions()
    await site.client.accounts.delete_session(only.id)
    with pytest.raises(bots.ApiProblem):
        await site.client.accounts.account()


async def create_room(site: Site) -> None:
    made = await site.client.rooms.create(**SETTINGS)
    room = await site.client.rooms.get(made.room_id)
    assert {name: getattr(room, name) for name in SETTINGS} == SETTINGS
    assert made.ws_url.endswith(f"/ws/{made.room_id}")


async def ice_servers(site: Site) -> None:
    assert [server.urls for server in await site.client.ice_servers()] == [["stun:stun.example.com"]]


async def list_rooms(site: Site) -> None:
    for name in ("a", "b", "c"):
        await site.client.rooms.create(name=name)
    assert [room.name async for room in site.client.rooms.all(page_size=2)] == ["c", "b", "a", ""]
    page = await site.client.rooms.page(limit=3)
    page = await site.client.rooms.page(limit=3, cursor=page.next_cursor)
    assert ([room.room_id for room in page.items], page.next_cursor) == ([site.room_id], None)


async def get_room(site: Site) -> None:
    room = await site.client.rooms.get(site.room_id)
    assert (room.role, room.participants, room.max_participants) == ("owner", 1, None)


async def change_room(site: Site) -> None:
    room = await site.client.rooms.change(site.room_id, **SETTINGS)
    assert {name: getattr(room, name) for name in SETTINGS} == SETTINGS
    room = await site.client.rooms.change(site.room_id, max_participants=None)
    assert (room.max_participants, room.name) == (None, "Standup")


async def delete_room(site: Site) -> None:
    await site.client.rooms.delete(site.room_id)
    with pytest.raises(bots.ApiProblem) as refused:
        await site.client.rooms.get(site.room_id)
    assert (refused.value.status, refused.value.code) == (404, "room_not_found")


async def end_call(site: Site) -> None:
    await site.client.rooms.end(site.room_id)
    await site.gone(site.inside)
    assert (await site.client.rooms.get(site.room_id)).participants == 0


async def people(site: Site) -> list[tuple[str, str, bool]]:
    found = await site.client.rooms.participants(site.room_id)
    return [(person.id, person.role, person.waiting) for person in found]


async def list_participants(site: Site) -> None:
    assert await people(site) == [(site.inside, "owner", False), (site.waiting, "guest", True)]


async def moderate_participant(site: Site) -> None:
    rooms, guest = site.client.rooms, site.waiting
    await rooms.admit(site.room_id, guest)
    await rooms.mute(site.room_id, guest, "camera")
    await rooms.mute(site.room_id, guest)
    await rooms.promote(site.room_id, guest)
    assert await people(site) == [(site.inside, "owner", False), (guest, "moderator", False)]
    await rooms.promote(site.room_id, guest, "listener")
    await rooms.kick(site.room_id, guest)
    await site.gone(guest)
    other = (await site.join(site.room_id))["clientId"]
    await rooms.deny(site.room_id, other)
    await site.gone(other)
    assert await people(site) == [(site.inside, "owner", False)]


async def mint_token(site: Site) -> None:
    grants = bots.Grants(publish=["microphone"], chat=False, bot=True)
    token = await site.client.rooms.mint_token(
        site.room_id, name="Recorder", expires_in=60, uses=1, grants=grants
    )
    assert (token.room_id, token.token in repr(token)) == (site.room_id, False)
    welcome = await site.join(site.room_id, token.token)
    assert welcome["grants"] == grants.to_json()


async def create_api_key(site: Site) -> None:
    key = await site.client.api_keys.create("backend")
    assert key.key not in repr(key)
    async with bots.Client(site.client.room_address(""), token=key.key) as program:
        assert [room.room_id async for room in program.rooms.all()] == [site.room_id]


async def list_api_keys(site: Site) -> None:
    keys = [await site.client.api_keys.create(name) for name in ("one", "two")]
    assert {key.id for key in await site.client.api_keys.all()} == {key.id for key in keys}


async def revoke_api_key(site: Site) -> None:
    key = await site.client.api_keys.create("backend")
    await site.client.api_keys.revoke(key.id)
    assert await site.client.api_keys.all() == []


async def room_stats(site: Site) -> None:
    assert (await site.client.rooms.stats(site.room_id)).room_id == site.room_id


CALLS: dict[str, Callable[[Site], Awaitable[None]]] = {
    "register": register,
    "login": login,
    "refresh": refresh,
    "logout": logout,
    "account": account,
    "changePassword": change_password,
    "deleteAccount": delete_account,
    "sessions": sessions,
    "deleteSessions": delete_sessions,
    "deleteSession": delete_session,
    "createRoom": create_room,
    "iceServers": ice_servers,
    "listRooms": list_rooms,
    "getRoom": get_room,
    "changeRoom": change_room,
    "deleteRoom": delete_room,
    "endCall": end_call,
    "listParticipants": list_participants,
    "moderateParticipant": moderate_participant,
    "mintToken": mint_token,
    "createApiKey": create_api_key,
    "listApiKeys": list_api_keys,
    "revokeApiKey": revoke_api_key,
    "roomStats": room_stats,
}


async def described(client: Any) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """The operations of the served document by their ids, with method and path; references are resolved."""
    document = await (await client.get("/openapi.json")).json()

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolved(document["components"]["schemas"][part["$ref"].rpartition("/")[2]])
        return {key: resolved(value) for key, value in part.items()}

    return {
        operation["operationId"]: (method.upper(), path, resolved(operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_the_client_has_every_operation(client):
    assert set(CALLS) | LEFT_OUT == set(await described(client))
    assert not set(CALLS) & LEFT_OUT


@pytest.mark.parametrize("operation_id", CALLS)
async def test_an_operation_on_the_whole_app(site, client, operation_id):
    await CALLS[operation_id](site)
    method, path, operation = (await described(client))[operation_id]
    asked = [(query, body) for m, p, query, body in site.requests if (m, p) == (method, path)]
    assert asked, f"{method} {path} was not called"
    # Everything that it takes can be said.
    wanted = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    assert set().union(*(query for query, _ in asked)) == wanted
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    assert set().union(*(body for _, body in asked)) == set(schema.get("properties", ()))


ANSWERS = {
    "register": answers.SignedIn,
    "account": answers.AccountInfo,
    "sessions": answers.SessionInfo,
    "createRoom": answers.NewRoom,
    "iceServers": answers.IceServers,
    "listRooms": answers.Page[answers.RoomInfo],
    "getRoom": answers.RoomInfo,
    "changeRoom": answers.RoomInfo,
    "listParticipants": answers.ParticipantInfo,
    "mintToken": answers.JoinToken,
    "createApiKey": answers.NewApiKey,
    "listApiKeys": answers.ApiKeyInfo,
    "roomStats": answers.RoomStats,
}


def members(schema: dict[str, Any]) -> dict[str, Any]:
    """The names in a schema, and in what is below them."""
    if "items" in schema:
        return members(schema["items"])
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if options:
        return members(options[0])
    return {name: members(part) for name, part in schema.get("properties", {}).items()}


def resolved_schema(model: type[answers.Answer]) -> Any:
    whole = model.model_json_schema(mode="serialization")

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolved(whole["$defs"][part["$ref"].rpartition("/")[2]])
        return {key: resolved(value) for key, value in part.items()}

    return resolved(whole)


@pytest.mark.parametrize("operation_id", ANSWERS)
async def test_nothing_of_an_answer_is_lost(client, operation_id):
    _, _, operation = (await described(client))[operation_id]
    (success,) = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    (content,) = success["content"].values()
    served = members(content["schema"])
    assert served
    assert members(resolved_schema(ANSWERS[operation_id])) == served
