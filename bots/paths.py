"""The ways that a room's media goes:

the media server, or a connection to each participant, and the change over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from bots.data import DataMessage, seal
from bots.errors import BotError, MediaFailed, RequestRefused, RoomLeft
from bots.events import Event, MediaChanged
from bots.messages import Json, Kind
from bots.p2p import PeerLink
from bots.publication import Publication
from bots.roster import Roster
from bots.sfu import SfuConnection
from bots.socket import Socket
from bots.track import Frame, RemoteTrack

logger = logging.getLogger(__name__)

RETRY_DELAYS = (0.5, 1.0, 2.0)
"""Seconds to wait before each new try at the media server; after the last one it is given up."""

STABLE_AFTER = 30.0
"""A connection that held for so many seconds starts the tries anew."""

GRACE = 2.0
"""Seconds that a peer-to-peer connection outlives the first frames of its participant from the media server:
the other side may still be waiting for ours."""

DATA_TIMEOUT = 10.0
"""Seconds from the negotiation until data channels must be open."""

MOVE_TIMEOUT = 15.0
"""Seconds after which the peer-to-peer connections end, once the bot is connected to the media server."""


class MediaPaths:
    """Owns the media connections of a room and keeps them what the roster and the publications ask for."""

    def __init__(
        self,
        roster: Roster,
        socket: Socket,
        ice_servers: Collection[Json],
        receive: Collection[Kind],
        emit: Callable[[Event], None],
        clock: Callable[[], float],
        on_data: Callable[[DataMessage], None] | None = None,
    ) -> None:
        """`receive` is the kinds of tracks wanted; `clock` gives monotonic seconds; `on_data` is told every
        data message: without it there are no data channels."""
        self.publications: dict[str, Publication] = {}
        self.connected_at: float | None = None
        """When ICE and DTLS with the media server were first done."""
        self.answered_at: float | None = None
        """When the media server's first answer was applied."""
        self.unusable = 0
        """Messages of other participants that could not be used."""
        self._roster = roster
        self._socket = socket
        self._ice_servers = ice_servers
        self._receive = receive
        self._emit = emit
        self._clock = clock
        self._on_data = on_data
        self._sfu: SfuConnection | None = None
        self._sfu_up_at = 0.0
        self._failures = 0
        self._links: dict[str, PeerLink] = {}
        self._retiring: set[str] = set()
        self._changed = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        self._changed.set()
        self._spawn(self._run(), "bot-negotiator")

    def touch(self) -> None:
        """What is sent or wanted has changed: negotiate soon."""
        self._changed.set()

    async def settle(self) -> None:
        """Negotiate, and wait for it.

        Raises MediaFailed, RequestRefused or RoomLeft where it does not succeed.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._changed.set()
        await future

    async def send_data(
        self, payload: str | bytes, to: Collection[str] | None, topic: str, *, lossy: bool
    ) -> bool:
        """Send a data message once the channels are open; False where too much waits already.

        Raises ValueError where it is too large, MediaFailed where there are no data channels, RequestRefused
        or RoomLeft where they cannot be negotiated.
        """
        message = seal(payload, to, topic)
        if self._on_data is None:
            raise MediaFailed("this bot has no data channels: join with data=True")
        if self._roster.mode != "sfu":
            raise MediaFailed(f"data goes by the media server, and the room is in mode {self._roster.mode}")
        channels = self._sfu.data if self._sfu is not None else None
        if channels is None or not channels.is_open:
            await self.settle()
            channels = self._sfu.data if self._sfu is not None else None
            if channels is None:
                raise MediaFailed("there is no connection to the media server")
            try:
                async with asyncio.timeout(DATA_TIMEOUT):
                    await channels.wait_open()
            except TimeoutError:
                raise MediaFailed(f"no data channel was open within {DATA_TIMEOUT:g} s") from None
        return channels.send(message, lossy=lossy)

    def publish(self, publication: Publication) -> None:
        self.publications[publication.source] = publication
        self._spawn(self._feed(publication), f"bot-source-{publication.source}")

    def peer_joined(self, client_id: str) -> None:
        """The one who was there first offers."""
        if self._roster.mode == "p2p":
            link = self._link(client_id)
            self._spawn(self._guard(client_id, link.offer(list(self.publications.values()))), "bot-offer")

    def peer_left(self, client_id: str) -> None:
        link = self._links.pop(client_id, None)
        if link is not None:
            self._spawn(link.close(), "bot-close")

    def peer_message(self, message: Json) -> None:
        """A `webrtc` message that a participant sent."""
        client_id = message.get("from")
        if not isinstance(client_id, str) or client_id not in self._roster.participants:
            return
        link = self._links.get(client_id)
        if link is None:
            if self._roster.mode != "p2p" or message.get("action") != "offer":
                return
            link = self._link(client_id)
        self._spawn(self._guard(client_id, link.take(message)), "bot-take")

    def mode_changed(self) -> None:
        """From peer-to-peer to the media server: what plays goes on until the server's frames have come."""
        if self._roster.mode == "sfu":
            for client_id, link in list(self._links.items()):
                if not link.connected.is_set():
                    self.peer_left(client_id)
            self._spawn(self._retire_all(), "bot-move")
        self.touch()

    def media_closed(self, reason: str) -> None:
        """The server says that the media connection ended."""
        if self._sfu is not None:
            self._lost(self._sfu, reason)

    def has_packets(self, track: RemoteTrack) -> bool:
        """Whether packets of the track have come, decodable or not."""
        link = self._links.get(track.client_id)
        by_sfu = self._sfu is not None and self._sfu.has_packets(track)
        return by_sfu or (link is not None and link.has_packets(track.source))

    async def close(self) -> None:
        """Close every connection and end every publication; no task is left."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for future in self._waiting:
            future.cancel()
        for publication in self.publications.values():
            publication.stop()
        closing = [link.close() for link in self._links.values()]
        self._links.clear()
        if self._sfu is not None:
            closing.append(self._sfu.close())
        await asyncio.gather(*closing)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s ended: %s", task.get_name(), error, exc_info=error)

    async def _feed(self, publication: Publication) -> None:
        try:
            await publication.run()
        finally:
            if self.publications.get(publication.source) is publication:
                del self.publications[publication.source]
                self._spawn(self._announce_end(), "bot-announce")
                self.touch()

    async def announce(self) -> None:
        """Tell the room what the bot has to show."""
        tracks = [{"source": p.source, "muted": p.muted} for p in self.publications.values()]
        await self._socket.send({"type": "tracks", "tracks": tracks})

    async def _announce_end(self) -> None:
        # Where the room has been left, there is nobody to tell.
        with contextlib.suppress(RoomLeft):
            await self.announce()

    async def _guard(self, client_id: str, work: Coroutine[Any, Any, None]) -> None:
        """What one participant sends may be unusable; the room lives on."""
        try:
            await work
        except (BotError, TimeoutError) as error:
            self.unusable += 1
            logger.warning("%s: %s", client_id, error)

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            waiting, self._waiting = self._waiting, []
            try:
                if self._roster.mode == "sfu":
                    await self._negotiate()
                else:
                    for client_id, link in list(self._links.items()):
                        await self._guard(client_id, link.publish(list(self.publications.values())))
            except BotError as error:
                self._emit(MediaChanged("failed", str(error)))
                for future in waiting:
                    if not future.done():
                        future.set_exception(error)
            except asyncio.CancelledError:
                for future in waiting:
                    future.cancel()
                raise
            else:
                for future in waiting:
                    if not future.done():
                        future.set_result(None)

    async def _negotiate(self) -> None:
        while True:
            connection = self._sfu or SfuConnection(
                self._socket.request, self._first_frame, self._lost, self._on_data
            )
            self._sfu = connection
            was_connected = connection.connected
            try:
                if not await connection.negotiate(list(self.publications.values()), self._wanted()):
                    return
                self.answered_at = self.answered_at or self._clock()
                await connection.wait_connected()
            except RequestRefused:
                raise
            except (MediaFailed, TimeoutError) as error:
                reason = str(error) or "the media server did not answer in time"
                await self._replace(connection, MediaFailed(reason))
                continue
            if self._sfu is not connection:
                continue  # Lost while negotiating.
            if not was_connected:
                self._sfu_up_at = self._clock()
                self.connected_at = self.connected_at or self._sfu_up_at
                self._emit(MediaChanged("connected", ""))
            return

    async def _replace(self, connection: SfuConnection, error: MediaFailed) -> None:
        """Close a broken connection and wait before the next try. Raises `error` after the last one."""
        if self._sfu is connection:
            self._sfu = None
            self._emit(MediaChanged("lost", str(error)))
        await connection.close()
        if self._sfu_up_at and self._clock() - self._sfu_up_at > STABLE_AFTER:
            self._failures = 0
        if self._failures >= len(RETRY_DELAYS):
            raise error
        self._failures += 1
        await asyncio.sleep(RETRY_DELAYS[self._failures - 1])

    def _lost(self, connection: SfuConnection, reason: str) -> None:
        if self._sfu is not connection:
            return
        self._sfu = None
        self._emit(MediaChanged("lost", reason))
        self._spawn(self._reconnect(connection, reason), "bot-reconnect")

    async def _reconnect(self, connection: SfuConnection, reason: str) -> None:
        try:
            await self._replace(connection, MediaFailed(reason))
        except MediaFailed as error:
            self._emit(MediaChanged("failed", str(error)))
        else:
            self.touch()

    def _wanted(self) -> list[RemoteTrack]:
        return [t for t in self._roster.tracks.values() if t.info.sfu and t.kind in self._receive]

    def _link(self, client_id: str) -> PeerLink:
        link = self._links[client_id] = PeerLink(
            client_id,
            polite=self._roster.was_first(client_id),
            receive=self._receive,
            ice_servers=self._ice_servers,
            send=self._socket.send,
            on_frame=self._peer_frame,
            on_lost=self._peer_lost,
        )
        self._spawn(self._guard(client_id, link.publish(list(self.publications.values()))), "bot-publish")
        return link

    def _peer_frame(self, client_id: str, source: str, frame: Frame) -> None:
        track, events = self._roster.heard(client_id, source)
        for event in events:
            self._emit(event)
        if track is not None and track.kind in self._receive:
            track.deliver(frame, "p2p")

    def _peer_lost(self, link: PeerLink, reason: str) -> None:
        if self._links.get(link.peer_id) is link:
            logger.info("%s", reason)
            self.peer_left(link.peer_id)

    def _first_frame(self, track: RemoteTrack) -> None:
        """A track's first frame from the media server:

        its participant may not need the direct connection now.
        """
        client_id = track.client_id
        mine = [
            t
            for t in self._roster.tracks.values()
            if t.client_id == client_id and t.path == "p2p" and not t.muted
        ]
        if client_id in self._links and client_id not in self._retiring and not mine:
            self._retiring.add(client_id)
            self._spawn(self._retire(client_id), "bot-retire")

    async def _retire(self, client_id: str) -> None:
        await asyncio.sleep(GRACE)
        self._retiring.discard(client_id)
        link = self._links.pop(client_id, None)
        if link is not None:
            await link.close()

    async def _retire_all(self) -> None:
        await asyncio.sleep(MOVE_TIMEOUT)
        if self._sfu is not None and self._sfu.connected:
            for client_id in list(self._links):
                self.peer_left(client_id)
