"""`chatter bot` against the scripted server."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

import pytest
from bot_stand_in import Colour, Server

import bots
from bots import cli
from bots.events import (
    MediaChanged,
    ModeChanged,
    NameChanged,
    ParticipantJoined,
    ParticipantLeft,
    Refused,
    TrackAdded,
    TrackChanged,
    TrackRemoved,
)
from bots.messages import TrackInfo
from bots.track import RemoteTrack

WAIT = 20


def parse(*arguments):
    parser = argparse.ArgumentParser(prog="chatter bot")
    cli.add_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def track(**fields):
    return RemoteTrack(TrackInfo("a:camera", "a", "video", "camera", **fields), lambda: 0.0)


ANN = bots.Participant("a", "Ann")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ParticipantJoined(ANN), "Ann joined"),
        (ParticipantLeft(ANN), "Ann left"),
        (NameChanged(ANN), "a is now called Ann"),
        (TrackAdded(track()), "a:camera appeared"),
        (TrackChanged(track(muted=True)), "a:camera is muted"),
        (TrackChanged(track()), "a:camera is on"),
        (TrackRemoved(track()), "a:camera ended after 0 frames"),
        (ModeChanged("sfu"), "media goes through the server"),
        (ModeChanged("p2p"), "media goes directly between participants"),
        (MediaChanged("connected", ""), "connected to the media server"),
        (MediaChanged("lost", "it failed"), "media lost: it failed"),
        (bots.QualityChanged("a", bots.Quality(100, "good")), "a has a good connection"),
        (
            bots.QualityChanged("a", bots.Quality(38, "poor", "your downlink loses 6 % of packets")),
            "a has a poor connection: your downlink loses 6 % of packets",
        ),
        (Refused("rate_limited", "Slow down."), "refused: Slow down. (rate_limited)"),
    ],
)
def test_what_happens_in_one_line(event, line):
    assert cli.describe(event) == line


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "URL"),
        (("u", "--duration", "0"), "'0' is no duration: expected seconds above 0"),
        (("u", "--duration", "inf"), "'inf' is no duration"),
        (("u", "--duration", "soon"), "'soon' is no duration"),
        (("u", "--size", "320x180"), "'320x180' is no size: expected WxH@FPS, such as 320x180@15"),
        (("u", "--size", "321x180@15"), "'321x180@15': the size must be even and 160x40 or more"),
        (("u", "--size", "320x180@0"), "'320x180@0': rate must be above 0 frames per second"),
        (("u", "--pattern", "--play", "x"), "not allowed with"),
    ],
)
def test_options_that_cannot_be(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as exited:
        parse(*arguments)
    assert exited.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("http://127.0.0.1:9/r/abc",), "cannot be reached"),
        (("nowhere",), "'nowhere' is no room address"),
        (("http://127.0.0.1:9/r/abc", "--loop"), "--loop needs --play FILE"),
        (("http://127.0.0.1:9/r/abc", "--play", "/gone.mp4"), "/gone.mp4 cannot be opened"),
    ],
)
def test_what_fails_says_why(arguments, sentence, capsys):
    assert cli.run(parse(*arguments)) == cli.FAILED
    shown = capsys.readouterr()
    assert shown.err.startswith("chatter bot: ")
    assert sentence in shown.err


@pytest.mark.system
async def test_a_bot_that_records_until_it_is_interrupted(tmp_path, capsys):
    async with Server() as server:
        await server.add_track("x1:camera", Colour(200))
        running = asyncio.create_task(
            cli._run(parse(server.url, "--record", tmp_path, "--chat", "hi", "--name", "R"))
        )
        async with asyncio.timeout(WAIT):
            while not list(tmp_path.glob("*.mkv")):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)
        assert await asyncio.wait_for(running, WAIT) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "joined abc as R (c1), 1 in the room"
    assert "<R> hi" in lines
    assert "x1:camera appeared" in lines
    assert lines[-1].startswith("recorded x1:camera: ")
    assert lines[-1].endswith("x1-camera-x1.mkv")


@pytest.mark.system
async def test_a_bot_that_sends_for_a_while_quietly(capsys):
    async with Server() as server:
        arguments = parse(server.url, "--duration", "1.5", "--quiet")
        assert await asyncio.wait_for(cli._run(arguments), WAIT) == 0
        offer = next(m for m in server.medias[0].offers)
        assert sorted(p["source"] for p in offer["publish"].values()) == ["camera", "microphone"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["sent camera", "sent microphone"]


async def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    async with Server() as server:
        with pytest.raises(bots.MediaFailed, match="cannot be made"):
            await cli._run(parse(server.url, "--record", tmp_path / "file" / "takes"))


async def test_a_lost_room_is_a_failure(tmp_path, capsys):
    async with Server() as server:
        running = asyncio.create_task(cli._run(parse(server.url, "--record", tmp_path, "--chat", "hi")))

        def close(server, client, message):
            return client.socket.close(code=4410) if message["type"] == "chat" else None

        server.script = close
        with pytest.raises(bots.RoomLeft, match="close code 4410"):
            await asyncio.wait_for(running, WAIT)
