"""Files played and recorded."""

from __future__ import annotations

import asyncio
import itertools
import time
from fractions import Fraction

import av
import pytest
from aiortc.mediastreams import MediaStreamError

from bots import media
from bots.errors import MediaFailed, RoomLeft
from bots.messages import TrackInfo
from bots.pattern import Picture, read_time
from bots.recording import Recorder, TrackFile, file_name
from bots.track import RemoteTrack

WAIT = 10
FRAMES, RATE = 6, 50


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A file of 120 ms: six pictures that say their index, and a tone."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx", rate=RATE)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        audio = container.add_stream("libopus", rate=48_000, layout="mono")
        for i in range(FRAMES):
            frame = Picture(320, 180).draw(i)
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(video.encode(frame))
            sound = av.AudioFrame(format="s16", layout="mono", samples=960)
            sound.planes[0].update(b"\x10\x20" * 960)
            sound.sample_rate, sound.pts, sound.time_base = 48_000, i * 960, Fraction(1, 48_000)
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


async def play(track, count=1000):
    frames = []
    async with asyncio.timeout(WAIT):
        while len(frames) < count:
            try:
                frames.append(await track.recv())
            except MediaStreamError:
                break
    return frames


@pytest.mark.system  # It takes its time.
async def test_a_file_is_played_once_at_its_pace(clip):
    found = media.file(clip)
    assert list(found.tracks) == ["camera", "microphone"]
    began = time.monotonic()
    pictures, sounds = await asyncio.gather(play(found.video), play(found.audio))
    took = time.monotonic() - began
    assert [read_time(p) for p in pictures] == list(range(FRAMES))
    assert [round(p.time * RATE) for p in pictures] == list(range(FRAMES))
    assert {(s.samples, s.sample_rate, s.layout.name) for s in sounds} == {(960, 48_000, "stereo")}
    assert took > (FRAMES - 1) / RATE
    assert found.video.readyState == found.audio.readyState == "ended"


@pytest.mark.system  # It takes its time.
async def test_a_file_is_played_again_and_again(clip):
    found = media.file(clip, loop=True)
    pictures, sounds = await asyncio.gather(play(found.video, 2 * FRAMES + 1), play(found.audio, 20))
    assert [read_time(p) for p in pictures] == [*range(FRAMES), *range(FRAMES), 0]
    for frames in (pictures, sounds):
        times = [frame.time for frame in frames]
        assert times == sorted(set(times))
    found.video.stop()
    found.audio.stop()
    with pytest.raises(MediaStreamError):
        await found.video.recv()


def test_what_cannot_be_played(tmp_path):
    with pytest.raises(MediaFailed, match=r"gone\.mp4 cannot be opened: No such file"):
        media.file(tmp_path / "gone.mp4")
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(MediaFailed, match=r"text\.mp4 cannot be opened: Invalid data"):
        media.file(tmp_path / "text.mp4")


@pytest.mark.system  # It takes its time.
async def test_the_test_picture_says_when_it_was_made():
    track = media.pattern(320, 180, rate=100)
    frames = await play(track, 4)
    track.stop()
    times = [read_time(frame) for frame in frames]
    assert times == sorted(times)
    assert 25 <= times[-1] - times[0] < 5_000
    assert frames[0].time == 0
    assert frames[3].time >= 0.03 - 1e-9


@pytest.mark.system  # It takes its time.
async def test_the_tone_is_a_sine_without_a_click():
    track = media.tone(440)
    frames = await play(track, 3)
    track.stop()
    samples = [s for f in frames for s in memoryview(bytes(f.planes[0])[: 960 * 2]).cast("h")]
    rising = [i for i in range(1, len(samples)) if samples[i - 1] < 0 <= samples[i]]
    assert abs(48_000 / (rising[-1] - rising[0]) * (len(rising) - 1) - 440) < 5
    assert max(abs(b - a) for a, b in itertools.pairwise(samples)) < 400
    assert [f.pts for f in frames] == [0, 960, 1920]


@pytest.mark.parametrize(
    ("arguments", "sentence"), [((320, 180, 0), "rate must be above 0"), ((10, 10), "the size must")]
)
def test_test_pictures_that_cannot_be(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        media.pattern(*arguments)


def picture(index, size):
    frame = Picture(*size).draw(index)
    frame.pts, frame.time_base = index * 3000, Fraction(1, 90_000)
    return frame


def test_a_picture_that_changes_its_size_stays_one_stream(tmp_path):
    sizes = [(320, 180)] * 3 + [(640, 360)] * 3 + [(320, 180)] * 2
    target = TrackFile(tmp_path / "sizes.mkv", "video")
    for i, size in enumerate(sizes):
        target.write(picture(i, size), i / 30)
    target.close()
    with av.open(str(tmp_path / "sizes.mkv")) as container:
        frames = list(container.decode(video=0))
    assert [(f.width, f.height) for f in frames] == sizes
    assert [read_time(f) for f in frames] == list(range(len(sizes)))
    assert [round(f.time * 30) for f in frames] == list(range(len(sizes)))


def test_silence_between_sounds_keeps_its_length(tmp_path):
    target = TrackFile(tmp_path / "sound.mkv", "audio")
    for at in (0, 0.02, 0.04, 2.0, 2.02):
        sound = av.AudioFrame(format="s16", layout="stereo", samples=960)
        sound.planes[0].update(bytes(sound.planes[0].buffer_size))
        sound.sample_rate = 48_000
        target.write(sound, at)
    target.close()
    with av.open(str(tmp_path / "sound.mkv")) as container:
        times = [frame.time for frame in container.decode(audio=0)]
    assert max(b - a for a, b in itertools.pairwise(times)) == pytest.approx(1.95, abs=0.05)


@pytest.mark.parametrize(
    ("name", "file"),
    [("Ann", "Ann-camera-a1.mkv"), ("../é /x", "x-camera-a1.mkv"), ("", "guest-camera-a1.mkv")],
)
def test_file_names_are_safe(name, file):
    assert file_name(name, RemoteTrack(TrackInfo("a1:camera", "a1", "video", "camera"), lambda: 0.0)) == file


@pytest.mark.parametrize("error", [None, RoomLeft(1006, "lost")])
async def test_a_track_is_recorded_to_its_end(tmp_path, error):
    track = RemoteTrack(TrackInfo("a1:camera", "a1", "video", "camera"), time.monotonic)
    recorder = Recorder(tmp_path / "takes")
    recording = asyncio.create_task(recorder.record(track, "Ann"))
    await asyncio.sleep(0)
    for i in range(5):
        track.deliver(picture(i, (320, 180)), "sfu")
    track.end(error)
    recorded = await asyncio.wait_for(recording, WAIT)
    assert (recorded.path.name, recorded.frames, recorded.dropped) == ("Ann-camera-a1.mkv", 5, 0)
    with av.open(str(recorded.path)) as container:
        assert [read_time(f) for f in container.decode(video=0)] == list(range(5))


async def test_a_track_without_frames_makes_no_file(tmp_path):
    track = RemoteTrack(TrackInfo("a1:camera", "a1", "video", "camera"), time.monotonic)
    track.end()
    recorded = await Recorder(tmp_path).record(track, "Ann")
    assert recorded.frames == 0
    assert list(tmp_path.iterdir()) == []


async def test_recording_never_overwrites(tmp_path):
    (tmp_path / "Ann-camera-a1.mkv").write_text("an earlier take")
    track = RemoteTrack(TrackInfo("a1:camera", "a1", "video", "camera"), time.monotonic)
    track.end()
    assert (await Recorder(tmp_path).record(track, "Ann")).path.name == "Ann-camera-a1-2.mkv"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaFailed, match="cannot be made"):
        Recorder(tmp_path / "file" / "takes")
