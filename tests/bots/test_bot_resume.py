"""A bot whose connection to the server breaks, against the rooms of the real one; no media."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import auth.http
import bots
from api.errors import error_middleware
from auth.tokens import AccessTokens, Identity
from bots import socket
from bots.events import ParticipantJoined, ParticipantLeft, TrackAdded, TrackRemoved
from signaling.http import setup
from signaling.messages import DeclareTracks
from signaling.settings import RoomSettings

WAIT = 5
TOKENS = AccessTokens("s" * 32, 600)
TOKEN = TOKENS.issue(Identity(1, "ada"))


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(socket, "RESUME_DELAYS", (0.01,))


class Site:
    def __init__(self, http, rooms):
        self.http = http
        self.rooms = rooms
        self.url = str(http.make_url("/r/abc"))

    @property
    def participants(self):
        return self.rooms.get("abc").participants

    def join(self, name):
        return bots.Room.join(self.url, token=TOKEN, display_name=name)

    def cut(self):
        """Reset every connection, as a network that goes away does."""
        for protocol in list(self.http.runner.server.connections):
            protocol.transport.abort()


@contextlib.asynccontextmanager
async def running(**settings):
    app = web.Application(middlewares=[error_middleware])
    app[auth.http.TOKENS] = TOKENS
    rooms = setup(app, RoomSettings(sweep_interval=0.01, **settings), None)
    async with TestServer(app) as http:
        yield Site(http, rooms)


async def test_a_connection_that_breaks_is_resumed():
    async with running() as site, site.join("Ann") as ann, site.join("Ben") as ben:
        said = [(await ann.chat(text)).text for text in ("one", "two")]
        before = (ann.client_id, ann.participants)
        for number in range(3):
            site.cut()
            said.append((await ben.chat(f"after break {number}")).text)
        messages = ann.messages(timeout=WAIT)
        assert [(await anext(messages)).text for _ in said] == said
        assert (ann.client_id, ann.participants) == before
        assert (ann.resumed, ben.resumed) == (3, 3)
        assert (await ann.chat("and so on")).sender == ann.client_id
        events = ann.events(timeout=0.05)
        assert await anext(events) == ParticipantJoined(bots.Participant(ben.client_id, "Ben"))
        with pytest.raises(TimeoutError):
            await anext(events)
        assert site.rooms.counters.leaves == 0


async def test_a_request_that_was_on_its_way_is_answered():
    async with running() as site, site.join("Ann") as ann:
        asking = [asyncio.create_task(ann.chat(f"{number}")) for number in range(20)]
        await asyncio.sleep(0)
        site.cut()
        answers = await asyncio.wait_for(asyncio.gather(*asking), WAIT)
        assert [answer.text for answer in answers] == [f"{number}" for number in range(20)]
        # Each was said once.
        assert site.rooms.counters.received["chat"] == 20


async def test_what_was_missed_is_gone():
    async with running(send_queue_messages=4) as site, site.join("Ann") as ann, site.join("Ben") as ben:
        room, (_, second) = site.rooms.get("abc"), site.participants
        room.receive(second, DeclareTracks({"camera": False}), 0.0)
        track = await ann.track(f"{ben.client_id}:camera", WAIT)
        # Nothing is sent while the loop does not run, so none of this arrives.
        site.cut()
        for participant in site.participants:
            participant.outbox.detach()
        for muted in (True, False, True, False):
            room.receive(second, DeclareTracks({"camera": muted, "microphone": muted}), 0.0)
        room.receive(second, DeclareTracks({"microphone": True}), 0.0)
        added = await ann.track(f"{ben.client_id}:microphone", WAIT)
        assert (track.ended, added.muted, ann.resumed) == (True, True, 1)
        assert [t.id for t in ann.tracks] == [added.id]
        events = ann.events(timeout=WAIT)
        kinds = [type(await anext(events)) for _ in range(4)]
        assert kinds == [ParticipantJoined, TrackAdded, TrackRemoved, TrackAdded]


async def test_somebody_left_meanwhile():
    async with running(send_queue_messages=2) as site, site.join("Ann") as ann, site.join("Ben") as ben:
        events = ann.events(timeout=WAIT)
        joined = await anext(events)
        room, (first, second) = site.rooms.get("abc"), site.participants
        site.cut()
        first.outbox.detach()
        for muted in (True, False, True):
            room.receive(second, DeclareTracks({"camera": muted}), 0.0)
        site.rooms.leave(room, second, 0.0)
        assert await anext(events) == ParticipantLeft(joined.participant)
        with pytest.raises(bots.RoomLeft, match=r"too late, or its participant has left.*4412") as left:
            async for _ in ben.events(timeout=WAIT):
                pass
        assert left.value.code == 4412


async def test_too_late_is_the_end():
    async with running(resume_seconds=0.1) as site, site.join("Ann") as ann:
        site.rooms.leave(site.rooms.get("abc"), site.participants[0], 0.0)
        site.cut()
        with pytest.raises(bots.RoomLeft) as left:
            async for _ in ann.messages(timeout=WAIT):
                pass
        assert left.value.code == 4412
        with pytest.raises(bots.RoomLeft):
            await ann.chat("too late")


async def test_a_server_that_stays_away_is_the_end():
    async with running(resume_seconds=0.1) as site, site.join("Ann") as ann:
        (listening,) = site.http.runner.sites
        await listening.stop()
        site.cut()
        with pytest.raises(bots.RoomLeft, match="the connection to the server ended") as left:
            async for _ in ann.messages(timeout=WAIT):
                pass
        assert left.value.code == 1006


async def test_leaving_while_it_is_broken(monkeypatch):
    monkeypatch.setattr(socket, "RESUME_DELAYS", (60.0,))
    async with running() as site:
        async with asyncio.timeout(WAIT), site.join("Ann"):
            site.cut()
            await asyncio.sleep(0.01)
        assert [t for t in asyncio.all_tasks() if t.get_name().startswith("bot-")] == []
