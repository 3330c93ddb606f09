"""Real media on loopback, through the stand-in for the media server or from bot to bot."""

from __future__ import annotations

import asyncio
import threading

import pytest
from bot_stand_in import Colour, Server, luma

import bots
from bots import paths
from bots.events import MediaChanged, ModeChanged, TrackAdded, TrackRemoved

pytestmark = pytest.mark.system
WAIT = 15


async def first_frames(track, count=3, **options):
    frames = []
    async with asyncio.timeout(WAIT):
        async for frame in track.frames(**options):
            frames.append(frame)
            if len(frames) == count:
                break
    return frames


async def until(condition, what):
    """Wait for a condition of another connection, which sends no signal of its own."""
    try:
        async with asyncio.timeout(WAIT):
            while not condition():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"{what} did not happen within {WAIT} s")


async def event_of(room, kind):
    async with asyncio.timeout(WAIT):
        async for event in room.events():
            if isinstance(event, kind):
                return event
    return None


async def test_a_newcomer_subscribes_in_its_first_offer():
    async with Server() as server:
        await server.add_track("x1:camera", Colour(200))
        async with bots.Room.join(server.url) as room:
            track = await room.track("x1:camera")
            frames = await first_frames(track)
            assert abs(luma(frames[0]) - 200) <= 3
            assert [o["subscribe"] for o in server.client.media.offers] == [{"0": "x1:camera"}]
            assert track.path == "sfu"
            assert track.received >= 3
            done = room.milestones
            assert done.connected > done.answered > done.welcome > 0


async def test_publishing_and_subscribing_share_the_first_offer():
    async with Server() as server:
        await server.add_track("x1:camera", Colour(200))
        async with bots.Room.join(server.url, publish={"camera": Colour(90)}) as room:
            await first_frames(await room.track("x1:camera"), 1)
            media = server.client.media
            assert len(media.offers) == 1
            assert media.offers[0]["publish"] == {"0": {"source": "camera"}}
            assert media.offers[0]["subscribe"] == {"1": "x1:camera"}
            sent = await asyncio.wait_for(media.received[0].recv(), WAIT)
            assert abs(luma(sent) - 90) <= 3
            told = [m for m in server.client.received if m["type"] == "tracks"]
            assert told[0]["tracks"] == [{"source": "camera", "muted": False}]


async def test_a_line_is_reused_for_the_next_track_without_a_frame_of_the_last():
    async with Server() as server:
        await server.add_track("x1:camera", Colour(220))
        async with bots.Room.join(server.url) as room:
            first = await room.track("x1:camera")
            await first_frames(first)
            await server.remove_track("x1:camera")
            await event_of(room, TrackRemoved)
            assert first.ended
            await server.add_track("x2:camera", Colour(40))
            second = await room.track("x2:camera")
            frames = await first_frames(second, 3, policy="block")
            assert [luma(frame) for frame in frames] == [40] * 3
            assert [o["subscribe"] for o in server.client.media.offers][-1] == {"0": "x2:camera"}
            assert frames[0].time < frames[1].time < frames[2].time
            assert frames[0].time < 1


async def test_a_track_that_the_server_cannot_give_is_asked_for_again_when_it_changes():
    async with Server() as server:
        await server.add_track("x1:camera", Colour(200))
        source = server.tracks.pop("x1:camera")
        async with bots.Room.join(server.url) as room:
            track = await room.track("x1:camera")
            await room.settled()
            assert track.received == 0
            server.tracks["x1:camera"] = source
            await server.broadcast(type="tracks", action="updated", tracks=server.announced)
            await first_frames(track, 1)
            # The line that was refused is used, no second one.
            assert server.client.media.offers[-1]["subscribe"] == {"0": "x1:camera"}


async def test_publish_unpublish_publish_uses_one_line():
    async with Server() as server, bots.Room.join(server.url) as room:
        publication = await room.publish(Colour(120))
        with pytest.raises(ValueError, match="camera is published already"):
            await room.publish(Colour(120))
        media = server.client.media
        await asyncio.wait_for(media.received[0].recv(), WAIT)
        await room.unpublish(publication)
        assert media.offers[-1]["publish"] == {}
        assert "a=inactive" in media.offers[-1]["sdp"]
        await room.publish(Colour(30))
        assert media.offers[-1]["publish"] == {"0": {"source": "camera"}}
        async with asyncio.timeout(WAIT):
            while abs(luma(await media.received[0].recv()) - 30) > 5:
                pass


async def test_a_muted_publication_sends_nothing_and_says_so():
    async with Server() as server, bots.Room.join(server.url) as room:
        publication = await room.publish(Colour(120))
        await asyncio.wait_for(server.client.media.received[0].recv(), WAIT)
        await room.mute(publication)
        await until(lambda: publication.suppressed > 5, "muting")
        await until(
            lambda: server.client.received[-1].get("tracks") == [{"source": "camera", "muted": True}],
            "the word of it",
        )


async def test_an_ended_source_is_unpublished():
    async with Server() as server, bots.Room.join(server.url) as room:
        source = Colour(120)
        publication = await room.publish(source)
        source.stop()
        await publication.wait_ended(WAIT)
        await until(lambda: len(server.client.media.offers) == 2, "the second offer")
        assert server.client.media.offers[-1]["publish"] == {}
        assert room.publications == ()


async def test_leaving_leaves_no_task_thread_or_socket():
    async with Server() as server:
        await server.add_track("x1:camera", Colour(200))
        tasks, threads = asyncio.all_tasks(), {t.name for t in threading.enumerate()}
        async with bots.Room.join(server.url, publish={"camera": Colour(90)}) as room:
            track = await room.track("x1:camera")
            await first_frames(track)
        await until(lambda: not server.clients, "leaving")
        await server.medias[0].peer.close()
        left = {t for t in asyncio.all_tasks() - tasks if "bot" in t.get_name() or "aio" in str(t.get_coro())}
        assert left == set()
        await until(
            lambda: not [t for t in threading.enumerate() if "decoder" in t.name], "the end of decoders"
        )
        assert track.ended
        assert threads >= {t.name for t in threading.enumerate() if "asyncio_" not in t.name}
        with pytest.raises(bots.RoomLeft, match="the bot has left the room"):
            await room.track("x1:camera")


async def test_a_lost_media_connection_is_made_again(monkeypatch):
    monkeypatch.setattr(paths, "RETRY_DELAYS", (0.01, 0.01))
    async with Server() as server:
        await server.add_track("x1:camera", Colour(200))
        async with bots.Room.join(server.url) as room:
            track = await room.track("x1:camera")
            await first_frames(track)
            await event_of(room, MediaChanged)
            server.client.media = None
            server.tracks["x1:camera"] = Colour(100)
            await server.client.send(type="media", state="closed", reason="consent expired")
            assert await event_of(room, MediaChanged) == MediaChanged("lost", "consent expired")
            assert (await event_of(room, MediaChanged)).state == "connected"
            received = track.received
            await until(lambda: track.received > received + 3, "new frames")
            assert not track.ended


async def test_an_unusable_answer_is_given_up_after_some_tries(monkeypatch):
    monkeypatch.setattr(paths, "RETRY_DELAYS", (0.01, 0.01))

    def garbage(server, client, message):
        if message["type"] == "webrtc":
            return client.send(type="webrtc", action="answer", id=message["id"], sdp="v=0\r\nm=nonsense\r\n")
        return None

    async with Server() as server, bots.Room.join(server.url) as room:
        server.script = garbage
        with pytest.raises(bots.MediaFailed, match="answer of the media server cannot be used"):
            await room.publish(Colour(1))
        assert sum(m["type"] == "webrtc" for m in server.client.received) == 3


async def test_a_refused_offer_reaches_the_publisher():
    def refuse(server, client, message):
        if message["type"] == "webrtc":
            return client.send(
                type="error", id=message["id"], code="sdp_too_many_media", message="At most 256 m-lines"
            )
        return None

    async with Server() as server, bots.Room.join(server.url) as room:
        server.script = refuse
        with pytest.raises(bots.RequestRefused, match=r"At most 256 m-lines \(sdp_too_many_media\)"):
            await room.publish(Colour(1))
        server.script = lambda *_: None
        await room.ping()


async def test_two_bots_see_each_other_directly():
    async with Server() as server:
        server.mode = "p2p"
        async with (
            bots.Room.join(server.url, display_name="A", publish={"camera": Colour(200)}) as a,
            bots.Room.join(server.url, display_name="B", publish={"camera": Colour(50)}) as b,
        ):
            seen_by_b = await b.wait_for_track(kind="video")
            seen_by_a = await a.wait_for_track(kind="video")
            assert abs(luma((await first_frames(seen_by_b))[-1]) - 200) <= 3
            assert abs(luma((await first_frames(seen_by_a))[-1]) - 50) <= 3
            assert seen_by_a.path == seen_by_b.path == "p2p"
            assert seen_by_a.id == f"{b.client_id}:camera"
            offers = [m for c in server.clients.values() for m in c.received if m.get("action") == "offer"]
            assert [m["to"] for m in offers] == [b.client_id]


async def test_later_sources_in_p2p_and_both_at_once():
    async with Server() as server:
        server.mode = "p2p"
        async with bots.Room.join(server.url) as a, bots.Room.join(server.url) as b:
            # Cameras have their line already; screens need an offer, and both sides make it at the same time.
            await asyncio.gather(
                a.publish(Colour(200)),
                a.publish(Colour(150), "screen"),
                b.publish(Colour(50)),
                b.publish(Colour(100), "screen"),
            )
            expected = {"camera": (50, 200), "screen": (100, 150)}
            for source, (at_a, at_b) in expected.items():
                for room, level in ((a, at_a), (b, at_b)):
                    frames = await first_frames(await room.wait_for_track(source=source), 2)
                    assert abs(luma(frames[-1]) - level) <= 5, (source, room.client_id)


async def test_a_peer_that_announces_nothing_is_seen_by_its_first_frame():
    async with Server() as server:
        server.mode = "p2p"
        server.script = lambda server, client, message: message["type"] == "tracks"
        async with (
            bots.Room.join(server.url, publish={"camera": Colour(200)}),
            bots.Room.join(server.url) as b,
        ):
            track = (await event_of(b, TrackAdded)).track
            assert (track.source, track.path, track.info.sfu) == ("camera", "p2p", False)
            await first_frames(track, 1)


async def test_the_change_to_the_media_server_keeps_the_track(monkeypatch):
    monkeypatch.setattr(paths, "GRACE", 0.1)
    async with Server() as server:
        server.mode = "p2p"
        async with (
            bots.Room.join(server.url, publish={"camera": Colour(200)}, receive=()) as a,
            bots.Room.join(server.url) as b,
        ):
            track = await b.wait_for_track(kind="video")
            frames = await first_frames(track)
            link = b._paths._links[a.client_id]
            await server.broadcast(type="mode", mode="sfu")
            await event_of(b, ModeChanged)
            await server.add_track(track.id, Colour(60))
            async with asyncio.timeout(WAIT):
                async for frame in track.frames(policy="block"):
                    frames.append(frame)
                    if abs(luma(frame) - 60) <= 5:
                        break
            assert track.path == "sfu"
            assert await b.track(track.id) is track
            times = [frame.time for frame in frames]
            assert times == sorted(times)
            await until(lambda: link._closed, "closing the direct connection")
            assert b._paths._links == {}
