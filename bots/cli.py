"""The command line: `chatter bot` plays into a room, or records it, and says what happens."""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aiortc import MediaStreamTrack

from bots import media
from bots.errors import BotError, RoomLeft
from bots.events import (
    Event,
    MediaChanged,
    ModeChanged,
    NameChanged,
    ParticipantJoined,
    ParticipantLeft,
    QualityChanged,
    Refused,
    SpeakersChanged,
    TrackAdded,
    TrackChanged,
    TrackRemoved,
)
from bots.messages import ServerDraining
from bots.publication import Publication
from bots.recording import Recorded, Recorder
from bots.room import Room
from bots.track import RemoteTrack

Print = Callable[[str], None]

FAILED = 1

_EXAMPLES = """\
examples:
  chatter bot http://localhost:8080/r/abc                     a test picture and a tone, until Ctrl-C
  chatter bot http://localhost:8080/r/abc --play talk.mp4     play a file once, then leave
  chatter bot http://localhost:8080/r/abc --record takes      record everybody, one file per track
  chatter bot ws://localhost:8080/ws/abc --token "$TOKEN" --name Echo --chat hello --duration 60
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options of the bot."""
    parser.description = (
        "Join a room without a browser: play a file or a test picture, or record. Ctrl-C leaves the room."
    )
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "url", metavar="URL", help="the room: http(s)://host/r/<room> or ws(s)://host/ws/<room>"
    )
    parser.add_argument("--token", help="an access token or a join token; without one the bot is a guest")
    parser.add_argument("--name", default="Bot", help="the display name (default: Bot)")
    playing = parser.add_mutually_exclusive_group()
    playing.add_argument("--play", metavar="FILE", type=Path, help="play a media file and leave at its end")
    playing.add_argument(
        "--pattern",
        action="store_true",
        help="send moving bars and a tone (the default without --play and --record)",
    )
    parser.add_argument(
        "--size",
        metavar="WxH@FPS",
        type=_size,
        default=(640, 360, 30.0),
        help="of the test picture (default: 640x360@30)",
    )
    parser.add_argument("--loop", action="store_true", help="play the file again and again")
    parser.add_argument(
        "--record", metavar="FOLDER", type=Path, help="record what others send, one .mkv per track"
    )
    parser.add_argument("--duration", metavar="S", type=_seconds, help="leave after so many seconds")
    parser.add_argument("--chat", metavar="TEXT", help="say this after joining")
    parser.add_argument("--quiet", action="store_true", help="print only the summary, and errors")


def run(args: argparse.Namespace) -> int:
    """Run the bot that `args` describes; returns 0, or 1 when it failed."""
    if args.loop and args.play is None:
        print("chatter bot: --loop needs --play FILE", file=sys.stderr)
        return FAILED
    # Under the name of the library it comes from; aiortc says more than people want to read.
    logging.getLogger("aiortc").setLevel(logging.ERROR)
    try:
        return asyncio.run(_run(args))
    except (BotError, TimeoutError) as error:
        print(f"chatter bot: {error or 'the server did not answer in time'}", file=sys.stderr)
        return FAILED


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: expected seconds above 0")
    return value


def _size(text: str) -> tuple[int, int, float]:
    """Width and height in pixels, frames per second."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})@(\d{1,3}(?:\.\d{1,3})?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: expected WxH@FPS, such as 320x180@15")
    width, height, rate = int(found[1]), int(found[2]), float(found[3])
    try:
        media.pattern(width, height, rate)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    return width, height, rate


def describe(event: Event) -> str | None:
    """What happened, in one line; None for what is not worth one."""
    match event:
        case ParticipantJoined(participant):
            return f"{participant.display_name} joined"
        case ParticipantLeft(participant):
            return f"{participant.display_name} left"
        case NameChanged(participant):
            return f"{participant.id} is now called {participant.display_name}"
        case TrackAdded(track):
            return f"{track.id} appeared"
        case TrackChanged(track):
            return f"{track.id} is {'muted' if track.muted else 'on'}"
        case TrackRemoved(track):
            return f"{track.id} ended after {track.received} frames"
        case ModeChanged(mode):
            return "media goes " + (
                "directly between participants" if mode == "p2p" else "through the server"
            )
        case MediaChanged("connected", _):
            return "connected to the media server"
        case MediaChanged(state, reason):
            return f"media {state}: {reason}"
        case ServerDraining(_, url):
            return "the server is about to end" + (f"; it sends people to {url}" if url else "")
        case QualityChanged(client_id, quality):
            return f"{client_id} has a {quality.grade} connection" + (
                f": {quality.cause}" if quality.cause else ""
            )
        case SpeakersChanged():
            return None
        case Refused(code, message):
            return f"refused: {message} ({code})"


def _sources(args: argparse.Namespace) -> Mapping[str, MediaStreamTrack]:
    """What to send, by source. Raises MediaFailed."""
    if args.play is not None:
        return media.file(args.play, loop=args.loop).tracks
    if args.pattern or args.record is None:
        return {"camera": media.pattern(*args.size), "microphone": media.tone()}
    return {}


async def _run(args: argparse.Namespace) -> int:
    say: Print = (lambda line: None) if args.quiet else (lambda line: print(line, flush=True))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    recorder = Recorder(args.record) if args.record is not None else None
    sources = _sources(args)
    session = _Session(say, recorder)
    failure: str | None = None
    try:
        async with Room.join(
            args.url,
            args.token,
            args.name,
            publish=sources,
            receive=("audio", "video") if recorder is not None else (),
        ) as room:
            say(f"joined {room.id} as {args.name} ({room.client_id}), {len(room.participants)} in the room")
            publications = room.publications
            try:
                if args.chat:
                    await room.chat(args.chat)
                failure = await session.watch(room, publications, stop, args.duration)
            finally:
                session.note(publications)
    finally:
        for track in sources.values():
            track.stop()
        await session.finish()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    for line in session.summary():
        print(line, flush=True)
    if failure is not None:
        print(f"chatter bot: {failure}", file=sys.stderr)
        return FAILED
    return 0


class _Session:
    """What the bot does in the room, and what became of it."""

    def __init__(self, say: Print, recorder: Recorder | None) -> None:
        self._say = say
        self._recorder = recorder
        self._recording: dict[str, asyncio.Task[Recorded]] = {}
        self._sent: list[str] = []

    async def watch(
        self, room: Room, publications: Sequence[Publication], stop: asyncio.Event, duration: float | None
    ) -> str | None:
        """Follow the room until there is a reason to leave; returns what failed, or None."""
        tasks = {
            asyncio.create_task(stop.wait(), name="stop"),
            asyncio.create_task(self._events(room), name="events"),
            asyncio.create_task(self._chat(room), name="chat"),
        }
        if publications:
            tasks.add(asyncio.create_task(_all_ended(publications), name="played"))
        try:
            done, _ = await asyncio.wait(tasks, timeout=duration, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, RoomLeft):
                return str(error)
            if error is not None:
                raise error
        broken = [p for p in publications if p.error is not None]
        return f"{broken[0].source}: {broken[0].error}" if broken else None

    def note(self, publications: Sequence[Publication]) -> None:
        """Remember what was sent, before the room is left."""
        for publication in publications:
            frames, dropped = publication.sent, publication.dropped
            self._sent.append(f"sent {publication.source}: {frames} frames, {dropped} dropped")

    async def finish(self) -> None:
        """Wait for the files to be complete: their tracks have ended with the room."""
        await asyncio.gather(*self._recording.values(), return_exceptions=True)

    def summary(self) -> list[str]:
        lines = list(self._sent)
        for track_id, task in self._recording.items():
            error = None if task.cancelled() else task.exception()
            if error is not None:
                lines.append(f"recording {track_id} failed: {error}")
            elif not task.cancelled():
                recorded = task.result()
                where = f" in {recorded.path}" if recorded.frames else ""
                lines.append(
                    f"recorded {track_id}: {recorded.frames} frames, {recorded.dropped} dropped{where}"
                )
        return lines or ["nothing was sent or recorded"]

    async def _events(self, room: Room) -> None:
        async for event in room.events():
            line = describe(event)
            if line is not None:
                self._say(line)
            if isinstance(event, TrackAdded):
                self._record(room, event.track)
            if isinstance(event, MediaChanged) and event.state == "failed":
                raise RoomLeft(0, event.reason)

    async def _chat(self, room: Room) -> None:
        async for message in room.messages():
            self._say(f"<{message.display_name}> {message.text}")

    def _record(self, room: Room, track: RemoteTrack) -> None:
        if self._recorder is not None:
            work = self._recorder.record(track, room.name_of(track.client_id))
            key = track.id
            while key in self._recording:
                key += "+"
            self._recording[key] = asyncio.create_task(work, name=f"record {track.id}")


async def _all_ended(publications: Sequence[Publication]) -> None:
    for publication in publications:
        await publication.wait_ended()
