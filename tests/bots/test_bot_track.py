from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from av import VideoFrame

from bots.errors import RoomLeft
from bots.messages import TrackInfo
from bots.track import RemoteTrack


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def frame(seconds, size=(16, 16)):
    made = VideoFrame(*size, "yuv420p")
    made.pts, made.time_base = round(seconds * 90_000), Fraction(1, 90_000)
    return made


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def track(clock):
    return RemoteTrack(TrackInfo("a:camera", "a", "video", "camera"), clock)


async def read(track, **options):
    """Start a reader; it is registered once this returns."""

    async def run():
        return [round(item.time, 3) async for item in track.frames(**options)]

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize(
    ("options", "times", "dropped"),
    [
        ({}, [0.3], 3),
        ({"policy": "latest", "size": 2}, [0.2, 0.3], 2),
        ({"policy": "block", "size": 2}, [0.0, 0.1], 2),
        ({"policy": "block"}, [0.0, 0.1, 0.2, 0.3], 0),
    ],
)
async def test_a_reader_that_sleeps_meanwhile(track, options, times, dropped):
    reader = await read(track, **options)
    for i in range(4):
        track.deliver(frame(i / 10), "sfu")
    track.end()
    assert await reader == times
    assert (track.received, track.dropped, track.unread) == (4, dropped, 0)


async def test_readers_do_not_disturb_each_other(track):
    one, all_of_them = await read(track), await read(track, policy="block")
    for i in range(3):
        track.deliver(frame(i), "sfu")
    track.end()
    assert (await one, await all_of_them) == ([2.0], [0.0, 1.0, 2.0])
    assert track.dropped == 2


async def test_frames_without_a_reader_are_counted(track):
    track.deliver(frame(0), "sfu")
    track.deliver(frame(1), "sfu")
    assert (track.received, track.unread, track.dropped) == (2, 2, 0)


async def test_the_first_frame_of_a_path_is_told(track):
    assert [track.deliver(frame(i), "p2p") for i in range(2)] == [True, False]
    assert [track.deliver(frame(i), "sfu") for i in range(2)] == [True, False]


async def test_after_the_media_server_the_direct_path_is_superseded(track):
    track.deliver(frame(0), "sfu")
    assert track.deliver(frame(5), "p2p") is False
    assert (track.path, track.received, track.superseded) == ("sfu", 1, 1)


async def test_time_goes_on_when_the_path_changes(track, clock):
    reader = await read(track, policy="block")
    for at, stamp, path in [(0, 77, "p2p"), (1, 78, "p2p"), (1.5, 3, "sfu"), (1.6, 3.1, "sfu")]:
        clock.now = 100 + at
        track.deliver(frame(stamp), path)
    track.rewind()
    clock.now = 103
    track.deliver(frame(9000), "sfu")
    track.end()
    assert await reader == [0.0, 1.0, 1.5, 1.6, 3.0]
    assert track.first_frame_at == 100


async def test_time_never_goes_back_when_the_new_path_is_faster(track, clock):
    reader = await read(track, policy="block")
    track.deliver(frame(0), "p2p")
    track.deliver(frame(2), "p2p")
    clock.now += 1
    track.deliver(frame(0), "sfu")
    track.end()
    assert await reader == [0.0, 2.0, 2.0]


async def test_how_reading_ends(track):
    lost = await read(track)
    track.end(RoomLeft(1006, "the connection ended"))
    for reader in (lost, await read(track)):
        with pytest.raises(RoomLeft, match="the connection ended"):
            await reader
    assert track.deliver(frame(0), "sfu") is False


async def test_a_reader_states_its_patience(track):
    with pytest.raises(TimeoutError):
        await (await read(track, timeout=0.001))
    with pytest.raises(TimeoutError):
        await track.started(0.001)
    track.deliver(frame(0), "sfu")
    await track.started(0.001)


async def test_the_size_of_the_picture(track):
    assert (track.width, track.height) == (0, 0)
    track.deliver(frame(0, (32, 18)), "sfu")
    assert (track.width, track.height) == (32, 18)
