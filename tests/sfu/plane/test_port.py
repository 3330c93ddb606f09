"""The compiled plane's threads on real sockets of this host: what they forward, punt and leave behind."""

import errno
import gc
import os
import random
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger import Ledger, bare
from plane_world import Rtp, rtp_packet
from port_world import Client, Hammer, PortWorld, until

from sfu.plane._fast import FastPlane
from sfu.plane.interface import Drop, PuntKind, SrtpProfile

STUN = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
REPORT = b"\x80\xc8\x00\x06" + bytes(24)


@pytest.fixture
def call() -> Iterator[PortWorld]:
    """Transport 1 publishes source 10; transport 2 gets it on route 20."""
    with PortWorld() as world:
        world.join(1)
        world.join(2)
        world.publish(10, 1)
        world.subscribe(20, 2, 10)
        yield world


def send_burst(world: PortWorld, publisher: Client, subscribers: list[Client], count: int = 20) -> None:
    for number in range(count):
        publisher.send(rtp_packet(number, number * 3000, b"\x10\x00%d" % number))
    for client in subscribers:
        client.take(count)
        assert [packet.rest for packet in client.peer.packets] == [b"\x10\x00%d" % n for n in range(count)]
        assert [packet.sequence for packet in client.peer.packets] == list(range(100, 100 + count))
    until(lambda: world.plane.port_counters()["sent"] == count * len(subscribers))
    assert world.drops() == {}


HOSTS = [
    ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ("::1", "::1", "::1"),
    ("", "127.0.0.1", "::1"),
    ("", "::1", "127.0.0.1"),
    ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
]


@pytest.mark.parametrize(("host", "publisher", "subscriber"), HOSTS)
def test_forwarding_on_each_family(host: str, publisher: str, subscriber: str) -> None:
    with PortWorld(host) as world:
        sender, receiver = world.join(1, publisher), world.join(2, subscriber)
        world.publish(10, 1)
        world.subscribe(20, 2, 10, mid="7")
        assert world.plane.ipv6 == (host in ("", "::1"))
        send_burst(world, sender, [receiver])
        world.check_port([20])


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("segment", [True, False])
@pytest.mark.parametrize("profile", [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_SHA1_80])
def test_one_room_over_all_threads(threads: int, segment: bool, profile: SrtpProfile) -> None:
    with PortWorld(threads=threads, segment=segment, profile=profile) as world:
        clients = [world.join(transport) for transport in range(1, 9)]
        world.publish(10, 1)
        for transport in range(2, 9):
            world.subscribe(20 + transport, transport, 10)
        send_burst(world, clients[0], clients[1:])
        world.check_port([20 + transport for transport in range(2, 9)])
        # A publisher on each: eight addresses are spread by the kernel.
        for transport in range(2, 9):
            world.publish(30 + transport, transport, ssrc=transport)
            world.subscribe(50 + transport, 1, 30 + transport, ssrc=5000 + transport)
            clients[transport - 1].send(rtp_packet(1, 0, b"\x10\x00", ssrc=transport))
        clients[0].take(7)
        assert {packet.ssrc for packet in clients[0].peer.packets} == set(range(5002, 5009))


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("second", [1, 2, 4])
def test_a_port_has_one_plane(first: int, second: int) -> None:
    """Sharing it with SO_REUSEPORT would take half of the other's clients."""
    with PortWorld(threads=first) as world:
        other = FastPlane()
        with pytest.raises(OSError, match="in use") as caught:
            other.open_port("127.0.0.1", world.number, second)
        assert caught.value.errno == errno.EADDRINUSE
        assert caught.value.filename == f"127.0.0.1:{world.number}"
        # It still works in memory, and can have another.
        other.send(b"\x00", ("127.0.0.1", 9))
        assert other.take_datagrams() == [(b"\x00", ("127.0.0.1", 9))]
        other.open_port("127.0.0.1", 0, second)
        assert other.port_number not in (0, None, world.number)
        other.close_port()


def test_a_port_of_another_program_is_not_shared() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            FastPlane().open_port("127.0.0.1", taken.getsockname()[1], 2)


MISTAKES = [
    (("127.0.0.1", 70000, 1), ValueError, "port is 70000, it should be 0 to 65535"),
    (("127.0.0.1", -1, 1), ValueError, "port is -1"),
    (("127.0.0.1", 0, 0), ValueError, "threads is 0, it should be 1 to 64"),
    (("127.0.0.1", 0, 65), ValueError, "threads is 65"),
    (("nowhere", 0, 1), OSError, "Invalid argument: 'nowhere:0'"),
    (("192.0.2.1", 0, 1), OSError, "Cannot assign requested address: '192.0.2.1:0'"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), MISTAKES, ids=[row[2] for row in MISTAKES])
def test_mistakes(arguments: tuple[str, int, int], kind: type[Exception], message: str) -> None:
    plane = FastPlane()
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(kind, match=message):
        plane.open_port(*arguments)
    plane.close_port()
    assert plane.port_number is None
    assert plane.wake_descriptor is None
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_plane_has_one_port(call: PortWorld) -> None:
    with pytest.raises(ValueError, match="has its port already"):
        call.plane.open_port("127.0.0.1", 0)


def test_punts_wake_whoever_waits(call: PortWorld) -> None:
    stranger = Client(call.clients[1].peer, ("127.0.0.1", call.number))
    assert not call.woken(0)
    stranger.send_raw(STUN)
    assert call.woken()
    assert os.read(call.plane.wake_descriptor or 0, 8)
    (punt,) = call.plane.take_punts()
    assert (punt.kind, punt.data, punt.address, punt.transport) == (
        PuntKind.STUN,
        STUN,
        stranger.address,
        None,
    )
    stranger.socket.close()
    # What is forwarded wakes nobody; a keyframe is told.
    call.clients[1].send(rtp_packet(1, 0, b"\x10\x01"))
    call.clients[2].take(1)
    assert not call.woken(0)
    call.clients[1].send(rtp_packet(2, 3000, b"\x10\x00"))
    assert call.woken()
    assert [punt.kind for punt in call.plane.take_punts()] == [PuntKind.KEYFRAME]


def test_longer_datagrams_than_the_plane_reads(call: PortWorld) -> None:
    for first in (0, 20, 64, 128):
        call.clients[1].send_raw(bytes([first]) * 9000)
    until(lambda: call.plane.port_counters()["received"] == 4)
    assert call.drops() == {"unknown_protocol": 1, "malformed_rtp": 1}
    assert [len(punt.data) for punt in call.plane.take_punts()] == [2048, 2048]
    counters = call.plane.port_counters()
    sizes = {1 << power: counters[f"batches_{1 << power}"] for power in range(7)}
    assert sum(sizes.values()) == counters["batches"]
    # However the four came together, none of their batches was larger.
    assert not any(count for size, count in sizes.items() if size > 4)


def test_what_the_control_side_sends(call: PortWorld) -> None:
    call.plane.send(STUN, call.clients[2].address)
    assert call.clients[2].take(1) == [STUN]
    call.plane.send_rtcp(2, REPORT)
    call.clients[2].take(1)
    assert call.clients[2].peer.rtcp == [REPORT]
    assert call.plane.take_datagrams() == []
    assert call.plane.port_counters()["sent"] == 2
    # IPv6 from an IPv4 socket.
    call.plane.send(STUN, ("2001:db8::1", 5000))
    assert call.drops() == {"send_failed": 1}


def test_after_the_port_is_closed(call: PortWorld) -> None:
    call.clients[1].send(rtp_packet(1))
    call.clients[2].take(1)
    call.clients[1].send_raw(b"\xff")
    until(lambda: call.drops() == {"unknown_protocol": 1})
    call.plane.close_port()
    call.plane.close_port()
    assert call.plane.port_number is None
    assert call.plane.wake_descriptor is None
    assert not call.plane.ipv6
    assert set(call.plane.port_counters().values()) == {0}
    # Counters stay, and what is sent is kept for who asks for it.
    assert call.drops() == {"unknown_protocol": 1}
    call.plane.send(STUN, ("192.0.2.9", 9))
    call.plane.send_rtcp(2, REPORT)
    call.plane.replay(1, rtp_packet(2), time.monotonic())
    call.plane.receive(b"", ("192.0.2.9", 9), 0.0)
    assert [address for _, address in call.plane.take_datagrams()] == [
        ("192.0.2.9", 9),
        call.clients[2].address,
        call.clients[2].address,
    ]
    assert call.drops() == {"unknown_protocol": 1, "empty": 1}
    call.plane.close_transport(2)
    call.plane.open_port("127.0.0.1", call.number)
    assert call.plane.port_number == call.number


@pytest.mark.parametrize("threads", [1, 4])
def test_close_while_packets_fly(call: PortWorld, threads: int) -> None:
    with bare():
        plane = FastPlane()
    call.plane.close_port()
    call.plane = plane
    for transport, client in call.clients.items():
        plane.open_transport(transport)
        plane.bind(transport, client.address)
        plane.set_keys(transport, client.peer.keys)
    call.publish(10, 1)
    call.subscribe(20, 2, 10)
    descriptors, tasks = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    with Hammer(call.clients[1]):
        for _ in range(25):
            plane.open_port("127.0.0.1", call.number, threads)
            received = plane.port_counters()["received"]
            until(lambda at=received: plane.port_counters()["received"] > at + 20)
            plane.close_port()
    assert plane.route_state(20).packets > 0
    assert len(os.listdir("/proc/self/fd")) == descriptors
    until(lambda: len(os.listdir("/proc/self/task")) == tasks)
    call.clients[2].take_all()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_plane_that_the_collector_finds_in_a_cycle() -> None:
    """Its rows hold the sessions that the threads use: they must not be cleared before the threads end."""

    # As long as it is, what it refers to is reached from outside of the collector's sight.
    assert not gc.is_tracked(FastPlane())

    class Owner:
        pass

    # The plane first: the collector clears in this order.
    with PortWorld(threads=2) as world:
        world.join(1)
        world.join(2)
        world.publish(10, 1)
        world.subscribe(20, 2, 10)
        owner = Owner()
        owner.me, owner.plane = owner, world.plane  # type: ignore[attr-defined]
        with Hammer(world.clients[1]):
            tasks = len(os.listdir("/proc/self/task"))
            world.clients[2].take(5)
            world.plane = FastPlane()
            del owner
            gc.collect()
            until(lambda: len(os.listdir("/proc/self/task")) == tasks - 2)


def test_threads_that_cannot_all_be_started() -> None:
    """Memory is left for the stacks of some: those that run end again, and nothing is left open."""
    plane = FastPlane()
    descriptors, tasks = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (64 << 20), limits[1]))
    try:
        with pytest.raises(OSError, match=r"127\.0\.0\.1:0") as caught:
            plane.open_port("127.0.0.1", 0, 64)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert caught.value.errno in (errno.EAGAIN, errno.ENOMEM)
    until(lambda: len(os.listdir("/proc/self/task")) == tasks)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    plane.open_port("127.0.0.1", 0, 2)
    plane.close_port()


def test_a_row_that_raises_leaves_the_threads_at_work(call: PortWorld) -> None:
    with pytest.raises(OverflowError):
        call.publish(11, 1, ssrc=1 << 32)
    with pytest.raises(OverflowError):
        call.plane.inject_send_results([0, 1 << 40])
    call.clients[1].send(rtp_packet(1))
    call.clients[2].take(1)


def test_signals_are_not_for_the_threads() -> None:
    # Other libraries of the process have threads, too.
    before = set(os.listdir("/proc/self/task"))
    plane = FastPlane()
    plane.open_port("127.0.0.1", 0, 2)
    try:
        native = set(os.listdir("/proc/self/task")) - before
        assert len(native) == 2
        for task in native:
            status = Path(f"/proc/self/task/{task}/status").read_text()
            blocked = int(status.split("SigBlk:\t")[1].split()[0], 16)
            # All but SIGKILL, SIGSTOP and those of the C library.
            assert blocked & 0x7FFFFFFF == 0x7FFFFFFF & ~(1 << 8 | 1 << 18)
    finally:
        plane.close_port()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_leaves_the_threads_alone(call: PortWorld) -> None:
    child = os.fork()
    if not child:
        # No return into pytest from here.
        try:
            call.plane.close_port()
            call.plane.send(STUN, ("192.0.2.9", 9))
            del call.plane
            gc.collect()
            os._exit(0)
        finally:
            os._exit(1)
    deadline = time.monotonic() + 5
    done, status = os.waitpid(child, os.WNOHANG)
    while not done and time.monotonic() < deadline:
        time.sleep(0.005)
        done, status = os.waitpid(child, os.WNOHANG)
    if not done:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert done
    assert status == 0
    call.clients[1].send(rtp_packet(1))
    call.clients[2].take(1)


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("threads", [1, 4])
def test_rows_change_while_packets_fly(threads: int, watched: bool) -> None:
    """Two hammering publishers, six subscribers, and a control side that does all it can do to them."""
    dice = random.Random(threads)
    if watched:
        world = PortWorld(threads=threads)
    else:
        with bare():
            world = PortWorld(threads=threads)
    end = time.monotonic() + 1.5
    changes, route, source, generation = 0, 1000, 100, 0
    with world:
        senders = [world.join(transport) for transport in (1, 2)]
        for transport in range(3, 9):
            world.join(transport)
        sources = {1: 10, 2: 11}
        world.publish(10, 1, ssrc=1)
        world.publish(11, 2, ssrc=2)
        routes: dict[int, int] = {}  # route → transport
        with Hammer(senders[0], ssrc=1), Hammer(senders[1], ssrc=2):
            while time.monotonic() < end or changes < 150:
                changes += 1
                dice.choice(list(world.clients.values())).take_all()
                choice = dice.randrange(12)
                transport = dice.choice([number for number in world.clients if number > 2])
                if choice < 2 or not routes:
                    route += 1
                    world.subscribe(route, transport, dice.choice(list(sources.values())), ssrc=route)
                    routes[route] = transport
                elif choice < 4:
                    world.feed(dice.choice(list(routes)), dice.choice(list(sources.values())))
                elif choice == 4:
                    world.plane.feed_route(dice.choice(list(routes)), None)
                elif choice == 5:
                    world.plane.pause_route(dice.choice(list(routes)), dice.random() < 0.3)
                elif choice == 6 and len(routes) > 8:
                    gone = dice.choice(list(routes))
                    world.plane.remove_route(gone)
                    del routes[gone]
                elif choice == 7:
                    # Both sources move: the publishers' packets come from their own sockets all the while.
                    world.plane.bind(dice.choice([1, 2]), ("127.0.0.1", dice.randrange(1024, 65536)))
                    for number in (1, 2):
                        world.plane.bind(number, world.clients[number].address)
                elif choice == 8:
                    source += 1
                    owner = dice.choice([1, 2])
                    world.plane.remove_source(sources[owner])
                    world.publish(source, owner, ssrc=owner)
                    sources[owner] = source
                elif choice == 9:
                    generation += 1
                    world.leave(transport)
                    routes = {row: owner for row, owner in routes.items() if owner != transport}
                    world.join(transport, generation=generation)
                elif choice == 10:
                    world.plane.send_rtcp(transport, REPORT)
                    world.plane.take_punts()
                else:
                    for client in world.clients.values():
                        client.take_all()
                    for row in routes:
                        world.plane.route_state(row)
                    world.plane.sample(list(sources.values()), list(routes))
                    world.plane.drops()
                    world.plane.port_counters()
        for row in routes:
            state = world.plane.route_state(row)
            assert state.offered == state.packets + sum(state.drops.values())
        counters = world.plane.port_counters()
        print(f"{changes} changes, {counters}")
        assert counters["sent"] > 100
        # A session that was used by two threads at once would have refused some.
        assert not {Drop.SRTP_AUTH, Drop.SRTP_PROTECT} & set(world.plane.drops())
        for row in list(world.clients):
            world.leave(row)
        assert set(world.plane.sizes().values()) == {0}


def resident() -> int:
    """Bytes of memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_thousand_joins_leave_nothing(ledger: Ledger) -> None:
    with PortWorld(threads=2) as world:
        world.join(1)
        world.publish(10, 1)
        samples: list[int] = []
        for joined in range(1200):
            transport = 2 + joined % 50
            client = world.join(transport, generation=joined)
            world.publish(100, transport, ssrc=5)
            world.subscribe(200, transport, 10)
            world.clients[1].send(rtp_packet(joined, 0, b"\x10\x00"))
            client.take(1)
            client.send(rtp_packet(joined, 0, b"\x10\x00", ssrc=5))
            client.send(rtp_packet(joined, 0, b"\x10\x00", ssrc=6))
            world.leave(transport)
            world.plane.take_punts()
            ledger.plaintexts.clear()
            ledger.highest.clear()
            if joined >= 200 and joined % 100 == 0:
                gc.collect()
                samples.append(resident())
        slope = (samples[-1] - samples[0]) / 900
        print(f"resident: {samples[0] >> 10} KiB to {samples[-1] >> 10} KiB, {slope:.0f} bytes per join")
        # One session kept would be some 3,000.
        assert slope < 500
        assert world.plane.sizes() == {"transports": 1, "addresses": 1, "sources": 1, "routes": 0}


def test_rtp_of_a_batch_is_whole(call: PortWorld) -> None:
    call.clients[1].send(rtp_packet(5, 12345, b"\x10\x00payload", marker=True, csrcs=(8, 9), padding=3))
    call.clients[2].take(1)
    assert call.clients[2].peer.packets == [
        Rtp(1000, 100, 12345, 97, True, (8, 9), b"", b"\x10\x00payload\0\0\x03")
    ]
