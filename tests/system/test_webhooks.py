"""Webhooks of a real server: a whole call is told, and nothing is lost when it is killed."""

from __future__ import annotations

import secrets
from collections import Counter

import pytest
from aiohttp import web

import bots
from bots import media
from bots.account import Account
from tests.system.conditions import until, until_equal
from tests.system.conftest import StartServer
from tests.webhooks.webhook_receiver import SECRET, Receiver

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]


async def test_what_was_written_is_delivered_after_the_server_was_killed(start_server: StartServer) -> None:
    async with Receiver(lambda _number: web.Response(status=503)) as receiver:
        server = await start_server(
            WEBHOOKS_ENDPOINTS=receiver.url, WEBHOOKS_SECRETS=SECRET, WEBHOOKS_TIMEOUT="1s"
        )

        async def waiting() -> float:
            figures = await server.metrics()
            return sum(v for name, v in figures.items() if name.startswith("chatter_webhooks_pending:"))

        account = await Account.register(server.url, f"host-{secrets.token_hex(4)}", "correct horse")
        room_url = await account.create_room("sfu")
        publish = {"microphone": media.tone()}
        async with (
            bots.Room.join(room_url, display_name="Ann", publish=publish),
            bots.Room.join(room_url, display_name="Gus", receive=("audio",)) as gus,
        ):
            await gus.wait_for_track(kind="audio")
        # Of both: started, joined twice, published, unpublished, left twice, ended.
        await until_equal(waiting, 8, "the call is in the database")

        async def tried() -> int:
            return len(receiver.attempts)

        await until(tried, "the first message has been refused")
        await server.kill()
        before = {message_id for message_id, _ in receiver.attempts}
        assert receiver.taken == []
        assert len(before) == 1, "each message waits for the one before it"

        receiver.answer = lambda _number: web.Response(status=204)
        await server.start()
        taken = await receiver.until_taken(8, limit=90.0)
        await until_equal(waiting, 0, "nothing waits any more")

    assert len({message_id for message_id, _ in taken}) == len(taken) == 8
    # The one that had been tried comes first, under the id that it had.
    assert {taken[0][0]} == before
    assert taken[0][1]["type"] == "room.started"
    assert taken[-1][1]["type"] == "room.ended"
    assert Counter(body["type"] for _, body in taken) == {
        "room.started": 1,
        "participant.joined": 2,
        "track.published": 1,
        "track.unpublished": 1,
        "participant.left": 2,
        "room.ended": 1,
    }
    assert {body["room"]["id"] for _, body in taken} == {room_url.rpartition("/")[2]}
    assert len({body["room"]["sessionId"] for _, body in taken}) == 1
    assert sorted(body["time"] for _, body in taken) == [body["time"] for _, body in taken]
    assert [b["track"]["source"] for _, b in taken if "track" in b] == ["microphone", "microphone"]
    figures = await server.metrics()
    assert not any(v for name, v in figures.items() if name.startswith("chatter_webhooks_dropped_total"))
