"""The media server for as long as the app runs."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from chatter.errors import StartError
from sfu.config import MediaConfig
from sfu.events import Event
from sfu.net.server import MediaServer
from sfu.offer import Answer, Offer, Permissions
from sfu.wish import Wish


class AppMedia:
    """What signaling is given when the app is put together: its port opens when the app starts."""

    def __init__(self, config: MediaConfig) -> None:
        self._config = config
        self._answered: list[Callable[[str, str], None]] = []
        self._server: MediaServer | None = None
        self._callbacks: list[Callable[[Event], None]] = []
        self._may_send_data: Callable[[str, str], bool] | None = None

    @property
    def server(self) -> MediaServer:
        """The running server; it runs while the app serves requests."""
        assert self._server is not None
        return self._server

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Run from the app's start to its cleanup. Raise StartError if port or plane cannot be had."""
        try:
            self._server = await MediaServer.start(self._config)
        except OSError as exc:
            raise StartError(self._refusal(exc)) from None
        except ImportError as exc:
            raise StartError(
                f'MEDIA_PLANE is "{self._config.plane}", and the compiled plane cannot be loaded ({exc}): '
                "build it with gcc and Python's headers, or set MEDIA_PLANE to auto."
            ) from None
        for callback in self._callbacks:
            self._server.on_event(callback)
        if self._may_send_data is not None:
            self._server.permit_data(self._may_send_data)
        yield
        await self._server.close()

    def on_event(self, callback: Callable[[Event], None]) -> None:
        """Register the one who is told of events, before the start."""
        self._callbacks.append(callback)

    def permit_data(self, may_send: Callable[[str, str], bool]) -> None:
        """See MediaServer; before the start."""
        self._may_send_data = may_send

    def on_answered(self, callback: Callable[[str, str], None]) -> None:
        """Tell `callback` the room and the participant of every offer that was answered."""
        self._answered.append(callback)

    def offer(self, room_id: str, participant_id: str, offer: Offer, *, local: bool = False) -> Answer:
        """See MediaServer."""
        answer = self.server.offer(room_id, participant_id, offer, local=local)
        for callback in self._answered:
            callback(room_id, participant_id)
        return answer

    def permit(self, room_id: str, participant_id: str, permissions: Permissions) -> None:
        """See MediaServer."""
        self.server.permit(room_id, participant_id, permissions)

    def pause(self, room_id: str, participant_id: str, track_id: str, paused: bool) -> None:
        """See MediaServer."""
        self.server.pause(room_id, participant_id, track_id, paused)

    def wish(self, room_id: str, participant_id: str, track_id: str, wish: Wish) -> None:
        """See MediaServer."""
        self.server.wish(room_id, participant_id, track_id, wish)

    def leave(self, room_id: str, participant_id: str) -> None:
        """See MediaServer."""
        self.server.leave(room_id, participant_id)

    def close_room(self, room_id: str) -> None:
        """See MediaServer."""
        self.server.close_room(room_id)

    def _refusal(self, exc: OSError) -> str:
        kind = "UDP and TCP port" if self._config.tcp else "UDP port"
        port = f"{kind} {self._config.port} (MEDIA_PORT, --media-port)"
        if exc.errno == errno.EADDRINUSE:
            return f"{port} for media is in use: stop the program that has it, or choose another port."
        host = self._config.host or "all addresses"
        return f"{port} for media cannot be had on {host}: {exc.strerror or exc}."
