from __future__ import annotations

import asyncio
import contextlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.links.link import OVERHEAD, PERFECT, Conditions, Link
from benchmarks.links.page import WITHOUT_ADAPTATION, WITHOUT_REPAIR
from benchmarks.links.pictures import frozen, longest_gap, reached
from benchmarks.links.relay import HOST, Relay


def link(conditions: Conditions, seed: int = 1) -> Link:
    return Link(conditions, Random(seed))


def test_a_perfect_link_delivers_at_once() -> None:
    assert [link(PERFECT).send(1200, now) for now in (0.0, 1.5)] == [0.0, 1.5]


def test_delay_is_added() -> None:
    assert link(Conditions(delay=0.05)).send(1200, 2.0) == pytest.approx(2.05)


def test_a_rate_lets_packets_wait_for_each_other() -> None:
    slow = link(Conditions(rate=8_000 * (972 + OVERHEAD)))
    # A millisecond each.
    assert [slow.send(972, 0.0) for _ in range(3)] == pytest.approx([0.001, 0.002, 0.003])
    assert slow.queue_delay(0.001) == pytest.approx(0.002)
    assert slow.queue_delay(1.0) == 0.0


def test_a_full_queue_drops_what_comes() -> None:
    slow = link(Conditions(rate=8_000 * (972 + OVERHEAD), queue=0.0025))
    arrivals = [slow.send(972, 0.0) for _ in range(6)]
    assert [arrival is None for arrival in arrivals] == [False, False, False, True, True, True]
    assert (slow.sent, slow.lost, slow.overflowed) == (6, 0, 3)


def test_loss_has_its_share() -> None:
    lossy = link(Conditions(loss=0.05))
    for number in range(20_000):
        lossy.send(100, number / 100)
    assert lossy.lost == pytest.approx(1000, rel=0.15)


def test_a_seed_loses_the_same_at_any_rate() -> None:
    fast, slow = link(Conditions(loss=0.3)), link(Conditions(loss=0.3, rate=1e6))
    lost = [[each.send(100, now) is None for now in range(200)] for each in (fast, slow)]
    assert lost[0] == lost[1]


@given(
    st.lists(st.tuples(st.integers(0, 1400), st.floats(0, 0.05)), max_size=60),
    st.floats(0, 1),
    st.floats(0, 0.1),
    st.one_of(st.none(), st.floats(1e4, 1e8)),
)
def test_nothing_overtakes_or_arrives_before_it_was_sent(
    packets: list[tuple[int, float]], loss: float, jitter: float, rate: float | None
) -> None:
    some = link(Conditions(loss=loss, jitter=jitter, rate=rate, delay=0.01))
    now, newest = 0.0, 0.0
    for size, later in packets:
        now += later
        arrival = some.send(size, now)
        if arrival is not None:
            assert arrival >= max(now + 0.01, newest)
            newest = arrival
    assert some.sent == len(packets)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"loss": 1.1}, "loss is 1.1"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"delay": -1.0}, "should be 0 or more"),
    ],
)
def test_conditions_say_what_is_wrong(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Conditions(**wrong)


def test_the_longest_gap_counts_the_edges() -> None:
    shown = [(100.0, 640), (150.0, 640), (400.0, 640)]
    assert longest_gap(shown, 0, 420) == pytest.approx(0.25)
    assert longest_gap(shown, 0, 900) == pytest.approx(0.5)
    assert longest_gap([], 0, 900) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("widths", "width", "at_most", "found"),
    [
        ([640, 640, 320, 320], 320, True, 0.3),
        ([640, 320, 640, 320], 320, True, 0.4),
        ([320, 320, 320, 320], 320, True, 0.1),
        ([640, 640, 640, 640], 320, True, None),
        ([320, 320, 640, 640], 640, False, 0.3),
        ([], 640, False, None),
    ],
)
def test_a_size_is_reached_when_it_is_kept(
    widths: list[int], width: int, at_most: bool, found: float | None
) -> None:
    shown = [(100.0 * (at + 1), w) for at, w in enumerate(widths)]
    value = reached(shown, 0, width, at_most=at_most)
    assert value == (None if found is None else pytest.approx(found))


def test_frozen_is_the_share_of_long_gaps() -> None:
    steady = [(50.0 * n, 640) for n in range(1, 200)]
    assert frozen(steady, 0, 10_000) == 0
    halted = [(at, w) for at, w in steady if not 4000 < at < 5000]
    assert frozen(halted, 0, 10_000) == pytest.approx(0.1)
    assert frozen([], 0, 10_000) == 1


def test_what_is_struck_leaves_the_requests_for_keyframes() -> None:
    import re

    lines = ["a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 ccm fir", "a=rtpmap:97 rtx/90000"]
    kept = [line for line in lines if not any(re.search(pattern, line) for pattern in WITHOUT_REPAIR)]
    assert kept == ["a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 ccm fir"]
    adaptive = ["a=rtcp-fb:96 transport-cc", "a=rtcp-fb:96 goog-remb", "a=rtcp-fb:96 nack"]
    kept = [line for line in adaptive if not any(re.search(pattern, line) for pattern in WITHOUT_ADAPTATION)]
    assert kept == ["a=rtcp-fb:96 nack"]


@pytest.mark.system
async def test_a_relay_is_a_path_and_can_move() -> None:
    """Echo by way of the relay: the server sees the client at another address after a move."""
    loop = asyncio.get_running_loop()
    seen: list[tuple[str, int]] = []
    got: asyncio.Queue[bytes] = asyncio.Queue()

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            seen.append(addr)
            self.transport.sendto(data, addr)

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            got.put_nowait(data)

    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=(HOST, 0))
    relay = await Relay.start(server.get_extra_info("sockname"), PERFECT, PERFECT, seed=1)
    client, _ = await loop.create_datagram_endpoint(Client, remote_addr=(HOST, relay.port))

    async def exchange(data: bytes) -> None:
        async with asyncio.timeout(5):
            while got.empty():
                client.sendto(data)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        assert await got.get() == data
                        return

    try:
        await exchange(b"before")
        relay.rebind()
        while not got.empty():
            got.get_nowait()
        await exchange(b"after")
    finally:
        client.close()
        relay.close()
        server.close()
    assert len(set(seen)) == 2
