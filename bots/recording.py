"""Recording: one Matroska file per track."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import AudioFrame, VideoFrame
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext

from bots.errors import MediaFailed, RoomLeft
from bots.media import SAMPLE_RATE
from bots.track import Frame, RemoteTrack

QUEUE_SIZE = 150
"""Frames that wait to be written: five seconds of video."""

_VIDEO_OPTIONS = {"deadline": "realtime", "cpu-used": "8", "crf": "20", "lag-in-frames": "0"}
_VIDEO_BIT_RATE = 2_000_000
_MILLISECOND = Fraction(1, 1000)


@dataclass(slots=True)
class Recorded:
    """What became of a track."""

    path: Path
    frames: int = 0
    dropped: int = 0
    """Frames that were not written, because encoding was slower than the track."""


def file_name(name: str, track: RemoteTrack) -> str:
    """A file name from the display name, the source and the client: readable, unique, safe on any system."""
    safe = re.sub(r"[^\w-]+", "_", name, flags=re.ASCII).strip("_")[:40] or "guest"
    client = re.sub(r"[^\w-]+", "_", track.client_id, flags=re.ASCII)[:24]
    return f"{safe}-{track.source}-{client}.mkv"


class TrackFile:
    """A Matroska file of one track: VP8 or Opus. Blocking; to be used in one thread at a time.

    A picture that changes its size goes on in the same stream, beginning with a keyframe of the new size: VP8
    allows that (RFC 6386 section 9.1) and players scale it.
    """

    def __init__(self, path: Path, kind: str) -> None:
        """Raises MediaFailed when the file cannot be written."""
        self.path = path
        self.frames = 0
        self._kind = kind
        try:
            self._container: OutputContainer = av.open(str(path), "w", format="matroska")
        except (av.FFmpegError, OSError) as error:
            raise MediaFailed(f"{path} cannot be written: {error.strerror or error}") from error
        self._video: VideoCodecContext | None = None
        self._last_pts = -1
        if kind == "audio":
            self._audio = self._container.add_stream("libopus", rate=SAMPLE_RATE, layout="stereo")
            self._resampler = av.AudioResampler(format="s16", layout="stereo", rate=SAMPLE_RATE)
        else:
            self._stream = self._container.add_stream("libvpx", rate=30)

    def write(self, frame: Frame, at: float) -> None:
        """Add a frame, `at` seconds from the beginning of the recording. Raises MediaFailed."""
        try:
            if isinstance(frame, VideoFrame):
                self._write_video(frame, at)
            else:
                self._write_audio(frame, at)
        except (av.FFmpegError, OSError) as error:
            raise MediaFailed(f"{self.path} cannot be written: {error.strerror or error}") from error
        self.frames += 1

    def close(self) -> None:
        """Write what is left and close the file. Raises MediaFailed."""
        try:
            if self._kind == "audio":
                self._container.mux(self._audio.encode(None))
            elif self._video is not None:
                self._end_encoder()
        except (av.FFmpegError, OSError) as error:
            raise MediaFailed(f"{self.path} cannot be written: {error.strerror or error}") from error
        finally:
            self._container.close()

    def _write_video(self, frame: VideoFrame, at: float) -> None:
        if self._video is None or (self._video.width, self._video.height) != (frame.width, frame.height):
            if self._video is not None:
                self._end_encoder()
            self._video = self._encoder(frame.width, frame.height)
            if self._stream.width == 0:
                self._stream.width, self._stream.height = frame.width, frame.height
                self._stream.pix_fmt = "yuv420p"
        picture = frame.reformat(format="yuv420p")
        self._last_pts = max(self._last_pts + 1, round(at / _MILLISECOND))
        picture.pts, picture.time_base = self._last_pts, _MILLISECOND
        picture.pict_type = av.video.frame.PictureType.NONE
        self._mux(self._video.encode(picture))

    def _write_audio(self, frame: AudioFrame, at: float) -> None:
        pieces = self._resampler.resample(frame)
        pts = max(self._last_pts + 1, round(at * SAMPLE_RATE))
        for piece in pieces:
            piece.pts, piece.time_base = pts, Fraction(1, SAMPLE_RATE)
            pts += piece.samples
            self._container.mux(self._audio.encode(piece))
        self._last_pts = pts - 1

    def _encoder(self, width: int, height: int) -> VideoCodecContext:
        encoder: VideoCodecContext = av.CodecContext.create("libvpx", "w")
        encoder.width, encoder.height = width, height
        encoder.pix_fmt = "yuv420p"
        encoder.time_base = _MILLISECOND
        encoder.bit_rate = _VIDEO_BIT_RATE
        encoder.gop_size = 300
        encoder.options = dict(_VIDEO_OPTIONS)
        return encoder

    def _end_encoder(self) -> None:
        if self._video is not None:
            self._mux(self._video.encode(None))

    def _mux(self, packets: Sequence[av.Packet[Any]]) -> None:
        for packet in packets:
            packet.stream = self._stream
            self._container.mux(packet)


class Recorder:
    """Records tracks into a folder, with one clock for all, so that the files can be laid side by side."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes the folder. Raises MediaFailed when that cannot be done."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaFailed(f"{folder} cannot be made: {error.strerror}") from error
        self.folder = folder
        self._clock = clock
        self._began = clock()

    async def record(self, track: RemoteTrack, display_name: str) -> Recorded:
        """Write the track until it ends or the task is cancelled; the file is complete either way.

        Nothing is written, and no file made, for a track of which no frame comes. Raises MediaFailed.
        """
        recorded = Recorded(self._free_path(file_name(display_name, track)))
        target: TrackFile | None = None
        offset = 0.0
        dropped_before = track.dropped
        try:
            async for frame in track.frames("block", QUEUE_SIZE):
                time_of_frame = frame.time or 0.0
                if target is None:
                    target = await asyncio.to_thread(TrackFile, recorded.path, track.kind)
                    offset = self._clock() - self._began - time_of_frame
                await asyncio.to_thread(target.write, frame, max(0.0, time_of_frame + offset))
        except RoomLeft:
            pass  # A lost connection ends a recording just as leaving does.
        finally:
            if target is not None:
                await asyncio.shield(asyncio.to_thread(target.close))
                recorded.frames = target.frames
            recorded.dropped = track.dropped - dropped_before
        return recorded

    def _free_path(self, name: str) -> Path:
        path = self.folder / name
        number = 2
        while path.exists():
            path = self.folder / f"{name.removesuffix('.mkv')}-{number}.mkv"
            number += 1
        return path
