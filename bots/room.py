"""A bot's place in a room."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiortc import MediaStreamTrack

from bots import address
from bots import messages as wire
from bots.bounded import BoundedQueue
from bots.data import DataMessage
from bots.errors import JoinRefused, ProtocolViolated, RoomLeft
from bots.events import (
    Event,
    ModeChanged,
    ParticipantJoined,
    ParticipantLeft,
    Refused,
    TrackAdded,
    TrackChanged,
)
from bots.messages import ChatMessage, Json, Kind, Mode, Participant, Quality, Speaker, Welcome
from bots.paths import MediaPaths
from bots.publication import Publication
from bots.roster import Roster
from bots.socket import Socket, open_socket
from bots.tracing import trace_parameters
from bots.track import RemoteTrack

logger = logging.getLogger(__name__)

JOIN_TIMEOUT = 10.0
"""Seconds from the first packet to the server until it must have said welcome."""

QUEUE_SIZE = 1000
"""Events, and chat messages, that wait for a reader; then the oldest are dropped and counted."""

DATA_QUEUE_SIZE = 256
"""Data messages that wait for a reader, of 64 kB at most each; then the oldest are dropped and counted."""

_LEFT = 1000
_DEFAULT_SOURCE = {"audio": "microphone", "video": "camera"}


@dataclass(frozen=True, slots=True)
class Milestones:
    """When the steps of joining were done, in seconds since the WebSocket was asked for; None: not yet."""

    welcome: float
    answered: float | None
    """The media server's first answer was applied."""
    connected: float | None
    """ICE and DTLS with the media server were done."""


class Room:
    """A room that the bot is in, from `async with Room.join(…)` to its end.

    A connection to the server that breaks is resumed while the server keeps the bot's place; RoomLeft comes
    only when that did not succeed.
    """

    def __init__(
        self, socket: Socket, welcome: Welcome, receive: Collection[Kind], began: float, data: bool
    ) -> None:
        """Use Room.join()."""
        self.protocol_violations = 0
        """Messages of the server that were not understood."""
        self._socket = socket
        self._began = began
        self._welcomed = time.monotonic()
        self._events: BoundedQueue[Event] = BoundedQueue(QUEUE_SIZE)
        self._messages: BoundedQueue[ChatMessage] = BoundedQueue(QUEUE_SIZE)
        self._data: BoundedQueue[DataMessage] = BoundedQueue(DATA_QUEUE_SIZE)
        self._roster = Roster(welcome, time.monotonic)
        self._happened = asyncio.Event()
        self._left: RoomLeft | None = None
        self._paths = MediaPaths(
            self._roster,
            socket,
            welcome.ice_servers,
            receive,
            self._emit,
            time.monotonic,
            self._data.put if data else None,
        )
        for track in self._roster.tracks.values():
            self._emit(TrackAdded(track))

    @classmethod
    @asynccontextmanager
    async def join(
        cls,
        url: str,
        token: str | None = None,
        display_name: str | None = None,
        *,
        publish: Mapping[str, MediaStreamTrack] | None = None,
        receive: Collection[Kind] = ("audio", "video"),
        data: bool = False,
        timeout: float = JOIN_TIMEOUT,  # noqa: ASYNC109
        session: aiohttp.ClientSession | None = None,
    ) -> AsyncIterator[Room]:
        """Join the room at `url` (http(s)://host/r/<room> or ws(s)://host/ws/<room>) and leave it at the end.

        Without a token the bot is a guest. `publish` (source → track) is sent from the first offer on, so
        that joining takes one round trip; `receive` is the kinds of tracks to receive, which are decoded
        whether they are read or not. With `data` the bot opens data channels, as soon as the room is in mode
        `sfu`: only then it can send data, or gets any. `session` is used but not closed.

        Raises AddressInvalid; JoinRefused with the server's code and reason, or with `unreachable` or
        `timeout`.
        """
        where = address.parse(url)
        began = time.monotonic()
        own = session or aiohttp.ClientSession()
        socket: Socket | None = None
        try:
            try:
                async with asyncio.timeout(timeout):
                    query = where.with_query(token, display_name).update_query(trace_parameters(began))
                    socket = await open_socket(own, query)
                    welcome = await cls._welcome(socket)
            except TimeoutError:
                raise JoinRefused("timeout", f"no welcome from {where.socket} within {timeout:g} s") from None
            room = cls(socket, welcome, receive, began, data)
            reader = asyncio.create_task(room._read(), name="bot-reader")
            try:
                for source, track in (publish or {}).items():
                    room._add(track, source)
                if publish:
                    await room._paths.announce()
                room._paths.start()
                yield room
            finally:
                # Read on until the goodbye is through: a connection that is closed over unread messages is
                # reset, and the goodbye lost with it.
                try:
                    await room._close()
                    await socket.close()
                finally:
                    reader.cancel()
                    await asyncio.gather(reader, return_exceptions=True)
        finally:
            if socket is not None:
                await socket.close()
            if session is None:
                await own.close()

    @property
    def id(self) -> str:
        return self._roster.room_id

    @property
    def client_id(self) -> str:
        """Who the bot is in this room."""
        return self._roster.client_id

    @property
    def mode(self) -> Mode:
        """How media goes now."""
        return self._roster.mode

    @property
    def participants(self) -> tuple[Participant, ...]:
        """Who is in the room, the bot included."""
        return tuple(self._roster.participants.values())

    @property
    def tracks(self) -> tuple[RemoteTrack, ...]:
        """What the others show."""
        return tuple(self._roster.tracks.values())

    @property
    def qualities(self) -> Mapping[str, Quality]:
        """How well the calls go, by client id; who is not in it has no score (yet)."""
        return dict(self._roster.qualities)

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Who speaks, the loudest first. Where media goes by way of the server, and of those who tell their
        audio level."""
        return self._roster.speakers

    @property
    def publications(self) -> tuple[Publication, ...]:
        """What the bot sends."""
        return tuple(self._paths.publications.values())

    @property
    def dropped(self) -> int:
        """Events, chat and data messages that nobody read in time."""
        return self._events.dropped + self._messages.dropped + self._data.dropped

    @property
    def resumed(self) -> int:
        """How often the connection to the server broke and was resumed, in which media went on."""
        return self._socket.resumed

    @property
    def milestones(self) -> Milestones:
        def since(at: float | None) -> float | None:
            return None if at is None else at - self._began

        return Milestones(
            self._welcomed - self._began, since(self._paths.answered_at), since(self._paths.connected_at)
        )

    def since_join(self, at: float) -> float:
        """Seconds from the start of join() to a moment of the monotonic clock (track.first_frame_at)."""
        return at - self._began

    def name_of(self, client_id: str) -> str:
        """The display name of a participant."""
        return self._roster.name_of(client_id)

    def has_packets(self, track: RemoteTrack) -> bool:
        """Whether packets of the track have come, decodable or not."""
        return self._paths.has_packets(track)

    async def chat(self, text: str) -> ChatMessage:
        """Say something; returns the message as everybody gets it.

        Raises RequestRefused with the reason, TimeoutError, RoomLeft.
        """
        return wire.chat(await self._socket.request({"type": "chat", "text": text}))

    async def rename(self, display_name: str) -> None:
        """Take another display name. Raises RequestRefused with the reason, TimeoutError, RoomLeft."""
        await self._socket.request({"type": "profile", "displayName": display_name})

    async def ping(self) -> float:
        """Seconds of a round trip to the server. Raises TimeoutError, RoomLeft."""
        began = time.monotonic()
        await self._socket.request({"type": "ping"})
        return time.monotonic() - began

    async def publish(self, track: MediaStreamTrack, source: str | None = None) -> Publication:
        """Send a track, as `camera` or `microphone` unless named; returns when it is negotiated.

        Raises ValueError when the source is unknown, taken, or of another kind; MediaFailed or RequestRefused
        when the negotiation did not succeed; RoomLeft.
        """
        publication = self._add(track, source or _DEFAULT_SOURCE[track.kind])
        await self._paths.announce()
        await self._paths.settle()
        return publication

    async def unpublish(self, publication: Publication) -> None:
        """Stop sending a track. Raises MediaFailed, RequestRefused, RoomLeft."""
        publication.stop()
        self._paths.publications.pop(publication.source, None)
        await self._paths.announce()
        await self._paths.settle()

    async def mute(self, publication: Publication, muted: bool = True) -> None:
        """Send nothing of a publication for now, and say so. Raises RoomLeft."""
        publication.muted = muted
        await self._paths.announce()

    async def settled(self) -> None:
        """Wait until what is published and wanted now is negotiated.

        Raises MediaFailed, RequestRefused, RoomLeft.
        """
        await self._paths.settle()

    async def track(self, track_id: str, timeout: float = 10.0) -> RemoteTrack:  # noqa: ASYNC109
        """The track `<clientId>:<source>`, as soon as it is there. Raises TimeoutError, RoomLeft."""
        await self._until(lambda: track_id in self._roster.tracks, timeout)
        return self._roster.tracks[track_id]

    async def wait_for_track(
        self,
        kind: Kind | None = None,
        source: str | None = None,
        client_id: str | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> RemoteTrack:
        """The first track that fits, as soon as there is one. Raises TimeoutError, RoomLeft."""

        def fitting() -> list[RemoteTrack]:
            return [
                t
                for t in self._roster.tracks.values()
                if kind in (None, t.kind) and source in (None, t.source) and client_id in (None, t.client_id)
            ]

        await self._until(lambda: bool(fitting()), timeout)
        return fitting()[0]

    async def events(self, timeout: float | None = None) -> AsyncIterator[Event]:  # noqa: ASYNC109
        """What happens, from the join on; readers share one queue of QUEUE_SIZE events, the oldest dropped
        first.

        Raises RoomLeft when the connection was lost, TimeoutError when nothing happens for `timeout` seconds.
        """
        while True:
            try:
                event = await self._events.get(timeout)
            except StopAsyncIteration:
                return
            yield event

    async def messages(self, timeout: float | None = None) -> AsyncIterator[ChatMessage]:  # noqa: ASYNC109
        """The chat, the bot's own messages included; bounded and ended as events()."""
        while True:
            try:
                message = await self._messages.get(timeout)
            except StopAsyncIteration:
                return
            yield message

    async def send_data(
        self,
        payload: str | bytes,
        *,
        to: Collection[str] | None = None,
        topic: str = "",
        lossy: bool = False,
    ) -> bool:
        """Send a data message to the participants named by `to`, or to all others who have data channels.

        `lossy`: rather never than late. Waits until the channels are open. Returns whether the message goes
        out: not where too much waits already. What the server refuses comes as the event `Refused`.

        Raises ValueError where it has more than 65,536 bytes with its header, MediaFailed where there are no
        data channels (joined without `data`, or the room is in mode `p2p`), RequestRefused, RoomLeft.
        """
        if self._left is not None:
            raise self._left
        return await self._paths.send_data(payload, to, topic, lossy=lossy)

    async def data(self, timeout: float | None = None) -> AsyncIterator[DataMessage]:  # noqa: ASYNC109
        """The data messages of others; at most DATA_QUEUE_SIZE wait, the oldest dropped first.

        Ended as events().
        """
        while True:
            try:
                message = await self._data.get(timeout)
            except StopAsyncIteration:
                return
            yield message

    @staticmethod
    async def _welcome(socket: Socket) -> Welcome:
        while True:
            message = await socket.receive()
            if message.get("type") == "welcome":
                try:
                    welcome = wire.welcome(message)
                except ProtocolViolated as error:
                    raise JoinRefused("protocol", str(error)) from error
                socket.client_id = welcome.client_id
                return welcome

    def _add(self, track: MediaStreamTrack, source: str) -> Publication:
        if source in self._paths.publications:
            raise ValueError(f"{source} is published already: unpublish it first")
        publication = Publication(track, source, lambda: time.monotonic() - self._began)
        self._paths.publish(publication)
        return publication

    async def _read(self) -> None:
        try:
            async for message in self._socket.messages():
                if self._left is not None:
                    continue
                try:
                    self._take(message)
                except ProtocolViolated as error:
                    self.protocol_violations += 1
                    logger.warning("message of the server ignored: %s", error)
        except RoomLeft as error:
            self._end(error)

    def _take(self, message: Json) -> None:
        match message.get("type"):
            case "chat":
                self._messages.put(wire.chat(message))
            case "resumed":
                self._resumed(message)
            case "webrtc":
                self._paths.peer_message(message)
            case "media" if message.get("state") == "closed":
                self._paths.media_closed(
                    str(message.get("reason") or "the media server closed the connection")
                )
            case "draining":
                self._emit(wire.draining(message))
            case "error":
                self._emit(Refused(str(message.get("code")), str(message.get("message"))))
            case _:
                self._apply(message)

    def _apply(self, message: Json) -> None:
        for event in self._roster.apply(message):
            self._follow(event)
            self._emit(event)

    def _resumed(self, message: Json) -> None:
        """What was missed follows; where it is gone, the message holds what the room is now."""
        if message.get("missed") is not None:
            return
        self._apply({**message, "type": "participants"})
        there = {info.id for info in wire.tracks(message)}
        gone = [dataclasses.asdict(t.info) for t in self._roster.tracks.values() if t.id not in there]
        removed = [{**info, "clientId": info["client_id"]} for info in gone]
        self._apply({"type": "tracks", "action": "removed", "tracks": removed})
        self._apply({**message, "type": "tracks", "action": "updated"})
        self._apply({**message, "type": "mode"})
        if "speakers" in message:
            self._apply({**message, "type": "speakers"})
        media = message.get("media")
        if isinstance(media, dict):
            self._take(media)

    def _follow(self, event: Event) -> None:
        """What an event means for the media connections."""
        match event:
            case ParticipantJoined(participant):
                if not self._roster.was_first(participant.id):
                    self._paths.peer_joined(participant.id)
            case ParticipantLeft(participant):
                self._paths.peer_left(participant.id)
            case ModeChanged():
                self._paths.mode_changed()
            case TrackAdded(track) | TrackChanged(track) if track.info.sfu:
                self._paths.touch()

    def _emit(self, event: Event) -> None:
        self._events.put(event)
        self._wake()

    async def _until(self, condition: Callable[[], bool], patience: float) -> None:
        async with asyncio.timeout(patience):
            while not condition():
                if self._left is not None:
                    raise self._left
                await self._happened.wait()

    def _wake(self) -> None:
        """Let everybody who waits for something look again."""
        self._happened.set()
        self._happened = asyncio.Event()

    def _end(self, error: RoomLeft, lost: bool = True) -> None:
        """Everything that waits ends: with the error where the connection was lost."""
        if self._left is None:
            self._left = error
            reason = error if lost else None
            self._events.close(reason)
            self._messages.close(reason)
            self._data.close(reason)
            self._roster.clear(reason)
            self._wake()

    async def _close(self) -> None:
        self._end(RoomLeft(_LEFT, "the bot has left the room"), lost=False)
        await self._paths.close()
