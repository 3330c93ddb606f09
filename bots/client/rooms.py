"""Rooms and who is in them: /rooms/…"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack

from pydantic.alias_generators import to_camel

from bots.client.answers import JoinToken, NewRoom, Page, ParticipantInfo, RoomInfo, RoomStats
from bots.client.connection import Connection, Request, once, path_of

Source = Literal["microphone", "camera", "screen", "screen-audio"]
Role = Literal["moderator", "speaker", "listener"]


class RoomSettings(TypedDict, total=False):
    """How a room is set; what is left out is as the server has it, or stays."""

    name: str
    mode: Literal["auto", "p2p", "sfu"]
    max_participants: int | None
    """None: as many as the server allows."""
    video_codecs: Sequence[Literal["VP8", "H264", "VP9", "AV1"]]
    """Empty: all that the server has."""
    guests: Literal["allow", "lobby", "deny"]
    lobby: bool
    locked: bool


@dataclass(frozen=True, slots=True)
class Grants:
    """What the holder of a join token may do. A hidden one may neither publish, chat, send data nor
    moderate."""

    publish: Sequence[Literal["camera", "microphone", "screen"]] = ("camera", "microphone", "screen")
    subscribe: bool = True
    chat: bool = True
    data: bool = True
    moderate: bool = False
    hidden: bool = False
    bot: bool = False

    def to_json(self) -> dict[str, object]:
        """Return them as they are sent."""
        return {
            "publish": list(self.publish),
            "subscribe": self.subscribe,
            "chat": self.chat,
            "data": self.data,
            "moderate": self.moderate,
            "hidden": self.hidden,
            "bot": self.bot,
        }


class Rooms:
    """The rooms of the account. All methods raise ApiProblem."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, **settings: Unpack[RoomSettings]) -> NewRoom:
        """Make a room, which belongs to the account."""
        return await self._connection.call(once("/rooms", _body(settings)), NewRoom)

    async def all(self, *, page_size: int = 50) -> AsyncIterator[RoomInfo]:
        """Yield the rooms that one owns or moderates, the newest first; `page_size` (1 to 100) at a time."""
        cursor: str | None = None
        while True:
            page = await self.page(limit=page_size, cursor=cursor)
            for room in page.items:
                yield room
            cursor = page.next_cursor
            if cursor is None:
                return

    async def page(self, *, limit: int = 50, cursor: str | None = None) -> Page[RoomInfo]:
        """Return a page of that list: the first, or the one after the page whose `next_cursor` is given."""
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor is not None else {})
        return await self._connection.call(Request("GET", "/rooms", query=query), Page[RoomInfo])

    async def get(self, room_id: str) -> RoomInfo:
        """Return how a room is set."""
        return await self._connection.call(Request("GET", path_of("rooms", room_id)), RoomInfo)

    async def change(self, room_id: str, **settings: Unpack[RoomSettings]) -> RoomInfo:
        """Set a room otherwise; a call that goes on is changed too."""
        # It says how the room is to be, not by how much it is to change.
        request = Request("PATCH", path_of("rooms", room_id), _body(settings), repeatable=True)
        return await self._connection.call(request, RoomInfo)

    async def delete(self, room_id: str) -> None:
        """Delete a room with its chat and join tokens; who is in it leaves."""
        await self._connection.do(Request("DELETE", path_of("rooms", room_id)))

    async def end(self, room_id: str) -> None:
        """End the call for everybody; the room stays."""
        await self._connection.do(Request("POST", path_of("rooms", room_id, "end")))

    async def participants(self, room_id: str) -> list[ParticipantInfo]:
        """Return who is in a room and in its lobby."""
        request = Request("GET", path_of("rooms", room_id, "participants"))
        return await self._connection.call(request, list[ParticipantInfo])

    async def admit(self, room_id: str, participant_id: str) -> None:
        """Let somebody in who waits in the lobby."""
        await self._moderate(room_id, participant_id, {"action": "admit"})

    async def deny(self, room_id: str, participant_id: str) -> None:
        """Turn somebody away who waits in the lobby."""
        await self._moderate(room_id, participant_id, {"action": "deny"})

    async def kick(self, room_id: str, participant_id: str) -> None:
        """Remove somebody from a room."""
        await self._moderate(room_id, participant_id, {"action": "remove"})

    async def mute(self, room_id: str, participant_id: str, source: Source | None = None) -> None:
        """Mute what somebody sends, or one source of it."""
        await self._moderate(room_id, participant_id, {"action": "mute", "source": source})

    async def promote(self, room_id: str, participant_id: str, role: Role = "moderator") -> None:
        """Give somebody another role; an account keeps it."""
        await self._moderate(room_id, participant_id, {"action": "role", "role": role})

    async def mint_token(
        self,
        room_id: str,
        *,
        name: str = "",
        expires_in: int = 3600,
        uses: int | None = None,
        grants: Grants | None = None,
    ) -> JoinToken:
        """Mint a token by which somebody joins: as `name`, within `expires_in` seconds, `uses` times (None:
        any number), with `grants` (None: those of a speaker)."""
        body = {
            "name": name,
            "expiresIn": expires_in,
            "uses": uses,
            "grants": (grants or Grants()).to_json(),
        }
        return await self._connection.call(once(path_of("rooms", room_id, "tokens"), body), JoinToken)

    async def stats(self, room_id: str) -> RoomStats:
        """Return how the media of a room goes; for accounts in the room, and for operators."""
        return await self._connection.call(Request("GET", path_of("rooms", room_id, "stats")), RoomStats)

    async def _moderate(self, room_id: str, participant_id: str, body: Mapping[str, object]) -> None:
        path = path_of("rooms", room_id, "participants", participant_id, "moderation")
        given = {key: value for key, value in body.items() if value is not None}
        await self._connection.do(Request("POST", path, given))


def _body(settings: Any) -> dict[str, object]:
    return {
        to_camel(name): value if isinstance(value, str | int | None) else list(value)
        for name, value in settings.items()
    }
