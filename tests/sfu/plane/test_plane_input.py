"""What comes in from the network: who it is from, what it is, and why it goes no further."""

import os
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plane_world import VP8_KEYFRAME, World, rtp_packet

from sfu.plane.interface import Drop, Plane, Punt, PuntKind, SrtpProfile

STRANGER = ("203.0.113.9", 9)
RECEIVER_REPORT = struct.pack("!BBHI", 0x80, 201, 1, 77)


@pytest.fixture
def call(world: World) -> World:
    """Transport 1 publishes source 10; transport 2 gets it on route 20; transport 3 has no keys."""
    world.join(1)
    world.join(2)
    world.join(3, keyed=False)
    world.publish(10, 1)
    world.subscribe(20, 2, 10)
    return world


def flipped(datagram: bytes, position: int) -> bytes:
    changed = bytearray(datagram)
    changed[position] ^= 1
    return bytes(changed)


DATAGRAMS = [
    ("empty", b"", 1, Drop.EMPTY),
    ("zrtp", b"\x10abc", 1, Drop.UNKNOWN_PROTOCOL),
    ("turn channel", b"\x40abc", 1, Drop.UNKNOWN_PROTOCOL),
    ("high", b"\xffabc", 1, Drop.UNKNOWN_PROTOCOL),
    ("dtls, unbound", b"\x16abc", None, Drop.UNBOUND_ADDRESS),
    ("rtp, unbound", rtp_packet(1), None, Drop.UNBOUND_ADDRESS),
    ("rtcp, unbound", RECEIVER_REPORT, None, Drop.UNBOUND_ADDRESS),
    ("rtp before keys", rtp_packet(1), 3, Drop.BEFORE_DTLS),
    ("rtcp before keys", RECEIVER_REPORT, 3, Drop.BEFORE_DTLS),
    ("rtp in the clear", rtp_packet(1) + bytes(40), 1, Drop.SRTP_AUTH),
    ("rtcp in the clear", RECEIVER_REPORT + bytes(40), 1, Drop.SRTCP_AUTH),
    ("one byte of rtp", b"\x80", 1, Drop.MALFORMED_RTP),
    ("half a header", rtp_packet(1)[:11], 1, Drop.MALFORMED_RTP),
    ("rtp without a tag", rtp_packet(1, payload=b""), 1, Drop.SRTP_AUTH),
    ("half an rtcp header", RECEIVER_REPORT[:7], 1, Drop.MALFORMED_RTCP),
    ("rtcp without a tag", RECEIVER_REPORT, 1, Drop.MALFORMED_RTCP),
    ("huge rtp", rtp_packet(1) + bytes(65000), 1, Drop.MALFORMED_RTP),
    ("huge rtcp", RECEIVER_REPORT + bytes(65000), 1, Drop.MALFORMED_RTCP),
]


@pytest.mark.parametrize(
    ("datagram", "sender", "reason"), [row[1:] for row in DATAGRAMS], ids=[row[0] for row in DATAGRAMS]
)
def test_dropped(call: World, datagram: bytes, sender: int | None, reason: Drop) -> None:
    call.receive(datagram, call.peers[sender].address if sender else STRANGER)
    assert call.drops() == {reason: 1}
    assert call.take_punts() == []
    call.send(1, rtp_packet(1))
    assert len(call.peers[2].packets) == 1


@pytest.mark.parametrize("first", [0, 1, 2, 3])
@pytest.mark.parametrize("bound", [True, False])
def test_stun(call: World, first: int, bound: bool) -> None:
    address = call.peers[1].address if bound else STRANGER
    datagram = bytes((first, 1, 2))
    call.receive(datagram, address)
    assert call.punts == [Punt(PuntKind.STUN, datagram, address, 1 if bound else None)]


@pytest.mark.parametrize("first", [20, 22, 63])
def test_dtls(call: World, first: int) -> None:
    datagram = bytes((first, 1, 2))
    call.receive(datagram, call.peers[3].address)
    assert call.punts == [Punt(PuntKind.DTLS, datagram, call.peers[3].address, 3)]


@pytest.mark.parametrize("profile", SrtpProfile)
def test_tampered_and_repeated(plane: Plane, profile: SrtpProfile) -> None:
    world = World(plane, profile)
    peer = world.join(1)
    world.publish(10, 1)
    datagram = peer.sending.protect(rtp_packet(1))
    report = peer.sending.protect_rtcp(RECEIVER_REPORT)
    # The timestamp is authenticated only, the last bytes are the tag.
    for position in (5, len(datagram) - 1):
        world.receive(flipped(datagram, position), peer.address)
    world.receive(flipped(report, 5), peer.address)
    assert world.drops() == {Drop.SRTP_AUTH: 2, Drop.SRTCP_AUTH: 1}
    for _ in range(3):
        world.receive(datagram, peer.address)
        world.receive(report, peer.address)
    assert world.drops() == {Drop.SRTP_AUTH: 2, Drop.SRTCP_AUTH: 1, Drop.SRTP_REPLAY: 2, Drop.SRTCP_REPLAY: 2}
    assert plane.source_state(10).packets == 1
    assert world.punts == [Punt(PuntKind.RTCP, RECEIVER_REPORT, peer.address, 1)]


MALFORMED = [
    ("csrcs past the end", b"\x8f" + rtp_packet(1)[1:]),
    ("extension past the end", b"\x90" + rtp_packet(1, payload=b"\xbe\xde\x00\x09abcd")[1:]),
    ("cut extension header", b"\x90" + rtp_packet(1, payload=b"\xbe\xde")[1:]),
    ("element past its block", rtp_packet(1, extension=b"\xbe\xde\x00\x01\x1f\x01\x02\x03")),
    ("padding of zero", b"\xa0" + rtp_packet(1, payload=b"x\x00")[1:]),
    ("padding past the payload", b"\xa0" + rtp_packet(1, payload=b"x\x03")[1:]),
    ("padding of nothing", b"\xa0" + rtp_packet(1, payload=b"")[1:]),
]


@pytest.mark.parametrize("packet", [row[1] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_malformed_from_a_peer_with_keys(call: World, packet: bytes) -> None:
    call.replay(1, packet)
    assert call.drops() == {Drop.MALFORMED_RTP: 1}
    assert call.plane.source_state(10).packets == 0
    assert call.plane.route_state(20).offered == 0


def test_malformed_padding_under_srtp(call: World) -> None:
    call.send(1, b"\xa0" + rtp_packet(1, payload=b"x\x00")[1:])
    assert call.drops() == {Drop.MALFORMED_RTP: 1}


def test_unknown_ssrc_is_punted_then_replayed(call: World) -> None:
    packets = [rtp_packet(sequence, payload=VP8_KEYFRAME, ssrc=5) for sequence in (1, 2)]
    for packet in packets:
        call.send(1, packet)
    assert call.punts == [Punt(PuntKind.UNKNOWN_SSRC, packet, call.peers[1].address, 1) for packet in packets]
    call.take_punts()
    call.replay(1, packets[0])
    assert call.drops() == {Drop.UNKNOWN_SSRC: 1}
    call.publish(11, 1, ssrc=5)
    call.feed(20, 11, keyframe=True)
    for packet in packets:
        call.replay(1, packet)
    assert call.take_punts() == [PuntKind.KEYFRAME]
    assert [packet.sequence for packet in call.peers[2].packets] == [100, 101]
    # A second replay is a duplicate, as a second datagram would be.
    call.replay(1, packets[0])
    assert call.drops() == {Drop.UNKNOWN_SSRC: 1, Drop.SRTP_REPLAY: 1}
    assert call.plane.source_state(11).packets == 2


def test_one_ssrc_at_two_transports(call: World) -> None:
    call.publish(11, 2)
    call.subscribe(30, 1, 11)
    call.send(1, rtp_packet(1))
    call.send(2, rtp_packet(1))
    assert len(call.peers[1].packets) == len(call.peers[2].packets) == 1


def test_many_unknown_ssrcs_leave_the_known_alone(call: World) -> None:
    call.send(1, rtp_packet(65535))
    for ssrc in range(100, 400):
        call.send(1, rtp_packet(1, ssrc=ssrc))
    assert len(call.take_punts()) == 300
    # A roll-over counter of 1 shows that the SRTP state is the same.
    call.send(1, rtp_packet(0))
    call.send(1, rtp_packet(2, ssrc=399))
    assert len(call.peers[2].packets) == 2
    assert call.take_punts() == [PuntKind.UNKNOWN_SSRC]
    assert call.drops() == {}


def test_source_that_comes_back_keeps_its_roll_over_counter(call: World) -> None:
    for sequence in (65535, 65536):
        call.send(1, rtp_packet(sequence))
    call.plane.remove_source(10)
    call.publish(12, 1)
    call.feed(20, 12)
    call.send(1, rtp_packet(65537))
    assert [packet.sequence for packet in call.peers[2].packets] == [100, 101, 102]


def test_rtcp_out(call: World) -> None:
    call.plane.send_rtcp(2, RECEIVER_REPORT)
    call.drain()
    assert call.peers[2].rtcp == [RECEIVER_REPORT]
    call.plane.send_rtcp(3, RECEIVER_REPORT)
    call.join(4, bound=False)
    call.plane.send_rtcp(4, RECEIVER_REPORT)
    call.plane.send_rtcp(2, RECEIVER_REPORT + bytes(1345))
    call.drain()
    assert call.peers[2].rtcp == [RECEIVER_REPORT]
    assert call.drops() == {Drop.NO_KEYS: 1, Drop.NO_ADDRESS: 1, Drop.TOO_LARGE: 1}
    call.plane.send_rtcp(2, RECEIVER_REPORT + bytes(1344))
    call.drain()
    assert len(call.peers[2].rtcp) == 2


def test_raw_out_keeps_the_order(call: World) -> None:
    call.plane.send(b"\x01one", STRANGER)
    call.plane.send(b"\x16two", STRANGER)
    call.drain()
    assert call.sent_raw == [(b"\x01one", STRANGER), (b"\x16two", STRANGER)]


def test_sealed_and_mangled_at_every_length(call: World) -> None:
    """Each truncation of a valid datagram, and each single byte changed, is dropped with a reason."""
    datagram = call.peers[1].sending.protect(
        rtp_packet(1, extension=b"\xbe\xde\x00\x01\x10\x55\x00\x00", csrcs=(1,))
    )
    report = call.peers[1].sending.protect_rtcp(RECEIVER_REPORT)
    broken = 0
    for sound in (datagram, report):
        for position in range(len(sound)):
            call.receive(sound[:position], call.peers[1].address)
            call.receive(flipped(sound, position), call.peers[1].address)
            broken += 2
    assert call.take_punts() == []
    assert sum(call.drops().values()) == broken
    assert call.plane.source_state(10).packets == 0
    for sound in (datagram, report):
        call.receive(sound, call.peers[1].address)
    assert len(call.peers[2].packets) == 1
    assert call.take_punts() == [PuntKind.RTCP]


def random_datagram() -> st.SearchStrategy[bytes]:
    media = st.builds(
        lambda first, second, rest: bytes((first, second)) + rest,
        st.integers(128, 191),
        st.integers(0, 255),
        st.binary(max_size=200),
    )
    return st.one_of(st.binary(max_size=80), media)


def test_noise_never_raises(create: Callable[[], Plane]) -> None:
    @given(st.lists(st.tuples(random_datagram(), st.sampled_from([1, 3, None])), max_size=20))
    def check(datagrams: list[tuple[bytes, int | None]]) -> None:
        world = World(create())
        world.join(1)
        world.join(2)
        world.join(3, keyed=False)
        world.publish(10, 1)
        world.subscribe(20, 2, 10)
        for datagram, sender in datagrams:
            before = sum(world.drops().values())
            world.receive(datagram, world.peers[sender].address if sender else STRANGER)
            # Each is either punted or dropped, never both, never lost.
            assert len(world.take_punts()) + sum(world.drops().values()) - before == 1
        world.send(1, rtp_packet(1))
        assert len(world.peers[2].packets) == 1

    check()


def test_plaintext_noise_never_raises(create: Callable[[], Plane]) -> None:
    """What a hostile peer with keys can send: anything, well protected."""

    packet = st.builds(
        lambda first, second, sequence, rest: struct.pack("!BBHII", first, second, sequence, 0, 1) + rest,
        st.integers(128, 191),
        st.sampled_from([96, 224, 97]),
        st.integers(0, 65535),
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                lambda profile, words, rest: struct.pack("!HH", profile, words) + rest,
                st.sampled_from([0xBEDE, 0x1000, 0x100F, 0x1234]),
                st.integers(0, 16),
                st.binary(max_size=60),
            ),
        ),
    )

    @given(st.lists(packet, max_size=20))
    def check(packets: list[bytes]) -> None:
        world = World(create())
        world.join(1)
        world.join(2)
        world.publish(10, 1)
        identifiers = {identifier: identifier % 16 + 1 for identifier in range(1, 256)}
        world.subscribe(20, 2, 10, mid="0", mid_extension=1, extensions=identifiers)
        for number, packet in enumerate(packets, 1):
            world.replay(1, packet)
            world.check_route(20)
            source, route = world.plane.source_state(10), world.plane.route_state(20)
            assert source.packets == route.offered
            # Each packet was sent or dropped, under one reason.
            assert number == route.packets + sum(world.drops().values())

    check()


@pytest.mark.parametrize("size", [*range(1, 40), 1499, 1500, 1501, 9000, 65535])
def test_every_size(call: World, size: int) -> None:
    for first in range(0, 256, 8):
        call.receive(bytes((first,)) + os.urandom(size - 1), call.peers[1].address)
    assert len(call.take_punts()) + sum(call.drops().values()) == 32
