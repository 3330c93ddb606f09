"""The state for operators, and streams of it: each gets the newest state and never a queue of old ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from aiohttp import web

from api.errors import ErrorKind
from chatter.admin.history import History
from chatter.admin.views import DrainView, NodeView, Point, State, join_views, room_rows, room_view
from chatter.media import AppMedia
from chatter.monitoring.joins import Joins
from chatter.monitoring.snapshot import Snapshot
from observability.logs import get_level
from signaling.rooms import Rooms

# Pages of operators that are open at once.
MAX_STREAMS = 32

TOO_MANY_STREAMS = ErrorKind(503, "too_many_streams", "Too many pages of operators are open")


class Live:
    """What operators see. Its snapshots come from the sampler."""

    def __init__(
        self,
        rooms: Rooms,
        media: AppMedia,
        joins: Joins,
        history: History,
        version: str,
        watch: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """`watch` has the snapshots come more often for as long as a stream is open."""
        self._rooms = rooms
        self._media = media
        self._joins = joins
        self._version = version
        self._started = time.monotonic()
        self._snapshot = Snapshot(at=0.0)
        self._watch = watch
        self._streams: set[asyncio.Event] = set()
        self.closed = False
        self.history = history

    def update(self, snapshot: Snapshot) -> None:
        """Take a new snapshot, and wake the streams."""
        self._snapshot = snapshot
        self.history.add(snapshot)
        self.wake()

    def wake(self) -> None:
        """Let the streams send the state that is now."""
        for stream in self._streams:
            stream.set()

    async def close(self, _app: web.Application) -> None:
        """End the streams, when the app shuts down."""
        self.closed = True
        self.wake()

    @contextmanager
    def stream(self) -> Iterator[asyncio.Event]:
        """A stream: the event is set when there is something new. Raise ApiError where there are too many."""
        if len(self._streams) >= MAX_STREAMS:
            raise TOO_MANY_STREAMS(f"{MAX_STREAMS} pages of operators are open already: close one.")
        changed = asyncio.Event()
        self._streams.add(changed)
        try:
            with self._watch():
                yield changed
        finally:
            self._streams.discard(changed)

    def state(self, room_id: str | None) -> State:
        """Everything at this moment, with all of one room."""
        chosen = next((room for room in self._snapshot.rooms if room.id == room_id), None)
        rows = room_rows(self._snapshot)
        return State(
            node=self._node(),
            point=self._point(),
            rooms=rows,
            room_count=sum(bool(room.participants) for room in self._snapshot.rooms),
            room=room_view(chosen) if chosen is not None else None,
            joins=join_views(list(self._joins.finished), list(self._joins.following)),
        )

    def _point(self) -> Point:
        return self.history.points[-1] if self.history.points else self.history.add(self._snapshot)

    def _node(self) -> NodeView:
        draining = self._rooms.draining
        server = self._media.server
        return NodeView(
            version=self._version,
            plane="fast" if "busy_ns" in server.port_counters() else "reference",
            uptime=round(time.monotonic() - self._started, 1),
            log_level=get_level(),
            draining=DrainView(ends_at=draining.ends_at, url=draining.url) if draining is not None else None,
            drops={reason: count for reason, count in server.drops().items() if count},
        )
