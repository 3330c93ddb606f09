"""The HTTP side of rooms: POST /rooms, GET /ws/{roomId} and GET /ice-servers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web
from pydantic import Field

from api.errors import ORIGIN_NOT_ALLOWED, UPGRADE_REQUIRED, ErrorKind
from api.models import Answer, Body
from api.origin import is_listed, is_same_host
from api.routes import Routes
from auth.database import DatabaseUnavailableError
from auth.errors import DATABASE_FAULTS
from auth.http import ACCOUNT, identify_token
from auth.tokens import Identity, TokenError
from signaling.closing import ROOM_CLOSED, Refused
from signaling.draining import ServerDraining
from signaling.entry import Entry
from signaling.media import MediaServer, SfuNegotiator, deliver, may_send_data
from signaling.observer import Observer
from signaling.policy import GuestPolicy, RoomPolicy, VideoCodec
from signaling.rooms import Rooms, TooManyRooms
from signaling.settings import ROOM_MODES, RoomMode, RoomSettings
from signaling.visit import Account, Door, Identify, StoredRoom, Visit
from signaling.websocket import Connection, Connections

ROOMS = web.AppKey("rooms", Rooms)
DOOR = web.AppKey("room_door", Door)
CONNECTIONS = web.AppKey("connections", Connections)

MAX_BODY_BYTES = 4 * 1024

LOG = logging.getLogger(__name__)

TOO_MANY_ROOMS = ErrorKind(503, "too_many_rooms", "The server has as many rooms as it may")
SERVER_DRAINING = ErrorKind(503, "server_draining", "The server is about to restart")


class NewRoom(Body):
    """What a room is to be."""

    mode: RoomMode | None = Field(
        None, description=f"one of {', '.join(ROOM_MODES)}; without it the server's own default is taken"
    )
    name: str = Field("", max_length=128, pattern=r"^[^\x00-\x1f]*$", description="at most 128 characters")
    max_participants: int | None = Field(None, ge=1, le=10_000, description="1 to 10000 people")
    video_codecs: list[VideoCodec] = Field(
        [], max_length=4, description="a list of VP8, H264, VP9 and AV1; empty for all"
    )
    guests: GuestPolicy = Field("allow", description="allow, lobby or deny")
    lobby: bool = Field(False, description="true or false")
    locked: bool = Field(False, description="true or false")

    @property
    def policy(self) -> RoomPolicy:
        """How the room is set."""
        return RoomPolicy(
            self.name,
            self.max_participants,
            tuple(self.video_codecs),
            self.guests,
            self.lobby,
            self.locked,
        )


AS_THE_SERVER_HAS_IT = NewRoom()


class RoomAnswer(Answer):
    """Where a room is."""

    room_id: str = Field(examples=["a1b2c3d4"])
    ws_url: str = Field(
        description="the WebSocket of its calls", examples=["ws://localhost:8080/ws/a1b2c3d4"]
    )


def _is_absent(value: object) -> bool:
    return value is None


class IceServer(Answer):
    """A STUN or TURN server, as RTCPeerConnection takes it."""

    urls: list[str] = Field(examples=[["turn:turn.example.com:3478"]])
    # A browser would take null for the name "null".
    username: str | None = Field(None, exclude_if=_is_absent)
    credential: str | None = Field(None, exclude_if=_is_absent)


class IceServersAnswer(Answer):
    """The servers to find a path by; credentials expire."""

    ice_servers: list[IceServer]


routes = Routes("rooms")


def setup(
    app: web.Application,
    settings: RoomSettings,
    media: MediaServer | None,
    observer: Observer | None = None,
) -> Rooms:
    """Add the rooms and their routes to `app`; `media` None leaves every room peer-to-peer.

    `observer` is told of arrivals. Returns the rooms, whose `counters` and sizes are for metrics.
    """
    rooms = Rooms(settings, media=SfuNegotiator(media) if media is not None else None, observer=observer)
    if media is not None:
        media.on_event(lambda event: deliver(event, rooms))
        media.permit_data(lambda room_id, client_id: may_send_data(rooms, room_id, client_id))
    app[ROOMS] = rooms
    app[DOOR] = TokenDoor()
    app[CONNECTIONS] = Connections()
    app.cleanup_ctx.append(_sweep)
    app.on_shutdown.append(_stop)
    routes.add_to(app)
    app.router.add_get("/ws/{roomId}", join_room)
    return rooms


@routes.post(
    "/rooms",
    authentication=ACCOUNT,
    errors=[TOO_MANY_ROOMS, SERVER_DRAINING, *DATABASE_FAULTS],
    max_body=MAX_BODY_BYTES,
    idempotent=True,
)
async def create_room(
    request: web.Request, *, identity: Identity, body: NewRoom = AS_THE_SERVER_HAS_IT
) -> RoomAnswer:
    """Make a room, which belongs to the account."""
    rooms, now = request.app[ROOMS], asyncio.get_running_loop().time()
    try:
        stored = StoredRoom(body.mode or rooms.settings.mode, body.policy)
        room = rooms.create(now, stored.mode, stored)
    except TooManyRooms as error:
        raise TOO_MANY_ROOMS(str(error)) from error
    except ServerDraining as error:
        raise SERVER_DRAINING(str(error), RETRY_SOON) from error
    try:
        await request.app[DOOR].keep(room.id, identity.user_id, stored)
    except DatabaseUnavailableError:
        rooms.forget(room.id, ROOM_CLOSED, now)
        raise
    return RoomAnswer(room_id=room.id, ws_url=_ws_url(request, room.id))


@routes.get("/ice-servers", authentication=ACCOUNT)
async def ice_servers(request: web.Request, *, identity: Identity) -> IceServersAnswer:
    """List STUN and TURN servers, with credentials that expire."""
    # Not for everybody: a relay that anyone may use is soon used for anything.
    servers = request.app[ROOMS].settings.ice_servers_for(f"user-{identity.user_id}")
    return IceServersAnswer.model_validate({"ice_servers": servers})


async def join_room(request: web.Request) -> web.StreamResponse:
    _check_origin(request)
    if not web.WebSocketResponse().can_prepare(request):
        raise UPGRADE_REQUIRED("This is a WebSocket: connect with a WebSocket client.", UPGRADE)
    connection = Connection(request, request.app[ROOMS])
    query = request.query
    door, token, room_id = request.app[DOOR], query.get("token", ""), request.match_info["roomId"]
    entry = Entry(
        room_id,
        lambda: door.admit(room_id, token, lambda text: _identify(request, text)),
        door.turned_away,
        display_name=query.get("displayName", ""),
        device_text=query.get("device", ""),
        resume_token=query.get("resume", ""),
        after_text=query.get("after", ""),
    )
    with request.app[CONNECTIONS].hold():
        await connection.serve(entry)
    return connection.ws


RETRY_SOON = {"Retry-After": "10"}
UPGRADE = {"Upgrade": "websocket"}


class TokenDoor:
    """A `Door` of a server that keeps no rooms."""

    async def admit(self, _room_id: str, token: str, identify: Identify) -> Visit:
        """Return who comes with `token`. Raises Refused."""
        return Visit.of_account(await identify(token) if token else None)

    async def keep(self, _room_id: str, _owner_id: int, _room: StoredRoom) -> None:
        """Nothing is kept."""

    async def turned_away(self, _visit: Visit) -> None:
        """An access token is not used up."""


async def _identify(request: web.Request, token: str) -> Account:
    try:
        identity = await identify_token(request, token)
    except TokenError as error:
        raise Refused(error.code, str(error)) from error
    return Account(identity.user_id, identity.username)


def _check_origin(request: web.Request) -> None:
    """Refuse pages of other sites (RFC 6455 section 10.2): they would act with the person's browser.

    Clients that are no browsers send no Origin.
    """
    origin = request.headers.get("Origin")
    allowed = request.app[ROOMS].settings.allowed_origins
    if origin is None or "*" in allowed or is_listed(origin, allowed):
        return
    if not is_same_host(origin, request.host):
        raise ORIGIN_NOT_ALLOWED(f"Pages of {origin[:200]} may not connect; add it to the allowed origins.")


def _ws_url(request: web.Request, room_id: str) -> str:
    forwarded = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    secure = request.secure or forwarded == "https"
    return f"{'wss' if secure else 'ws'}://{request.host}/ws/{room_id}"


async def _sweep(app: web.Application) -> AsyncIterator[None]:
    rooms = app[ROOMS]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(rooms.settings.sweep_interval)
            try:
                rooms.expire(loop.time())
            except Exception:
                # A fault in ending one must not keep all the others for ever.
                LOG.exception("A participant or a room could not be ended")

    task = asyncio.create_task(run())
    yield
    task.cancel()
    await asyncio.wait((task,))


async def _stop(app: web.Application) -> None:
    # The error, the closing handshake and the cut each take at most close_timeout.
    await app[CONNECTIONS].stop(app[ROOMS], 3 * app[ROOMS].settings.close_timeout)
