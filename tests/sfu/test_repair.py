"""A call over lossy links: video is whole with repair, and not without it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from sfu.wire import rtcp
from tests.sfu.link import Link, random_loss
from tests.sfu.world import VP8_DELTA, VP8_KEYFRAME, Client, Line, World

SSRC = 7
PACKETS_PER_FRAME = 6
FRAMES_PER_SECOND = 30
# Seconds that a player waits for a frame to be whole.
PATIENCE = 0.6


@dataclass
class Publisher:
    """Sends frames, and again what a NACK asks for."""

    client: Client
    repair: bool
    sent: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    number: int = 65_000
    rtx_number: int = 100
    frame: int = 0
    wants_keyframe: bool = True

    def send_frame(self) -> None:
        head = VP8_KEYFRAME if self.wants_keyframe else VP8_DELTA
        self.wants_keyframe = False
        for part in range(PACKETS_PER_FRAME):
            body = (head if part == 0 else b"\x00\x00") + bytes(900)
            payload = body + self.frame.to_bytes(4, "big") + bytes((part,))
            self.sent[self.number] = self.frame * 3000, payload
            self.client.send(SSRC, payload, sequence_number=self.number, timestamp=self.frame * 3000)
            self.number = self.number + 1 & 0xFFFF
        self.frame += 1

    def answer(self) -> None:
        for packet in self.client.rtcp:
            if isinstance(packet, rtcp.PictureLossIndication):
                self.wants_keyframe = True
            elif isinstance(packet, rtcp.GenericNack):
                for number in packet.lost:
                    timestamp, payload = self.sent[number]
                    self.client.send(
                        SSRC + 1,
                        number.to_bytes(2, "big") + payload,
                        payload_type=97,
                        sequence_number=self.rtx_number,
                        timestamp=timestamp,
                    )
                    self.rtx_number += 1
        self.client.rtcp.clear()


@dataclass
class Subscriber:
    """Puts frames together, and asks for what is missing."""

    client: Client
    repair: bool
    ssrc: int
    parts: dict[int, set[int]] = field(default_factory=dict)
    began: dict[int, float] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    asked: dict[int, float] = field(default_factory=dict)
    highest: int | None = None

    def take(self, now: float) -> None:
        for packet in self.client.rtp:
            number, payload = packet.sequence_number, packet.payload
            if packet.payload_type == 97:
                number, payload = int.from_bytes(payload[:2], "big"), payload[2:]
            frame, part = int.from_bytes(payload[-5:-1], "big"), payload[-1]
            self.note(number)
            self.parts.setdefault(frame, set()).add(part)
            began = self.began.setdefault(frame, now)
            if len(self.parts[frame]) == PACKETS_PER_FRAME and now - began <= PATIENCE:
                self.whole.add(frame)
        self.client.rtp.clear()
        lost = tuple(n & 0xFFFF for n, at in self.asked.items() if n not in self.seen and at <= now)
        if self.repair and lost:
            for number in self.asked:
                if number & 0xFFFF in lost:
                    self.asked[number] = now + 0.11
            self.client.send_rtcp(rtcp.GenericNack(1, self.ssrc, lost[:200]))

    def note(self, number: int) -> None:
        if self.highest is None:
            self.highest = number
        extended = self.highest + ((number - self.highest + 0x8000 & 0xFFFF) - 0x8000)
        for missing in range(self.highest + 1, extended):
            self.asked.setdefault(missing, 0.0)
        self.highest = max(self.highest, extended)
        self.seen.add(extended)
        self.asked.pop(extended, None)


def share_of_whole_frames(plane: str, *, repair: bool, loss: float = 0.05, seconds: float = 20.0) -> float:
    """Of the frames sent: those that the subscriber gets whole, with loss both ways of both links."""
    world = World(plane)
    alice, bob = world.client("alice"), world.client("bob")
    alice.offer(Line("0", "video", "sendonly", ssrc=SSRC, repair=repair))
    alice.connect()
    bob.offer(Line("0", "video", "recvonly", repair=repair))
    bob.connect()
    for seed, client in enumerate((alice, bob)):
        client.uplink = Link(delay=0.025, loss=random_loss(loss, 10 * seed + 1))
        client.downlink = Link(delay=0.025, loss=random_loss(loss, 10 * seed + 2))
    publisher = Publisher(alice, repair)
    subscriber = Subscriber(bob, repair, bob.ssrc_on("0"))
    for step in range(round(seconds * 100)):
        if step % 100 * FRAMES_PER_SECOND // 100 != (step - 1) % 100 * FRAMES_PER_SECOND // 100:
            publisher.send_frame()
        world.run(0.01, step=0.01)
        publisher.answer()
        subscriber.take(world.now)
    # The last ones may still be on their way.
    frames = publisher.frame - FRAMES_PER_SECOND
    first = min(subscriber.whole)
    share = len([frame for frame in subscriber.whole if frame < frames]) / (frames - first)
    stats = world.worker.stats("room")
    assert stats is not None
    (stream,), (consumer,) = stats.producers[0].streams, stats.consumers
    if repair:
        assert stream.nack_count > 0
        assert stream.retransmitted_packets_received > 0
        # What was recovered is not lost.
        assert stream.packets_lost < 0.01 * stream.packets_received
        assert consumer.nack_count > 0
        assert consumer.retransmitted_packets_sent > 0
        assert world.worker.history_bytes() > 0
    else:
        assert stream.packets_lost > 0.03 * stream.packets_received
        assert (stream.nack_count, consumer.retransmitted_packets_sent) == (0, 0)
    return share


@pytest.mark.parametrize("plane", ["reference", "fast"])
def test_five_percent_loss_both_ways(plane: str) -> None:
    without = share_of_whole_frames(plane, repair=False, seconds=10)
    with_repair = share_of_whole_frames(plane, repair=True)
    print(f"{plane}: {without:.1%} of the frames whole without repair, {with_repair:.1%} with it")
    assert without < 0.7
    assert with_repair >= 0.98


def test_a_keyframe_is_asked_for_when_repair_fails() -> None:
    world = World()
    alice, bob = world.client("alice"), world.client("bob")
    alice.offer(Line("0", "video", "sendonly", ssrc=SSRC, repair=True))
    alice.connect()
    bob.offer(Line("0", "video", "recvonly", repair=True))
    bob.connect()
    alice.send(SSRC, VP8_KEYFRAME, sequence_number=10)
    alice.rtcp.clear()
    alice.send(SSRC, VP8_DELTA, sequence_number=12, timestamp=3000)
    world.run(0.9, step=0.02)
    assert not [packet for packet in alice.rtcp if isinstance(packet, rtcp.PictureLossIndication)]
    world.run(0.3, step=0.02)
    assert alice.taken_rtcp(rtcp.PictureLossIndication)[0].media_ssrc == SSRC
    alice.send(SSRC, VP8_KEYFRAME, sequence_number=13, timestamp=6000)
    world.run(2.0, step=0.02)
    assert alice.taken_rtcp(rtcp.PictureLossIndication) == []


def test_rtx_of_an_ssrc_that_nobody_named() -> None:
    world = World()
    alice, bob = world.client("alice"), world.client("bob")
    alice.offer(Line("0", "video", "sendonly", repair=True))
    alice.connect()
    bob.offer(Line("0", "video", "recvonly", repair=True))
    bob.connect()
    alice.send(SSRC, VP8_KEYFRAME, mid="0", sequence_number=10)
    alice.send(SSRC, VP8_DELTA, sequence_number=12, timestamp=6000)
    alice.send(55, b"\x00\x0b" + VP8_DELTA, payload_type=97, mid="0", sequence_number=1, timestamp=3000)
    assert sorted(packet.timestamp for packet in bob.rtp) == [0, 3000, 6000]
    assert world.worker.drops() == {}


def test_without_rtx_a_nack_is_answered_by_the_packet_itself() -> None:
    world = World()
    alice, bob = world.client("alice"), world.client("bob")
    vp8 = Line("0", "video", "recvonly")
    alice.offer(Line("0", "video", "sendonly", ssrc=SSRC))
    alice.connect()
    vp8.codecs = ("96 VP8/90000\r\na=rtcp-fb:96 nack",)
    bob.offer(vp8)
    bob.connect()
    bob.downlink.loss = lambda sent, now: True
    alice.send(SSRC, VP8_KEYFRAME, sequence_number=10)
    assert bob.rtp == []
    bob.downlink.loss = None
    alice.send(SSRC, VP8_DELTA, sequence_number=11, timestamp=3000)
    (later,) = bob.rtp
    bob.send_rtcp(rtcp.GenericNack(1, later.ssrc, (later.sequence_number - 1 & 0xFFFF,)))
    assert bob.rtp[-1].payload == VP8_KEYFRAME
