"""Two people exchange media directly; with the third the room changes to the media server."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser

from tests.system.browser import Person
from tests.system.conditions import until_equal
from tests.system.conftest import Arrive, Figure, MakeRoom
from tests.system.senses import decodes_everybody
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

LONGEST_GAP = 1.0
"""Seconds that a picture may stand still while the room changes."""
PAUSE = 0.1
"""Seconds that count where a page is not drawn: another browser starts meanwhile on the same processors."""


async def connections(server: Server) -> float:
    """Of the media server."""
    return (await server.metrics())["chatter_media_held:connections"]


async def direct_connections(person: Person) -> int:
    """That a person's page has open, beside the one to the media server."""
    states = await person.page.evaluate("() => window.peers.map((peer) => peer.connectionState)")
    return int(states.count("connected")) - 1


@pytest.mark.parametrize("mode", ["p2p", "auto"])
async def test_two_exchange_media_directly(
    mode: str, server: Server, make_room: MakeRoom, arrive: Arrive, chromium: Browser, firefox: Browser
) -> None:
    room_url = await make_room(mode)
    ann, fay = await arrive(chromium, "Ann"), await arrive(firefox, "Fay")
    ids = [await person.join(room_url) for person in (ann, fay)]
    await asyncio.gather(decodes_everybody(ann, {ids[1]}), decodes_everybody(fay, {ids[0]}))
    assert await ann.paths() == await fay.paths() == {"p2p"}
    assert await connections(server) == 0


async def test_the_third_moves_the_room_to_the_media_server_and_nobody_loses_the_picture(
    server: Server,
    make_room: MakeRoom,
    arrive: Arrive,
    chromium: Browser,
    firefox: Browser,
    figure: Figure,
) -> None:
    room_url = await make_room("auto")
    ann, ben, fay = (
        await arrive(chromium, "Ann"),
        await arrive(chromium, "Ben"),
        await arrive(firefox, "Fay"),
    )
    ids = [await person.join(room_url) for person in (ann, ben)]
    await asyncio.gather(decodes_everybody(ann, {ids[1]}), decodes_everybody(ben, {ids[0]}))
    assert await ann.paths() == await ben.paths() == {"p2p"}
    began = [await ann.now(), await ben.now()]

    ids.append(await fay.join(room_url))
    for person in (ann, ben, fay):
        await until_equal(person.paths, {"sfu"}, f"{person.name} gets all by way of the server")
    await asyncio.gather(
        *(decodes_everybody(person, {*ids} - {own}) for person, own in zip((ann, ben, fay), ids, strict=True))
    )
    assert await connections(server) == 3
    for person in (ann, ben):
        await until_equal(
            lambda person=person: direct_connections(person), 0, f"{person.name} closed the direct connection"
        )
    watched = ((ann, ids[1], began[0]), (ben, ids[0], began[1]))
    wholes = [await person.longest_gap(other, since) for person, other, since in watched]
    gaps = [await person.longest_gap(other, since, PAUSE) for person, other, since in watched]
    figure(
        f"longest gap between two pictures while a room goes from p2p to SFU: {max(gaps) * 1000:.0f} ms"
        f" ({max(wholes) * 1000:.0f} ms with the time in which nothing was drawn)"
    )
    assert max(gaps) < LONGEST_GAP
    await ann.photograph("after-the-switch")
