import asyncio

import pytest

from chatter.app import SAMPLER
from chatter.monitoring import sampler as sampler_module


@pytest.fixture
def looks(client):
    """The looks at the calls, as they come; the interval is longer than the test."""
    found = asyncio.Queue()
    client.app[SAMPLER].on_snapshot(found.put_nowait)
    return found


async def test_who_looks_on_has_it_looked_at_at_once_and_more_often(client, looks, monkeypatch):
    monkeypatch.setattr(sampler_module, "WATCHED_INTERVAL", 0.01)
    with client.app[SAMPLER].watch():
        for _ in range(3):
            await asyncio.wait_for(looks.get(), 3)


async def test_a_look_that_fails_is_not_the_last_one(client, looks, monkeypatch, caplog):
    monkeypatch.setattr(sampler_module, "WATCHED_INTERVAL", 0.01)
    sampler = client.app[SAMPLER]
    failures = iter([True])

    def fail_once(_snapshot):
        if next(failures, False):
            raise RuntimeError("once")

    sampler._listeners.insert(0, fail_once)
    with sampler.watch():
        await asyncio.wait_for(looks.get(), 3)
    assert "The calls could not be looked at" in caplog.text


async def test_rooms_that_have_gone_are_forgotten(client):
    sampler = client.app[SAMPLER]
    await sampler.take()
    assert sampler.snapshot.rooms == ()
    assert sampler._samplings == {}
