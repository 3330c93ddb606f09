"""The HTTP API of operators: the state, a stream of it, and what they can do."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, Field, TypeAdapter

from api.errors import ErrorKind
from api.models import Answer, Body, Parameters
from api.routes import Routes
from auth.tokens import Identity
from chatter.admin.live import TOO_MANY_STREAMS, Live
from chatter.admin.operators import OPERATOR, OPERATORS, Operators
from chatter.admin.views import DrainView, Point, State
from chatter.drain import Drain
from observability.logs import set_level
from signaling.closing import REMOVED, ROOM_CLOSED
from signaling.http import ROOMS

LIVE = web.AppKey("admin_live", Live)
ADMIN_DRAIN = web.AppKey("admin_drain", Drain)

# Seconds that a stream lasts; the page opens the next one, with a token that is good then.
STREAM_SECONDS = 600.0
# Seconds without news, after which a stream says that it lives.
SILENCE_SECONDS = 15.0
# Seconds that a page may take to read one state; one that reads slower is cut off.
WRITE_SECONDS = 10.0

NO_SUCH_ROOM = ErrorKind(404, "no_such_room", "There is no such room")
NO_SUCH_PARTICIPANT = ErrorKind(404, "no_such_participant", "Nobody of that id is in the room")

LOG = logging.getLogger(__name__)

routes = Routes("operators")


class StateQuery(Parameters):
    """What to look at closely."""

    room: str | None = Field(None, max_length=64, description="the id of a room, at most 64 characters")


class RoomPath(Parameters):
    """A room."""

    room_id: str = Field(description="the id of a room")


class ParticipantPath(RoomPath):
    """Somebody in a room."""

    participant_id: str = Field(description="the id of a participant")


class LogLevel(Body):
    """How much is logged."""

    level: Literal["debug", "info", "warning", "error"] = Field(description="debug, info, warning or error")


class HistoryAnswer(Answer):
    """The node over the last minutes."""

    points: list[Point]


def setup(app: web.Application, operators: Operators, live: Live, drain: Drain) -> None:
    """Add the routes to `app`."""
    app[OPERATORS] = operators
    app[LIVE] = live
    app[ADMIN_DRAIN] = drain
    app.on_shutdown.append(live.close)
    routes.add_to(app)


@routes.get("/admin/state", authentication=OPERATOR)
async def state(request: web.Request, *, query: StateQuery) -> State:
    """Tell everything about this server, and about one room."""
    return request.app[LIVE].state(query.room)


@routes.get("/admin/history", authentication=OPERATOR)
async def history(request: web.Request) -> HistoryAnswer:
    """Tell how the last minutes were."""
    return HistoryAnswer(points=list(request.app[LIVE].history.points))


@routes.get(
    "/admin/live",
    authentication=OPERATOR,
    answer=State,
    errors=[TOO_MANY_STREAMS],
    media_type="text/event-stream",
)
async def live_state(request: web.Request, *, query: StateQuery) -> web.StreamResponse:
    """Send the state whenever it is new, as server-sent events (WHATWG HTML, section 9.2).

    The stream ends after ten minutes; ask again then, with a token that is good.
    """
    live = request.app[LIVE]
    with live.stream() as changed:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                # Proxies are not to wait for more (nginx).
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                while not live.closed:
                    await _send(response, live.state(query.room))
                    await _news(response, changed)
        except (TimeoutError, ConnectionError):
            # The end of its time, or of the page.
            LOG.debug("A stream for operators has ended")
    return response


async def _news(response: web.StreamResponse, changed: asyncio.Event) -> None:
    while not changed.is_set():
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await changed.wait()
        except TimeoutError:
            async with asyncio.timeout(WRITE_SECONDS):
                await response.write(b": still here\n\n")
    changed.clear()


async def _send(response: web.StreamResponse, state: BaseModel) -> None:
    text = TypeAdapter(type(state)).dump_json(state, by_alias=True)
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(b"data: " + text + b"\n\n")


@routes.delete(
    "/admin/rooms/{roomId}/participants/{participantId}",
    authentication=OPERATOR,
    errors=[NO_SUCH_ROOM, NO_SUCH_PARTICIPANT],
)
async def remove_participant(request: web.Request, *, identity: Identity, path: ParticipantPath) -> None:
    """Remove somebody from a room. They are told; they may come back."""
    rooms = request.app[ROOMS]
    room = rooms.get(path.room_id)
    if room is None:
        raise NO_SUCH_ROOM(f'There is no room "{path.room_id}".')
    if not rooms.remove(room, path.participant_id, REMOVED, asyncio.get_running_loop().time()):
        raise NO_SUCH_PARTICIPANT(f'Nobody with the id "{path.participant_id}" is in the room.')
    _log("An operator removed a participant", identity, room=path.room_id, client=path.participant_id)


@routes.delete("/admin/rooms/{roomId}", authentication=OPERATOR, errors=[NO_SUCH_ROOM])
async def close_room(request: web.Request, *, identity: Identity, path: RoomPath) -> None:
    """End a call: everybody in the room is told and disconnected."""
    rooms = request.app[ROOMS]
    room = rooms.get(path.room_id)
    if room is None:
        raise NO_SUCH_ROOM(f'There is no room "{path.room_id}".')
    now = asyncio.get_running_loop().time()
    for participant in room.participants:
        rooms.remove(room, participant.id, ROOM_CLOSED, now)
    _log("An operator closed a room", identity, room=path.room_id)


@routes.post("/admin/drain", authentication=OPERATOR)
async def drain(request: web.Request, *, identity: Identity) -> DrainView:
    """End this server gently, as SIGTERM does: no new rooms, and calls go on for a while.

    Whatever supervises the process starts it again.
    """
    _log("An operator drains the server", identity)
    draining = request.app[ADMIN_DRAIN].begin()
    request.app[LIVE].wake()
    return DrainView(ends_at=draining.ends_at, url=draining.url)


@routes.put("/admin/log-level", authentication=OPERATOR)
async def change_log_level(request: web.Request, *, identity: Identity, body: LogLevel) -> None:
    """Log more or less, until the next start."""
    set_level(body.level)
    _log("An operator changed the log level", identity, log_level=body.level)
    request.app[LIVE].wake()


def _log(message: str, identity: Identity, **fields: str) -> None:
    LOG.warning(message, extra={"userID": identity.user_id, "username": identity.username, **fields})
