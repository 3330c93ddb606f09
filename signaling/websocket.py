"""One WebSocket: a reader, a writer, and an end. All that is decided is decided elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import time
from collections.abc import Iterator

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from signaling import announcements
from signaling.closing import GOODBYES, REPLACED, SERVER_STOPPING, TOO_SLOW, Closing, Refused
from signaling.entry import Entry
from signaling.messages import Moderate, ProtocolError, RequestId, parse
from signaling.moderation import moderate
from signaling.observer import Arrival
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.rate import RateLimit
from signaling.room import Room
from signaling.rooms import Rooms

LOG = logging.getLogger(__name__)

# A message that is longer counts as several: what it costs to read grows with it.
BYTES_PER_MESSAGE = 8_192

# Seconds for which a client that sends too much is not read; long enough to matter, short enough to close in.
MAX_PAUSE = 0.1


class Connection:
    """Serves one WebSocket from the upgrade to the end."""

    def __init__(self, request: web.Request, rooms: Rooms) -> None:
        self._request = request
        self._rooms = rooms
        self._settings = rooms.settings
        self._loop = asyncio.get_running_loop()
        self._requested = self._loop.time()
        self._frames = asyncio.Event()
        self._end: asyncio.Future[Closing] = self._loop.create_future()
        self._reason = "lost"
        # The text is decoded where it is parsed, so that bad UTF-8 costs an error and not the connection. No
        # compression: it holds some 300 kB per connection, and signaling is small.
        self.ws: web.WebSocketResponse[bool] = web.WebSocketResponse(
            timeout=self._settings.close_timeout,
            heartbeat=self._settings.heartbeat,
            max_msg_size=self._settings.description_bytes + 1,
            compress=False,
            decode_text=False,
        )

    async def serve(self, entry: Entry) -> None:
        """Upgrade, join or resume, talk until either side ends it or it breaks."""
        self._bound_send_buffer()
        await self.ws.prepare(self._request)
        try:
            room, participant, opening = await self._enter(entry)
        except Refused as refusal:
            self._rooms.counters.refused[refusal.closing.code] += 1
            await self._say_goodbye(refusal.closing)
            return
        # On every line of this connection, and of the tasks that its messages start. Never unbound: the task
        # of an upgraded request serves no other one.
        structlog.contextvars.bind_contextvars(room=room.id, client=participant.id)
        LOG.info("A participant resumed" if opening else "A participant joined")
        try:
            await self._talk(room, participant, opening)
        finally:
            # The room learns it before the closing handshake, which can take a while.
            closing = self._end.result() if self._end.done() else None
            reason = closing.code if closing is not None else self._reason
            self._rooms.counters.closed[reason] += 1
            self._part(room, participant, reason)
            LOG.info("A connection ended", extra={"reason": reason, "left": participant.id not in room})
            if closing is not None:
                await self._say_goodbye(closing)
            else:
                await self.ws.close(drain=False)
                self._cut()

    async def _enter(self, entry: Entry) -> tuple[Room, Participant, bytes | None]:
        """Return also what is to be sent before the outbox. Raises Refused."""
        now, settings = self._loop.time(), self._settings
        if entry.resume_token:
            room, participant, opening = self._rooms.resume(
                entry.room_id, entry.resume_token, entry.after, now, local=self._is_local()
            )
            participant.outbox.attach(self._frames.set, self._on_close)
            return room, participant, announcements.encode(opening)
        outbox = Outbox(settings.send_queue_messages, settings.outbox_bytes)
        outbox.attach(self._frames.set, self._on_close)
        device, visit = entry.device, await entry.admission()
        try:
            room, participant = self._rooms.join(
                entry.room_id,
                outbox,
                self._loop.time(),
                visit=visit,
                wall=time.time(),
                display_name=entry.display_name,
                local=self._is_local(),
                device=device,
            )
        except Refused:
            if entry.turned_away is not None:
                await entry.turned_away(visit)
            raise
        self._rooms.observer.arrived(Arrival(room, participant, self._requested, self._loop.time()))
        return room, participant, None

    def _part(self, room: Room, participant: Participant, reason: str) -> None:
        if reason == REPLACED.code:
            return
        now = self._loop.time()
        if reason == "lost":
            self._rooms.detach(room, participant, now)
        else:
            self._rooms.leave(room, participant, now)

    async def _talk(self, room: Room, participant: Participant, opening: bytes | None) -> None:
        reader = asyncio.create_task(self._read(room, participant))
        writer = asyncio.create_task(self._write(participant.outbox, opening))
        try:
            await asyncio.wait((reader, writer, self._end), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, writer):
                task.cancel()
            for outcome in await asyncio.gather(reader, writer, return_exceptions=True):
                if isinstance(outcome, Exception):
                    LOG.error("A connection failed", exc_info=outcome)

    async def _read(self, room: Room, participant: Participant) -> None:
        settings = self._settings
        rate = RateLimit(settings.messages_per_second, settings.rate_window, self._loop.time())
        while True:
            received = await self.ws.receive()
            if self._end.done():
                # What is not counted as received, a client that has resumed elsewhere sends again there.
                return
            match received.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    participant.received += 1
                    self._rooms.heard(participant)
                    admitted = rate.admit(self._loop.time(), 1 + len(received.data) // BYTES_PER_MESSAGE)
                    self._receive(room, participant, received.type, received.data, admitted)
                    # Not reading is what slows a flood down: TCP holds the sender back. And frames that are
                    # here already are read without a pause: the answers to a burst get their turn only so.
                    await asyncio.sleep(0 if admitted else min(rate.pause, MAX_PAUSE))
                case WSMsgType.CLOSE if received.data in GOODBYES:
                    self._reason = "client"
                    return
                case WSMsgType.ERROR if getattr(received.data, "code", None) == WSCloseCode.MESSAGE_TOO_BIG:
                    self._reason = "too_big"
                    return
                case _:
                    return

    def _receive(
        self, room: Room, participant: Participant, kind: WSMsgType, frame: bytes, admitted: bool
    ) -> None:
        counters = self._rooms.counters
        try:
            if kind is WSMsgType.BINARY:
                raise ProtocolError("malformed_json", "the frame is binary; send JSON in text frames")
            message = parse(frame, self._settings)
        except ProtocolError as error:
            self._refuse(participant, error, error.request, error.id, admitted)
            return
        if not admitted:
            self._refuse(participant, None, message.type, message.id, admitted)
            return
        try:
            if isinstance(message, Moderate) and participant.id not in room.lobby:
                moderate(room, participant, message, time.time())
            else:
                room.receive(participant, message, time.time())
            counters.received[message.type] += 1
        except ProtocolError as error:
            self._refuse(participant, error, message.type, message.id, admitted)
        except Exception:
            # A fault of ours: it must not cost the participant its call.
            LOG.exception("A message failed", extra={"type": message.type})
            fault = ProtocolError("internal_error", "the server failed on this message; it has been logged")
            self._refuse(participant, fault, message.type, message.id, admitted)

    def _refuse(
        self,
        participant: Participant,
        error: ProtocolError | None,
        request: str | None,
        request_id: RequestId | None,
        admitted: bool,
    ) -> None:
        if not admitted or error is None:
            rate, window = self._settings.messages_per_second, self._settings.rate_window
            sentence = f"more than {rate:g} messages per second over {window:g} s; this one was dropped"
            error = ProtocolError("rate_limited", sentence)
        self._rooms.counters.errors[error.code] += 1
        participant.outbox.put(
            announcements.encode(announcements.error(error.code, str(error), request, request_id))
        )

    async def _write(self, outbox: Outbox, opening: bytes | None) -> None:
        # After the end the outbox may be another connection's.
        while not self._end.done():
            frame = opening or outbox.take()
            opening = None
            if frame is None:
                self._frames.clear()
                await self._frames.wait()
                continue
            try:
                async with asyncio.timeout(self._settings.send_timeout):
                    await self.ws.send_frame(frame, WSMsgType.TEXT)
            except TimeoutError:
                if not self._end.done():
                    outbox.close(TOO_SLOW)
                return
            except ConnectionError:
                return

    def _on_close(self, closing: Closing) -> None:
        if not self._end.done():
            self._end.set_result(closing)

    async def _say_goodbye(self, closing: Closing) -> None:
        """Send the reason and close; a client that does not answer in time is cut off."""
        last_words = announcements.encode(announcements.error(closing.code, closing.message))
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._settings.close_timeout):
                await self.ws.send_frame(last_words, WSMsgType.TEXT)
        await self.ws.close(code=closing.close_code, message=closing.code.encode(), drain=False)
        self._cut()

    def _cut(self) -> None:
        """Free the socket even where what it has to send is never taken."""
        transport = self._request.transport
        if transport is not None:
            transport.abort()

    def _bound_send_buffer(self) -> None:
        transport = self._request.transport
        sock = transport.get_extra_info("socket") if transport is not None else None
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._settings.send_buffer_bytes)

    def _is_local(self) -> bool:
        peer = self._request.transport.get_extra_info("peername") if self._request.transport else None
        if not isinstance(peer, tuple):
            return False
        address = ipaddress.ip_address(peer[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback


class Connections:
    """The open connections of this server, so that it can end them when it stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Count the running task as a connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def stop(self, rooms: Rooms, within: float) -> None:
        """Say goodbye to everybody; cut off who is still there after `within` seconds."""
        rooms.close(SERVER_STOPPING, asyncio.get_running_loop().time())
        tasks = self._tasks - {asyncio.current_task()}
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=within)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=within)
