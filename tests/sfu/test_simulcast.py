"""A room with a simulcast: who gets which stream, when it changes, and what the publisher is told."""

import itertools
import struct

import pytest

from sfu.dynacast import HOLD
from sfu.errors import MediaError
from sfu.events import EncodingsWanted, SubscriptionChanged, TrackPublished
from sfu.wire import rtcp, rtp
from sfu.wish import Wish
from tests.sfu.world import MID_ID, Line, World, ntp

RID_ID = 5
SSRCS = {"q": 101, "h": 102, "f": 103}
SIZES = {"q": (320, 180), "h": (640, 360), "f": (1280, 720)}


class SimulcastLine(Line):
    """An m-line that offers three streams by rid."""

    def __str__(self):
        lines = [
            super().__str__(),
            f"a=extmap:{RID_ID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            *(f"a=rid:{rid} send" for rid in SSRCS),
            f"a=simulcast:send {';'.join(SSRCS)}",
        ]
        return "\r\n".join(lines)


class Room:
    """Ann publishes the simulcast, others watch. `step` is a thirtieth of a second of her camera."""

    def __init__(self):
        self.world = World()
        self.ann = self.world.client("ann")
        self.ann.offer(SimulcastLine("0", "video", "sendonly"))
        self.ann.connect()
        self.sending = {"q", "h", "f"}
        self.frame = 0
        self.numbers = dict.fromkeys(SSRCS, 0)
        self.keyframes = dict.fromkeys(SSRCS, 0)
        self.asked = set()

    def watcher(self, name):
        client = self.world.client(name)
        client.offer(Line("0", "video", "recvonly"), subscribe={"0": "ann:camera"})
        client.connect()
        return client

    def step(self, frames=1):
        for _ in range(frames):
            self.world.now += 1 / 30
            self.frame += 1
            for rid in sorted(self.sending):
                key = rid in self.asked
                self.asked.discard(rid)
                self.keyframes[rid] += key
                self.send(rid, key)
            self.world.worker.tick(self.world.now)
            self.world.pump()
            by_ssrc = {ssrc: rid for rid, ssrc in SSRCS.items()}
            for request in self.ann.taken_rtcp(rtcp.PictureLossIndication):
                self.asked.add(by_ssrc[request.media_ssrc])

    def send(self, rid, keyframe):
        self.numbers[rid] += 1
        width, height = SIZES[rid]
        descriptor = struct.pack("!BBHBB", 0x90, 0xE0, 0x8000 | self.numbers[rid], self.numbers[rid] & 255, 0)
        head = bytes((0 if keyframe else 1, 0, 0))
        if keyframe:
            head += b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
        elements = [(MID_ID, b"0"), (RID_ID, rid.encode())]
        header = rtp.FIXED_HEADER.pack(
            0x90, 0x80 | 96, self.numbers[rid], 3000 * self.frame + 1_000_000 * SSRCS[rid], SSRCS[rid]
        )
        packet = header + rtp.build_extension_block(elements) + descriptor + head + rid.encode() * 200
        self.ann.datagram(self.ann.send_session.protect(packet))

    def seen(self, client):
        """The streams of what a client got, in their order without repetition."""
        rids = []
        for payload in client.taken_payloads():
            rid = chr(payload[-1])
            if not rids or rids[-1] != rid:
                rids.append(rid)
        return rids

    def wish(self, client, *size, **other):
        wish = Wish(*size, **other)
        self.world.worker.wish("room", client.participant_id, "ann:camera", wish, self.world.now)


@pytest.fixture
def room():
    return Room()


def test_the_answer_takes_the_simulcast(room):
    attributes = [str(attribute) for attribute in room.ann.answered("0").attributes]
    assert [a for a in attributes if a.startswith(("rid", "simulcast"))] == [
        "rid:q recv",
        "rid:h recv",
        "rid:f recv",
        "simulcast:recv q;h;f",
    ]
    (published,) = room.world.taken_events(TrackPublished)
    assert [encoding.rid for encoding in published.encodings] == ["q", "h", "f"]


def test_streams_are_told_apart_by_their_rid(room):
    room.step(2)
    assert room.world.worker.sizes()["sources"] == 3
    assert room.world.worker.drops() == {}


def test_a_packet_of_an_unknown_rid_is_nobodys(room):
    SSRCS["x"], SIZES["x"], room.numbers["x"] = 104, (1, 1), 0
    room.send("x", True)
    del SSRCS["x"], SIZES["x"]
    assert room.world.worker.drops() == {"unknown_ssrc": 1}


def test_everybody_gets_the_size_that_fits(room):
    ben, eve = room.watcher("ben"), room.watcher("eve")
    room.step(30)
    assert room.seen(ben)[-1] == room.seen(eve)[-1] == "f"
    room.wish(ben, 320, 180)
    room.step(30)
    assert room.seen(ben) == ["f", "q"]
    assert room.seen(eve) == ["f"]
    room.wish(ben, 640, 360)
    room.step(30)
    assert room.seen(ben) == ["q", "h"]


def test_a_switch_keeps_the_clock_of_the_publisher(room):
    ben = room.watcher("ben")
    for rid, ssrc in SSRCS.items():
        room.step()
        timestamp = 3000 * room.frame + 1_000_000 * ssrc & 0xFFFFFFFF
        assert rid in SSRCS
        room.ann.send_rtcp(rtcp.SenderReport(ssrc, ntp(room.frame / 30), timestamp, 1, 1, ()))
    room.step(30)
    room.wish(ben, 320, 180)
    room.step(30)
    numbers = [packet.sequence_number for packet in ben.rtp]
    timestamps = [packet.timestamp for packet in ben.rtp]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    steps = [after - before & 0xFFFFFFFF for before, after in itertools.pairwise(timestamps)]
    # Where both streams show one moment, the second one comes a hundredth of a second later.
    assert sum(steps) % 3000 in (0, 900, 1800)
    assert all(0 < step <= 6000 for step in steps)


def test_what_is_not_sent_any_more_is_replaced(room):
    ben = room.watcher("ben")
    room.step(30)
    room.seen(ben)
    room.sending = {"q", "h"}
    room.step(60)
    assert room.seen(ben)[-1] == "h"
    event = room.world.taken_events(SubscriptionChanged)[-1]
    assert (event.rid, event.reason, event.width, event.height) == ("h", "publisher", 640, 360)
    room.sending = {"q", "h", "f"}
    room.step(60)
    assert room.seen(ben)[-1] == "f"
    assert room.world.taken_events(SubscriptionChanged)[-1].reason == "wanted"


def test_the_subscriber_is_told_what_it_gets(room):
    ben = room.watcher("ben")
    room.step(40)
    room.world.taken_events()
    room.wish(ben, 320, 180)
    room.step(40)
    assert room.world.taken_events(SubscriptionChanged) == [
        SubscriptionChanged("room", "ben", "ann:camera", "q", 0, 0, 320, 180, "wanted")
    ]


def test_an_allocation_limits_the_layer(room):
    ben = room.watcher("ben")
    room.step(60)
    router = room.world.worker._routers["room"]
    (consumer,) = router.transports["ben"].consumers.values()
    producer = router.producers["ann:camera"]
    assert [layer.rid for layer in producer.ladder] == ["q", "h", "f"]
    assert all(layer.active and layer.bitrate > 10_000 for layer in producer.ladder)
    room.seen(ben)
    router.allocate(consumer, producer.ladder[0], room.world.now)
    room.step(40)
    assert room.seen(ben) == ["f", "q"]
    assert room.world.taken_events(SubscriptionChanged)[-1].reason == "bandwidth"
    router.allocate(consumer, None, room.world.now)
    room.step(40)
    assert room.seen(ben) == ["q", "f"]


def test_what_nobody_wants_rests_and_comes_back(room):
    ben = room.watcher("ben")
    room.step(30)
    room.wish(ben, 320, 180)
    room.step(round(HOLD * 30) + 30)
    (event,) = room.world.taken_events(EncodingsWanted)
    assert event == EncodingsWanted("room", "ann", "ann:camera", (("q", True), ("h", False), ("f", False)))
    room.sending = {"q"}
    room.step(60)
    room.seen(ben)
    room.wish(ben, 1280, 720)
    (event,) = room.world.taken_events(EncodingsWanted)
    assert dict(event.active) == {"q": True, "h": True, "f": True}
    # Until it comes, what there was goes on.
    room.step(10)
    assert room.seen(ben) == ["q"]
    room.sending = {"q", "h", "f"}
    room.step(15)
    assert room.seen(ben)[-1] == "f"


def test_nothing_is_sent_for_those_who_do_not_look(room):
    ben = room.watcher("ben")
    room.step(30)
    room.world.worker.pause("room", "ben", "ann:camera", True, room.world.now)
    room.step(round(HOLD * 30) + 30)
    (event,) = room.world.taken_events(EncodingsWanted)
    assert not any(dict(event.active).values())
    room.seen(ben)
    room.world.worker.pause("room", "ben", "ann:camera", False, room.world.now)
    (event,) = room.world.taken_events(EncodingsWanted)
    assert all(dict(event.active).values())
    room.step(15)
    assert room.seen(ben)[-1] == "f"


def test_a_keyframe_is_asked_for_until_it_has_come(room):
    ben = room.watcher("ben")
    room.step(40)
    room.wish(ben, 320, 180)
    for _ in range(90):
        room.step()
        room.asked.clear()  # every request is lost
    before = room.keyframes["q"]
    room.step(150)
    assert room.keyframes["q"] == before + 1
    assert room.seen(ben) == ["f", "q"]


def test_a_wish_for_what_one_does_not_get_is_refused(room):
    with pytest.raises(MediaError, match="you receive no track"):
        room.world.worker.wish("room", "ann", "ben:camera", Wish(), room.world.now)
    with pytest.raises(MediaError, match="offer to sfu first"):
        room.world.worker.wish("nowhere", "ann", "ben:camera", Wish(), room.world.now)
