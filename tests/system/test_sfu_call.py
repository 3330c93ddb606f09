"""People in several browsers and a bot in one room, by way of the media server."""

from __future__ import annotations

import asyncio
import re
import secrets

import psutil
import pytest
from playwright.async_api import Browser, expect

import bots
from bots.account import Account
from tests.system.browser import Person
from tests.system.conditions import until, until_equal
from tests.system.conftest import Arrive, MakeRoom, StartServer
from tests.system.senses import bot_receives_everybody, decodes_everybody, robot
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]


async def test_three_browsers_and_a_bot_see_hear_and_read_each_other(
    server: Server, make_room: MakeRoom, arrive: Arrive, chromium: Browser, firefox: Browser
) -> None:
    room_url = await make_room("sfu")
    ann, ben = await arrive(chromium, "Ann"), await arrive(chromium, "Ben")
    fay = await arrive(firefox, "Fay")
    people = [ann, ben, fay]
    names = ["Ann", "Ben", "Fay", "Robot"]
    async with robot(room_url) as room:
        ids = {room.client_id, *await asyncio.gather(*(person.join(room_url) for person in people))}
        await asyncio.gather(
            *[decodes_everybody(person, ids - {await person.client_id()}) for person in people],
            bot_receives_everybody(room, ids - {room.client_id}),
        )
        for person in people:
            assert await person.paths() == {"sfu"}

        for person in people:
            await person.see_names(names)
        assert sorted(participant.display_name for participant in room.participants) == names
        await room.chat("beep")
        for person in people:
            await person.say(f"{person.name} was here")
        for text in ("beep", "Ann was here", "Ben was here", "Fay was here"):
            for person in people:
                await person.read(text)
        messages = room.messages(timeout=5)
        said = {(message.display_name, message.text) for message in [await anext(messages) for _ in names]}
        assert said == {("Robot", "beep"), *((p.name, f"{p.name} was here") for p in people)}
        await ann.photograph("sfu-call-of-four-with-chat")
        await ben.page.keyboard.press("Escape")
        await ben.photograph("sfu-call-of-four")
        await _sees_figures(ben, (ids - {await ben.client_id()}))

        gone = await ben.client_id()
        await ben.leave()
        await ann.see_names(["Ann", "Fay", "Robot"])
        await fay.see_names(["Ann", "Fay", "Robot"])
        await until_equal(
            lambda: _client_ids(room), ids - {gone}, "the bot sees one participant less", limit=5
        )
        assert not [track for track in room.tracks if track.client_id == gone]
        await until(lambda: _has_left(server, 3), "the server counts three", limit=5)
        await decodes_everybody(ann, ids - {gone, await ann.client_id()})


@pytest.mark.parametrize("plane", ["reference", "fast"])
async def test_each_plane_carries_a_call(
    plane: str, start_server: StartServer, arrive: Arrive, chromium: Browser, firefox: Browser
) -> None:
    server = await start_server(MEDIA_PLANE=plane, MEDIA_THREADS="2")
    account = await Account.register(server.url, f"host-{secrets.token_hex(4)}", "correct horse")
    room_url = await account.create_room("sfu")
    ann, fay = await arrive(chromium, "Ann"), await arrive(firefox, "Fay")
    async with robot(room_url) as room:
        ids = [room.client_id, *[await person.join(room_url) for person in (ann, fay)]]
        await asyncio.gather(
            decodes_everybody(ann, {*ids} - {ids[1]}),
            decodes_everybody(fay, {*ids} - {ids[2]}),
            bot_receives_everybody(room, {*ids} - {ids[0]}),
        )
        # The Python plane reads its one socket itself; each thread of the other has one.
        every = psutil.Process(server.pid).net_connections(kind="udp")
        sockets = [each for each in every if each.laddr.port == server.media_port]
        assert len(sockets) == {"reference": 1, "fast": 2}[plane]


async def _sees_figures(person: Person, others: set[str]) -> None:
    """The key shows what is received of everybody, and why it is as it is."""
    await person.page.keyboard.press("i")
    panel = person.page.get_by_test_id("stats-panel")
    for other in others:
        camera = panel.locator(f'[data-track-id="{other}:camera"]')
        await expect(camera).to_contain_text(re.compile(r"Picture.*\d+ × \d+.*Bitrate\d+.*Lost to you", re.S))
        await expect(camera.locator(".stats-why")).not_to_be_empty()
    await expect(panel.get_by_test_id("stats-own")).to_contain_text(re.compile(r"(good|fair|poor|bad) · \d+"))
    await person.photograph("sfu-call-figures")
    await person.page.keyboard.press("i")
    await expect(panel).to_be_hidden()


async def _client_ids(room: bots.Room) -> set[str]:
    return {participant.id for participant in room.participants}


async def _has_left(server: Server, left: int) -> bool:
    metrics = await server.metrics()
    return metrics["chatter_participants"] == left == metrics["chatter_media_held:connections"]
