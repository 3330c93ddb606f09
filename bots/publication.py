"""What a bot sends: one source, read once, feeding every connection that carries it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from bots.bounded import BoundedQueue
from bots.errors import MediaFailed
from bots.messages import KIND_OF, Kind
from bots.track import Frame

FEED_SIZE: dict[str, int] = {"audio": 25, "video": 2}
"""Frames waiting for an encoder: half a second of sound; of video only what is newest."""


class Outlet(MediaStreamTrack):
    """The sending end of one m-line. It lives as long as its connection; what feeds it may change.

    An aiortc sender ends for good when its track ends, so the track must be one that does not.
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.publication: Publication | None = None
        self._asked = False
        self._queue: BoundedQueue[Frame] = BoundedQueue(FEED_SIZE[kind], "latest")

    @property
    def dropped(self) -> int:
        """Frames that came faster than they could be encoded and sent."""
        return self._queue.dropped

    def bind(self, publication: Publication | None) -> None:
        """Feed this outlet from `publication`, or from nothing."""
        if self.publication is not None:
            self.publication.remove(self)
        self.publication = publication
        if publication is not None:
            publication.add(self)

    def feed(self, frame: Frame) -> bool:
        """Take a frame; False when nothing is sent here, because the line is not connected or not wanted."""
        if self._asked:
            self._queue.put(frame)
        return self._asked

    async def recv(self) -> Frame:
        """The next frame to encode. Raises MediaStreamError once the connection is closed."""
        self._asked = True
        try:
            return await self._queue.get()
        except StopAsyncIteration:
            raise MediaStreamError from None

    def stop(self) -> None:
        super().stop()
        self.bind(None)
        self._queue.close()


class Publication:
    """A track that the bot sends, as Room.publish() returns it."""

    def __init__(self, track: MediaStreamTrack, source: str, clock: Callable[[], float]) -> None:
        """`clock` gives the room's seconds, shared by all publications so that they stay in sync.

        Raises ValueError when the source is unknown or of another kind than the track.
        """
        if source not in KIND_OF:
            raise ValueError(f"source {source!r} is unknown, expected one of {', '.join(KIND_OF)}")
        if track.kind != KIND_OF[source]:
            raise ValueError(f"source {source} is {KIND_OF[source]}, but the track is {track.kind}")
        self.track = track
        self.source = source
        self.kind: Kind = KIND_OF[source]
        self.muted = False
        self.sent = 0
        """Frames that went to one connection or more."""
        self.unsent = 0
        """Frames that came while nobody was connected to whom they could go."""
        self.suppressed = 0
        """Frames not sent because the publication was muted."""
        self.error: Exception | None = None
        """Why the track ended, where it failed."""
        self._clock = clock
        self._outlets: list[Outlet] = []
        self._dropped_before = 0
        self._offset: float | None = None
        self._ended = asyncio.Event()

    @property
    def dropped(self) -> int:
        """Frames that an encoder or the network had no time for, all connections together."""
        return self._dropped_before + sum(outlet.dropped for outlet in self._outlets)

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    async def wait_ended(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Wait until the track has no more frames, or is unpublished. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._ended.wait()

    def add(self, outlet: Outlet) -> None:
        self._outlets.append(outlet)

    def remove(self, outlet: Outlet) -> None:
        if outlet in self._outlets:
            self._outlets.remove(outlet)
            self._dropped_before += outlet.dropped

    async def run(self) -> None:
        """Read the track to its end and feed every outlet."""
        try:
            while True:
                frame = await self.track.recv()
                if not isinstance(frame, AudioFrame | VideoFrame):
                    raise MediaFailed(f"{self.source} gives encoded packets: give frames")
                if self.muted:
                    self.suppressed += 1
                    continue
                self._stamp(frame)
                if any([outlet.feed(frame) for outlet in self._outlets]):  # noqa: C419 - all are fed
                    self.sent += 1
                else:
                    self.unsent += 1
        except MediaStreamError:
            pass
        except Exception as error:
            self.error = error
            raise
        finally:
            self.stop()

    def stop(self) -> None:
        """End the track and free what it holds."""
        for outlet in list(self._outlets):
            outlet.bind(None)
        self.track.stop()
        self._ended.set()

    def _stamp(self, frame: Frame) -> None:
        """Put the frame on the room's clock: an outlet may be fed by one publication after another."""
        if frame.pts is None or frame.time_base is None:
            frame.time_base = Fraction(1, 90_000 if self.kind == "video" else 48_000)
            frame.pts = round(self._clock() / frame.time_base)
            return
        time = float(frame.pts * frame.time_base)
        if self._offset is None:
            self._offset = self._clock() - time
        frame.pts = round((time + self._offset) / frame.time_base)
