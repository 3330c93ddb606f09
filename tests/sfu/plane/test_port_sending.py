"""Runs of UDP_SEGMENT, padding, and what sending can come to. Each test makes one batch of a thread."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from plane_world import rtp_packet
from port_world import Gate, PortWorld, until

from sfu.plane import srtp
from sfu.plane.interface import Drop

HEADER = 12
TAG = 16
MOST_PADDED = 1280 - 40 - 8
"""Bytes of a datagram that every IPv6 path carries (RFC 8200 section 5)."""


@dataclass
class Sender:
    """Transport 1 publishes source 10; transport 2 gets it on route 20."""

    world: PortWorld
    gate: Gate
    control_packets: int = 0

    def batch(self, sizes: list[int], timestamp: int = 0, *, padding: int = 0) -> None:
        """Have the plane read packets of these payload sizes, one frame, at once."""
        publisher = self.world.clients[1]
        with self.gate.hold(publisher):
            for number, size in enumerate(sizes):
                payload = b"\x10\x00" + bytes([number]) * (size - 2)
                publisher.send(rtp_packet(timestamp + number, timestamp, payload, padding=padding))
        until(lambda: self.world.plane.source_state(10).packets == len(sizes))
        # After a lock that the batch holds to its end.
        self.world.plane.drops()

    def inject(self, results: list[int]) -> None:
        self.world.plane.inject_send_results(results)

    def sent(self) -> list[int]:
        """Sizes of the datagrams that the subscriber got, in order."""
        return [len(datagram) for datagram in self.world.clients[2].take_all()]

    def counters(self) -> tuple[int, int, int, int]:
        """Packets sent, in runs, runs refused, and calls."""
        counted = self.world.plane.port_counters()
        return counted["sent"], counted["segmented"], counted["refused"], counted["send_calls"]


def open_sender(monkeypatch: pytest.MonkeyPatch, *, segment: bool, pad: bool) -> Iterator[Sender]:
    gate = Gate()
    functions = gate.functions(srtp.functions())
    monkeypatch.setattr(srtp, "functions", lambda: functions)
    with PortWorld(segment=segment, pad=pad) as world:
        world.join(1)
        world.join(2)
        world.publish(10, 1)
        world.subscribe(20, 2, 10)
        sender = Sender(world, gate)
        yield sender
        world.check_port([20], sender.control_packets)


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    yield from open_sender(monkeypatch, segment=True, pad=True)


@pytest.fixture
def unpadded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    yield from open_sender(monkeypatch, segment=True, pad=False)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    yield from open_sender(monkeypatch, segment=False, pad=False)


# Payload sizes of one frame, then how many of its packets go out in runs. A run has packets of one size and
# may end with a shorter one.
RUNS = [
    ([500], 0),
    ([500, 500], 2),
    ([500, 300], 2),
    ([300, 500], 0),
    ([500, 500, 500, 20], 4),
    ([500, 20, 500, 20], 4),
    ([20, 500, 500], 2),
    ([500, 500, 20, 20, 20], 5),
    ([100, 200, 300, 400], 0),
    ([400, 300, 200, 100], 4),
    ([500] * 63, 63),
    ([1000] * 63, 63),
]


@pytest.mark.parametrize(("sizes", "segmented"), RUNS, ids=[str(row[0][:6]) for row in RUNS])
def test_runs(unpadded: Sender, sizes: list[int], segmented: int) -> None:
    unpadded.batch(sizes)
    assert unpadded.sent() == [HEADER + size + TAG for size in sizes]
    assert unpadded.counters() == (len(sizes), segmented, 0, 1)
    assert [packet.rest[-1] for packet in unpadded.world.clients[2].peer.packets] == [
        number if size > 2 else 0 for number, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("sizes", [[500, 500, 20], [1000] * 63])
def test_without_runs(apart: Sender, sizes: list[int]) -> None:
    apart.batch(sizes)
    assert apart.sent() == [HEADER + size + TAG for size in sizes]
    assert apart.counters() == (len(sizes), 0, 0, 1)


# Payload sizes of one frame → how many bytes of padding each packet gets.
PADDED = [
    ("libwebrtc puts the longer ones last", [500, 500, 501, 501], [1, 1, 0, 0]),
    ("already equal", [500, 500, 500], [0, 0, 0]),
    ("two bytes shorter stays", [499, 501, 500], [0, 0, 1]),
    ("a short last one stays", [500, 501, 30], [1, 0, 0]),
    ("one packet", [500], [0]),
    ("up to the MTU of every path", [1203, 1204], [1, 0]),
    ("never past it", [1204, 1205], [0, 0]),
]


@pytest.mark.parametrize(("sizes", "padding"), [row[1:] for row in PADDED], ids=[row[0] for row in PADDED])
def test_padding(sender: Sender, sizes: list[int], padding: list[int]) -> None:
    sender.batch(sizes)
    datagrams = sender.world.clients[2].take_all()
    assert [len(datagram) for datagram in datagrams] == [
        HEADER + size + pad + TAG for size, pad in zip(sizes, padding, strict=True)
    ]
    # RFC 3550 section 5.1: the last byte of padding counts it, itself included.
    assert [datagram[0] >> 5 & 1 for datagram in datagrams] == padding
    for number, (packet, size, pad) in enumerate(
        zip(sender.world.clients[2].peer.packets, sizes, padding, strict=True)
    ):
        assert packet.rest == b"\x10\x00" + bytes([number]) * (size - 2) + b"\x01" * pad
    state = sender.world.plane.route_state(20)
    assert state.payload_bytes == sum(sizes)
    assert state.bytes == sum(sizes) + sum(padding) + HEADER * len(sizes)
    assert all(len(datagram) <= MOST_PADDED for datagram, pad in zip(datagrams, padding, strict=True) if pad)


def test_padding_makes_a_frame_one_run(sender: Sender) -> None:
    sender.inject([1])
    sender.batch([500, 500, 501, 501])
    # One message, of four packets, was all there was.
    assert sender.counters() == (4, 4, 0, 1)


def test_padded_packets_get_no_more_of_it(sender: Sender) -> None:
    sender.batch([500, 501], padding=3)
    sender.sent()
    assert [packet.rest[-3:] for packet in sender.world.clients[2].peer.packets] == [b"\0\0\x03"] * 2


def test_frames_are_padded_apart(sender: Sender) -> None:
    publisher = sender.world.clients[1]
    with sender.gate.hold(publisher):
        for number, (timestamp, size) in enumerate([(0, 500), (0, 501), (3000, 499), (3000, 300)]):
            publisher.send(rtp_packet(number, timestamp, bytes(size)))
    until(lambda: sender.world.plane.source_state(10).packets == 4)
    sender.world.plane.drops()
    assert sender.sent() == [HEADER + size + TAG for size in (501, 501, 499, 300)]


# What sendmmsg comes to, for packets of 500, 500 | 600, 600 (two runs) → payload sizes that arrive, drops,
# (sent, segmented, runs refused). Numbers send so many messages, the rest goes as the kernel will have it.
TWO_RUNS = [500, 500, 600, 600]
ONE_BY_ONE, PART = (4, 2, 1), (3, 2, 1)
RESULTS = [
    ("all", [], TWO_RUNS, {}, (4, 4, 0)),
    ("short", [1], TWO_RUNS, {}, (4, 4, 0)),
    ("a signal", [-errno.EINTR], TWO_RUNS, {}, (4, 4, 0)),
    ("a signal between", [1, -errno.EINTR], TWO_RUNS, {}, (4, 4, 0)),
    ("none sent, no error", [0], TWO_RUNS, {}, (4, 4, 0)),
    ("somebody else's ICMP", [-errno.ECONNREFUSED] * 2, TWO_RUNS, {}, (4, 4, 0)),
    ("ICMP without end", [-errno.ECONNREFUSED] * 3, [600, 600], {"send_failed": 2}, (2, 2, 0)),
    ("signals without end", [-errno.EINTR] * 3, [600, 600], {"send_failed": 2}, (2, 2, 0)),
    ("a full buffer", [-errno.EAGAIN], [], {"send_would_block": 4}, (0, 0, 0)),
    ("full after the first", [1, -errno.EAGAIN], [500, 500], {"send_would_block": 2}, (2, 2, 0)),
    ("a full device", [-errno.ENOBUFS], [600, 600], {"send_would_block": 2}, (2, 2, 0)),
    ("a full device at last", [1, -errno.ENOBUFS], [500, 500], {"send_would_block": 2}, (2, 2, 0)),
    ("a firewall", [-errno.EPERM], [600, 600], {"send_failed": 2}, (2, 2, 0)),
    ("no route", [-errno.ENETUNREACH], [600, 600], {"send_failed": 2}, (2, 2, 0)),
    ("no memory", [-errno.ENOMEM], [600, 600], {"send_failed": 2}, (2, 2, 0)),
    ("too long for the kernel", [-errno.EMSGSIZE], TWO_RUNS, {}, ONE_BY_ONE),
    ("more than the MTU", [-errno.EINVAL], TWO_RUNS, {}, ONE_BY_ONE),
    ("both more than the MTU", [-errno.EINVAL, 2, -errno.EINVAL], TWO_RUNS, {}, (4, 0, 2)),
    ("no checksums", [-errno.EIO], TWO_RUNS, {}, ONE_BY_ONE),
    ("an old kernel", [-errno.EOPNOTSUPP], TWO_RUNS, {}, ONE_BY_ONE),
    (
        "refused, and then one fails",
        [-errno.EINVAL, -errno.EPERM],
        [500, 600, 600],
        {"send_failed": 1},
        PART,
    ),
    (
        "refused, and then full",
        [-errno.EINVAL, 1, -errno.EAGAIN],
        [500, 600, 600],
        {"send_would_block": 1},
        PART,
    ),
]


@pytest.mark.parametrize(
    ("results", "sizes", "drops", "counters"), [row[1:] for row in RESULTS], ids=[row[0] for row in RESULTS]
)
def test_what_sending_comes_to(
    unpadded: Sender,
    results: list[int],
    sizes: list[int],
    drops: dict[str, int],
    counters: tuple[int, int, int],
) -> None:
    unpadded.inject(results)
    unpadded.batch(TWO_RUNS)
    assert unpadded.sent() == [HEADER + size + TAG for size in sizes]
    assert unpadded.counters()[:3] == counters
    assert {
        reason: count for reason, count in unpadded.world.drops().items() if reason != "srtp_auth"
    } == drops


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.EINVAL, errno.EPERM, errno.EMSGSIZE])
def test_single_packets_that_fail(apart: Sender, error: int) -> None:
    apart.inject([-error] * 4)
    apart.batch(TWO_RUNS)
    assert apart.sent() == []
    reason = Drop.SEND_WOULD_BLOCK if error == errno.EAGAIN else Drop.SEND_FAILED
    assert apart.world.plane.drops()[reason] == 4
    assert apart.counters()[2] == 0


@pytest.mark.parametrize(
    ("error", "segmented"), [(errno.EIO, 0), (errno.EOPNOTSUPP, 0), (errno.EINVAL, 2), (errno.EMSGSIZE, 2)]
)
def test_a_device_that_cannot_is_asked_once(unpadded: Sender, error: int, segmented: int) -> None:
    """Neither a device without checksums nor a kernel without UDP_SEGMENT will ever have it."""
    unpadded.inject([-error])
    unpadded.batch([500, 500])
    publisher = unpadded.world.clients[1]
    with unpadded.gate.hold(publisher):
        for number in (2, 3):
            publisher.send(rtp_packet(number, 0, bytes(500)))
    until(lambda: unpadded.world.plane.source_state(10).packets == 4)
    assert unpadded.counters()[1:3] == (segmented, 1)
    assert unpadded.sent() == [HEADER + 500 + TAG] * 4
    # The gate, closed twice.
    assert unpadded.world.drops() == {"srtp_auth": 2}


def test_what_the_control_side_sends_is_counted_alike(unpadded: Sender) -> None:
    unpadded.batch([500])
    unpadded.inject([-errno.EAGAIN, -errno.EPERM])
    for _ in range(3):
        unpadded.world.plane.send(b"\x00stun", unpadded.world.clients[2].address)
    assert unpadded.world.drops() == {"srtp_auth": 1, "send_would_block": 1, "send_failed": 1}
    assert unpadded.counters()[0] == 2
    unpadded.control_packets = 3
