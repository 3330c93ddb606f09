"""Things to publish: a test picture, a tone, a file."""

from __future__ import annotations

import array
import asyncio
import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from typing import Literal

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from bots.errors import MediaFailed
from bots.pattern import Picture
from bots.track import Frame

SAMPLE_RATE = 48_000
"""Hertz; what Opus takes (RFC 6716)."""

SAMPLES_PER_FRAME = SAMPLE_RATE // 50
"""20 ms, one Opus frame."""

VIDEO_CLOCK = 90_000
"""Hertz of the RTP clock of video (RFC 3551 section 5)."""

_TONE_AMPLITUDE = 6_000
"""A fifth of full scale: clearly speech-loud, not painful."""


class _Paced(MediaStreamTrack):
    """Frames at their time.

    One that is late goes at once; after a pause of over a second the pace starts anew.
    """

    _MAX_LAG = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._began: float | None = None

    async def _wait_until(self, media_time: float) -> float:
        """Wait until `media_time` seconds after the first frame; returns the media time that it is really."""
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time() - media_time
        delay = self._began + media_time - loop.time()
        if delay > 0:
            await asyncio.sleep(delay)
        elif delay < -self._MAX_LAG:
            self._began -= delay
        if self.readyState != "live":
            raise MediaStreamError
        return loop.time() - self._began


class _Pattern(_Paced):
    kind = "video"

    def __init__(self, width: int, height: int, rate: float) -> None:
        super().__init__()
        self._picture = Picture(width, height)
        self._rate = rate
        self._index = 0

    async def recv(self) -> VideoFrame:
        now = await self._wait_until(self._index / self._rate)
        # Frames that could not be made in time are left out.
        self._index = max(self._index, int(now * self._rate))
        frame = self._picture.draw(time.time_ns() // 1_000_000)
        frame.pts = round(self._index / self._rate * VIDEO_CLOCK)
        frame.time_base = Fraction(1, VIDEO_CLOCK)
        self._index += 1
        return frame


class _Tone(_Paced):
    kind = "audio"

    def __init__(self, frequency: float) -> None:
        super().__init__()
        self._index = 0
        # A whole number of periods in one second, so a second repeats without a click.
        step = 2 * math.pi * round(frequency) / SAMPLE_RATE
        wave = array.array("h", (round(_TONE_AMPLITUDE * math.sin(step * i)) for i in range(SAMPLE_RATE)))
        size = SAMPLES_PER_FRAME
        self._chunks = [wave[i : i + size].tobytes() for i in range(0, SAMPLE_RATE, size)]

    async def recv(self) -> AudioFrame:
        await self._wait_until(self._index * SAMPLES_PER_FRAME / SAMPLE_RATE)
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES_PER_FRAME)
        frame.planes[0].update(self._chunks[self._index % len(self._chunks)])
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._index * SAMPLES_PER_FRAME
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._index += 1
        return frame


def pattern(width: int = 640, height: int = 360, rate: float = 30) -> MediaStreamTrack:
    """Moving bars with the time burnt in (bots.pattern.read_time gets it back), `rate` frames per second.

    Raises ValueError when the size is odd or below 160x40, or the rate is not positive.
    """
    if rate <= 0:
        raise ValueError(f"rate must be above 0 frames per second, not {rate}")
    return _Pattern(width, height, rate)


def tone(frequency: float = 440) -> MediaStreamTrack:
    """A sine of `frequency` hertz (rounded to whole ones), mono at 48 kHz."""
    return _Tone(frequency)


@dataclass(slots=True)
class _Playhead:
    """When the file began to play; shared by its tracks, so that they are in sync."""

    began: float | None = None


class _Reader:
    """Decodes one stream of a file, in whatever thread asks for the next frame."""

    def __init__(self, path: str, kind: Literal["audio", "video"], loop: bool) -> None:
        self._lock = threading.Lock()
        self._container = av.open(path)
        self._stream = next(s for s in self._container.streams if s.type == kind)
        self._kind = kind
        self._frames = self._decode(loop)

    def next(self) -> tuple[float, Frame] | None:
        """The next frame and its time in seconds from the start of the file; None at the end, or once closed.

        Raises MediaFailed when the file cannot be decoded any further.
        """
        with self._lock:
            try:
                return next(self._frames, None)
            except (av.FFmpegError, ValueError) as error:
                raise MediaFailed(f"the file cannot be decoded: {error}") from error

    def close(self) -> None:
        with self._lock:
            self._frames = iter(())
            self._container.close()

    def _decode(self, loop: bool) -> Iterator[tuple[float, Frame]]:
        offset = 0.0
        while True:
            end = 0.0
            source = self._video() if self._kind == "video" else self._audio()
            for at, length, frame in source:
                end = max(end, at + length)
                yield offset + at, frame
            if not loop or end == 0.0:
                return
            # By the length of the whole file, so that its tracks start again together.
            whole = (self._container.duration or 0) / av.time_base
            offset += max(end, whole)
            self._container.seek(0)

    def _start(self) -> float:
        return (self._container.start_time or 0) / av.time_base

    def _video(self) -> Iterator[tuple[float, float, Frame]]:
        rate = float(getattr(self._stream, "average_rate", None) or 30)
        for frame in self._container.decode(self._stream):
            if isinstance(frame, VideoFrame) and frame.time is not None:
                yield max(0.0, frame.time - self._start()), 1 / rate, frame.reformat(format="yuv420p")

    def _audio(self) -> Iterator[tuple[float, float, Frame]]:
        resampler = av.AudioResampler(
            format="s16", layout="stereo", rate=SAMPLE_RATE, frame_size=SAMPLES_PER_FRAME
        )
        length = SAMPLES_PER_FRAME / SAMPLE_RATE
        first: float | None = None
        count = 0
        for frame in self._container.decode(self._stream):
            if not isinstance(frame, AudioFrame):
                continue
            if first is None:
                first = max(0.0, (frame.time or 0.0) - self._start())
            for piece in resampler.resample(frame):
                yield first + count * length, length, piece
                count += 1


class _FileTrack(_Paced):
    def __init__(self, path: str, kind: Literal["audio", "video"], loop: bool, playhead: _Playhead) -> None:
        super().__init__()
        self.kind = kind
        self._reader = _Reader(path, kind, loop)
        self._playhead = playhead
        self._next: asyncio.Future[tuple[float, Frame] | None] | None = None

    async def recv(self) -> Frame:
        """The next frame at its time.

        Raises MediaStreamError at the end, MediaFailed when it cannot be decoded.
        """
        if self.readyState != "live":
            raise MediaStreamError
        found = await (self._next or self._decode_ahead())
        if found is None:
            self.stop()
            raise MediaStreamError
        self._next = self._decode_ahead()
        at, frame = found
        loop = asyncio.get_running_loop()
        if self._playhead.began is None:
            self._playhead.began = loop.time() - at
        self._began = self._playhead.began
        await self._wait_until(at)
        self._playhead.began = self._began
        clock = VIDEO_CLOCK if self.kind == "video" else SAMPLE_RATE
        frame.pts, frame.time_base = round(at * clock), Fraction(1, clock)
        return frame

    def stop(self) -> None:
        if self.readyState == "live":
            super().stop()
            if self._next is not None:
                # Nobody will look at what was decoded ahead, even if that failed.
                self._next.add_done_callback(lambda future: future.cancelled() or future.exception())
            # In a thread: a frame may be in decoding, and closing waits for it.
            threading.Thread(target=self._reader.close, name="bot-file-close").start()

    def _decode_ahead(self) -> asyncio.Future[tuple[float, Frame] | None]:
        return asyncio.get_running_loop().run_in_executor(None, self._reader.next)


@dataclass(frozen=True, slots=True)
class File:
    """What is in a media file: a picture, a sound, or both, in sync."""

    video: MediaStreamTrack | None
    audio: MediaStreamTrack | None

    @property
    def tracks(self) -> Mapping[str, MediaStreamTrack]:
        """By source, as Room.join(publish=…) takes them."""
        both = {"camera": self.video, "microphone": self.audio}
        return {source: track for source, track in both.items() if track is not None}


def file(path: str | PathLike[str], loop: bool = False) -> File:
    """The first video and audio stream of any file that FFmpeg reads, played at its pace, again and again by
    `loop`.

    Raises MediaFailed when it cannot be opened or has neither.
    """
    name = str(path)
    try:
        with av.open(name) as container:
            kinds = {stream.type for stream in container.streams}
    except (av.FFmpegError, OSError) as error:
        raise MediaFailed(f"{name} cannot be opened: {error.strerror or error}") from error
    if not kinds & {"audio", "video"}:
        raise MediaFailed(f"{name} has neither video nor audio")
    playhead = _Playhead()
    return File(
        video=_FileTrack(name, "video", loop, playhead) if "video" in kinds else None,
        audio=_FileTrack(name, "audio", loop, playhead) if "audio" in kinds else None,
    )
