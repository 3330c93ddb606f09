"""The invariant that all of these tests run under, tried on what breaks it."""

from ledger import Ledger
from plane_world import World, rtp_packet

from sfu.plane import srtp


def sends(world: World) -> None:
    world.join(1)
    world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10)
    for number in (65535, 0, 0, 2, 1):
        world.replay(1, rtp_packet(number))


def test_the_ledger_sees_each_packet_of_both_planes(world: World, ledger: Ledger) -> None:
    sends(world)
    assert [index for _, ssrc, index in ledger.plaintexts if ssrc == 1000] == [100, 101, 103, 102]


def test_the_ledger_counts_the_roll_over(world: World, ledger: Ledger) -> None:
    world.join(1)
    world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10, first=32767)
    for number in range(0, 140_000, 1000):
        world.replay(1, rtp_packet(number))
    assert max(index for _, _, index in ledger.plaintexts) == 32767 + 139_000


def test_the_ledger_finds_two_plaintexts(world: World, ledger: Ledger) -> None:
    peer = world.join(1)
    session = srtp.send_session(peer.keys)
    for payload in (b"one", b"one", b"two"):
        ledger.note(srtp.pointer(session), rtp_packet(7, 0, payload))
    assert ledger.repeats == ["SSRC 1 has two plaintexts under index 7"]
    ledger.repeats.clear()
    # A session of its own has indices of its own.
    other = srtp.send_session(peer.keys)
    ledger.note(srtp.pointer(other), rtp_packet(7, 0, b"two"))
    assert not ledger.repeats
