from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from av.packet import Packet

from bots.errors import MediaFailed
from bots.publication import FEED_SIZE, Outlet, Publication


class Script(MediaStreamTrack):
    """Gives what a test puts there."""

    kind = "video"

    def __init__(self):
        super().__init__()
        self.items = asyncio.Queue()

    async def recv(self):
        item = await self.items.get()
        if item is None:
            raise MediaStreamError
        return item

    async def give(self, item):
        self.items.put_nowait(item)
        for _ in range(3):
            await asyncio.sleep(0)


def frame(seconds):
    made = VideoFrame(16, 16, "yuv420p")
    made.pts, made.time_base = round(seconds * 1000), Fraction(1, 1000)
    return made


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


@pytest.fixture
async def running():
    source = Script()
    publication = Publication(source, "camera", Clock())
    task = asyncio.create_task(publication.run())
    await asyncio.sleep(0)
    yield source, publication
    publication.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def reading(outlet):
    task = asyncio.create_task(outlet.recv())
    await asyncio.sleep(0)
    return task


async def test_one_source_feeds_every_connection_on_the_clock_of_the_room(running):
    source, publication = running
    outlets = [Outlet("video"), Outlet("video")]
    for outlet in outlets:
        outlet.bind(publication)
    readers = [await reading(outlet) for outlet in outlets]
    await source.give(frame(7))
    assert [round((await reader).time, 3) for reader in readers] == [50.0, 50.0]
    await source.give(frame(7.25))
    assert [(await outlet.recv()).time for outlet in outlets] == [50.25, 50.25]
    assert (publication.sent, publication.dropped, publication.unsent) == (2, 0, 0)


async def test_what_nobody_asks_for_is_not_dropped(running):
    source, publication = running
    Outlet("video").bind(publication)
    for i in range(3):
        await source.give(frame(i))
    assert (publication.sent, publication.unsent, publication.dropped) == (0, 3, 0)


async def test_a_slow_connection_gets_what_is_newest(running):
    source, publication = running
    outlet = Outlet("video")
    outlet.bind(publication)
    reader = await reading(outlet)
    for i in range(FEED_SIZE["video"] + 3):
        await source.give(frame(i))
    await reader
    assert [(await outlet.recv()).time for _ in range(2)] == [53.0, 54.0]
    assert publication.dropped == outlet.dropped == 2
    outlet.stop()
    assert publication.dropped == 2


async def test_muting_suppresses_frames(running):
    source, publication = running
    outlet = Outlet("video")
    outlet.bind(publication)
    reader = await reading(outlet)
    publication.muted = True
    await source.give(frame(0))
    publication.muted = False
    await source.give(frame(1))
    await reader
    assert (publication.sent, publication.suppressed) == (1, 1)


async def test_an_outlet_outlives_what_feeds_it(running):
    source, publication = running
    outlet = Outlet("video")
    outlet.bind(publication)
    reader = await reading(outlet)
    await source.give(None)
    assert publication.ended
    assert outlet.publication is None
    assert not reader.done()
    outlet.stop()
    with pytest.raises(MediaStreamError):
        await reader


async def test_encoded_packets_are_no_frames(running):
    source, publication = running
    await source.give(Packet(b"x"))
    assert publication.ended
    assert isinstance(publication.error, MediaFailed)
    assert "camera gives encoded packets: give frames" in str(publication.error)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("webcam", "source 'webcam' is unknown, expected one of microphone"),
        ("microphone", "microphone is audio, but"),
    ],
)
async def test_a_source_that_does_not_fit(source, sentence):
    with pytest.raises(ValueError, match=sentence):
        Publication(Script(), source, Clock())
