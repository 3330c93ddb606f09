"""Probes: padding towards a subscriber fills what is sent up to a rate, on both planes."""

from collections.abc import Callable

import pytest
from plane_world import VP8_KEYFRAME, Rtp, World, rtp_packet

from sfu.bwe.probing import probe_bitrate
from sfu.bwe.sent import Probe
from sfu.plane.interface import Drop, Repair
from sfu.wire import rtp

WIDE, TIME = 5, 6
MEDIA, RTX = 1000, 1001


@pytest.fixture
def call(world: World) -> World:
    """One who sends, one who gets it with RTX; a packet has been sent."""
    world.join(1)
    world.join(2)
    world.publish(1, 1)
    world.subscribe(
        1, 2, 1, ssrc=MEDIA, transport_wide=WIDE, abs_send_time=TIME, nack=True, rtx_ssrc=RTX, first_rtx=32767
    )
    world.send(1, rtp_packet(1, 90_000, payload=VP8_KEYFRAME))
    return world


def taken(world: World) -> list[Rtp]:
    packets = world.peers[2].packets[:]
    world.peers[2].packets.clear()
    return packets


def wide(packet: Rtp) -> int:
    return int.from_bytes(dict(rtp.read_elements(packet.extension, 0, len(packet.extension)))[WIDE], "big")


def result(world: World) -> Probe:
    state = world.plane.bandwidth(2)
    assert state is not None
    return state.probe


def run(world: World, seconds: float, step: float = 0.002) -> None:
    for _ in range(round(seconds / step)):
        world.tick(step)


def test_a_probe_is_padding_at_its_rate(call: World) -> None:
    taken(call)
    assert call.plane.probe(2, 7, 2e6, 0.03, call.now)
    call.drain()
    assert len(call.peers[2].packets) == 1  # the first one at once
    run(call, 0.1)
    padding = taken(call)
    # Contiguous over 2^15, on the SSRC and with the payload type of RTX, and all of it padding.
    assert [packet.sequence for packet in padding] == [32767 + at for at in range(len(padding))]
    assert {(p.ssrc, p.payload_type, p.marker, p.timestamp) for p in padding} == {(RTX, 99, False, 90_000)}
    assert {packet.rest for packet in padding} == {bytes(254) + b"\xff"}
    assert [wide(packet) for packet in padding] == [2 + at for at in range(len(padding))]
    probe = result(call)
    assert (probe.id, probe.done, probe.packets_sent) == (7, True, len(padding))
    sending = probe.last_sent - probe.first_sent
    assert sending == pytest.approx(0.03, abs=0.003)
    assert 8 * (probe.bytes_sent - probe.size_last_sent) / sending == pytest.approx(2e6, rel=0.1)
    state = call.plane.route_state(1)
    assert (state.packets, state.padding, state.retransmitted) == (1, len(padding), 0)
    repairs = call.plane.repairs()
    assert repairs[Repair.PROBES] == 1
    assert repairs[Repair.PADDING_PACKETS] == len(padding)
    assert repairs[Repair.PADDING_BYTES] == state.padding_bytes == len(padding) * (12 + 12 + 255)
    call.check_route(1)


def test_media_counts_towards_it(call: World) -> None:
    call.plane.probe(2, 1, 1e6, 0.03, call.now)
    for number in range(2, 20):
        call.send(1, rtp_packet(number, 90_000, payload=VP8_KEYFRAME + bytes(1000)))
        call.tick(0.002)
    run(call, 0.1)
    assert call.plane.route_state(1).padding == 1
    assert result(call).packets_sent > 10
    assert result(call).done


def test_a_slow_one_lasts_until_it_shows_something(call: World) -> None:
    call.plane.probe(2, 1, 150e3, 0.03, call.now)
    run(call, 0.2)
    probe = result(call)
    assert probe.done
    assert probe.packets_sent >= 5
    sending = probe.last_sent - probe.first_sent
    assert 8 * (probe.bytes_sent - probe.size_last_sent) / sending == pytest.approx(150e3, rel=0.1)
    arrived = Probe(
        1,
        probe.packets_sent,
        probe.bytes_sent,
        probe.first_sent,
        probe.last_sent,
        probe.size_last_sent,
        probe.packets_sent,
        probe.bytes_sent,
        probe.first_sent,
        probe.last_sent,
        probe.size_last_sent,
        True,
    )
    assert probe_bitrate(arrived) == pytest.approx(150e3, rel=0.1)


def test_a_late_tick_makes_no_flood(call: World) -> None:
    call.plane.probe(2, 1, 50e6, 0.03, call.now)
    call.drain()
    before = len(taken(call))
    call.tick(5.0)
    assert before <= len(taken(call)) <= 64
    assert result(call).done
    run(call, 0.1)
    assert taken(call) == []


def test_the_next_one_takes_its_place(call: World) -> None:
    call.plane.probe(2, 1, 1e6, 0.03, call.now)
    run(call, 0.01)
    call.plane.probe(2, 2, 1e6, 0.03, call.now)
    run(call, 0.1)
    assert (result(call).id, result(call).done) == (2, True)
    numbers = [packet.sequence for packet in taken(call) if packet.ssrc == RTX]
    assert numbers == list(range(32767, 32767 + len(numbers)))


def test_retransmissions_and_padding_share_their_numbers(call: World) -> None:
    """RTX of media between padding: contiguous, and no number twice (the peer holds that)."""
    call.plane.probe(2, 1, 1e6, 0.03, call.now)
    run(call, 0.01)
    call.send_rtcp(2, bytes.fromhex("81cd0003 00000009 000003e8 00640000"))
    run(call, 0.1)
    numbers = [packet.sequence for packet in taken(call) if packet.ssrc == RTX]
    assert numbers == list(range(32767, 32767 + len(numbers)))
    assert call.plane.route_state(1).retransmitted == 1


def test_it_goes_on_while_the_route_rests(call: World) -> None:
    """A subscriber whose pictures are paused is probed, or they would never come back."""
    call.plane.pause_route(1, True)
    assert call.plane.probe(2, 1, 1e6, 0.03, call.now)
    call.plane.feed_route(1, None)
    run(call, 0.1)
    assert result(call).packets_sent > 5


def test_without_an_address_it_ends(call: World) -> None:
    call.plane.unbind(2, call.peers[2].address)
    assert call.plane.probe(2, 1, 1e6, 0.03, call.now)
    run(call, 0.29)
    assert not result(call).done
    run(call, 0.02)
    assert (result(call).done, result(call).packets_sent) == (True, 0)


def test_its_transport_and_its_route_may_go(call: World) -> None:
    call.plane.probe(2, 1, 1e6, 0.03, call.now)
    call.plane.remove_route(1)
    run(call, 0.01)
    call.plane.close_transport(2)
    run(call, 0.1)
    assert set(call.drops()) <= {Drop.SRTP_REPLAY}


def no_rtx(world: World) -> None:
    world.subscribe(1, 2, 1, ssrc=MEDIA, transport_wide=WIDE, nack=True)


def no_numbers(world: World) -> None:
    world.subscribe(1, 2, 1, ssrc=MEDIA, nack=True, rtx_ssrc=RTX)


@pytest.mark.parametrize("subscribe", [no_rtx, no_numbers])
def test_what_cannot_carry_padding(world: World, subscribe: Callable[[World], None]) -> None:
    world.join(1)
    world.join(2)
    world.publish(1, 1)
    subscribe(world)
    world.send(1, rtp_packet(1, payload=VP8_KEYFRAME))
    taken(world)
    assert not world.plane.probe(2, 1, 1e6, 0.03, world.now)
    run(world, 0.05)
    assert taken(world) == []
    assert world.plane.repairs()[Repair.PROBES] == 0


def test_before_the_first_packet_there_is_none(world: World) -> None:
    world.join(2)
    world.subscribe(1, 2, None, transport_wide=WIDE, rtx_ssrc=RTX, nack=True)
    assert not world.plane.probe(2, 1, 1e6, 0.03, world.now)


@pytest.mark.parametrize(
    ("number", "bitrate", "duration", "message"),
    [
        (0, 1e6, 0.03, "probe is 0, it should be 1 to 4294967295"),
        (1 << 32, 1e6, 0.03, "probe is 4294967296"),
        (1, 0.0, 0.03, "probe of 0.0 bit/s for 0.03 s: both should be above 0"),
        (1, 1e6, float("nan"), "for nan s"),
    ],
)
def test_what_is_no_probe(call: World, number: int, bitrate: float, duration: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call.plane.probe(2, number, bitrate, duration, call.now)
    with pytest.raises(KeyError, match="there is no transport 9"):
        call.plane.probe(9, 1, 1e6, 0.03, call.now)
