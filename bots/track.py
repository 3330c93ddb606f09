"""A track that is received: frames in, bounded queues out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from typing import Literal

from av import AudioFrame, VideoFrame

from bots.bounded import BoundedQueue, Policy
from bots.messages import Kind, TrackInfo

Frame = AudioFrame | VideoFrame
Path = Literal["p2p", "sfu"]

DEFAULT_SIZE: dict[str, int] = {"latest": 1, "block": 60}
"""Frames queued per reader: the newest one, or about two seconds of video."""


class RemoteTrack:
    """What another participant sends.

    It stays the same object when the room changes from peer-to-peer to the media server: frames just go on,
    and their timestamps too. Frames are taken from the decoder from the moment they arrive; with no reader
    they are counted as `unread` and let go.
    """

    def __init__(self, info: TrackInfo, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self.info = info
        self.received = 0
        """Frames decoded, over both paths."""
        self.unread = 0
        """Frames that came while nobody read."""
        self.superseded = 0
        """Frames that came on the path that is not in use any more."""
        self.path: Path | None = None
        """Where the last frame came from."""
        self.first_frame_at: float | None = None
        """When the first frame came, in seconds of the monotonic clock."""
        self.width = 0
        """Width of the last video frame in pixels; 0 for audio or none yet."""
        self.height = 0
        self._clock = clock
        self._queues: list[BoundedQueue[Frame]] = []
        self._dropped_before = 0
        self._error: Exception | None = None
        self._ended = asyncio.Event()
        self._started = asyncio.Event()
        self._offset: float | None = None
        self._last_time = 0.0

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def kind(self) -> Kind:
        return self.info.kind

    @property
    def source(self) -> str:
        return self.info.source

    @property
    def client_id(self) -> str:
        return self.info.client_id

    @property
    def muted(self) -> bool:
        return self.info.muted

    @property
    def ended(self) -> bool:
        """It went: unpublished, its participant left, or the bot did."""
        return self._ended.is_set()

    @property
    def dropped(self) -> int:
        """Frames that did not fit into the queues of the readers, all readers together."""
        return self._dropped_before + sum(queue.dropped for queue in self._queues)

    async def started(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Wait for the first frame. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            await self._started.wait()

    async def frames(
        self,
        policy: Policy = "latest",
        size: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncIterator[Frame]:
        """Decoded frames from now on, until the track ends.

        `policy` and `size` are the bound of this reader's queue (see bots.bounded.Policy); several readers do
        not disturb each other. With `timeout`, TimeoutError is raised when no frame comes for so many
        seconds: a muted track sends none. Raises RoomLeft when the connection was lost.
        """
        queue: BoundedQueue[Frame] = BoundedQueue(DEFAULT_SIZE[policy] if size is None else size, policy)
        if self.ended:
            queue.close(self._error)
        self._queues.append(queue)
        try:
            while True:
                try:
                    frame = await queue.get(timeout)
                except StopAsyncIteration:
                    return
                yield frame
        finally:
            self._queues.remove(queue)
            self._dropped_before += queue.dropped

    def deliver(self, frame: Frame, path: Path) -> bool:
        """Take a decoded frame that came over `path`; True when it is the first one of that path.

        Once a frame came over the media server, what still comes peer-to-peer is superseded.
        """
        if self.ended or (path == "p2p" and self.path == "sfu"):
            self.superseded += 1
            return False
        now = self._clock()
        first_of_path = path != self.path
        if first_of_path:
            self.path = path
            self._offset = None
        if self.first_frame_at is None:
            self.first_frame_at = now
        self._continue_time(frame, now - self.first_frame_at)
        self.received += 1
        if isinstance(frame, VideoFrame):
            self.width, self.height = frame.width, frame.height
        if not self._queues:
            self.unread += 1
        for queue in self._queues:
            queue.put(frame)
        self._started.set()
        return first_of_path

    def end(self, error: Exception | None = None) -> None:
        """End all readers, with `error` where one is given."""
        self._error = error
        self._ended.set()
        for queue in self._queues:
            queue.close(error)

    def rewind(self) -> None:
        """The next frame comes from another receiver, whose timestamps start elsewhere."""
        self._offset = None

    def _continue_time(self, frame: Frame, since_first: float) -> None:
        """Shift the frame's timestamp so that the track's time starts at 0 and never jumps with the path."""
        if frame.pts is None or frame.time_base is None:
            frame.time_base = Fraction(1, 90_000)
            frame.pts = round(since_first * 90_000)
        time = float(frame.pts * frame.time_base)
        if self._offset is None:
            self._offset = max(since_first, self._last_time) - time
        self._last_time = time + self._offset
        frame.pts = round(self._last_time / frame.time_base)
