"""Temporal layers and switching between streams, on both planes: nothing that is shown is broken."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plane_world import World, rtp_packet
from streams import Vp8Stream, contiguous, decoded, send_all, vp8_frames

from sfu.plane._fast import FastPlane
from sfu.plane.interface import Drop, Feed
from sfu.plane.reference import ReferencePlane

FULL, BASE = 255, 0


def simulcast(world: World, *streams: Vp8Stream) -> None:
    """A publisher (1) of these streams, sources 1, 2, …; a subscriber (2) whose route 10 source 1 feeds."""
    world.join(1)
    world.join(2)
    for number, stream in enumerate(streams, 1):
        world.publish(number, 1, ssrc=stream.ssrc)
    world.subscribe(10, 2, 1, keyframe=True)


def switch(world: World, source: int, delta: int | None = None) -> None:
    world.plane.switch_route(10, Feed(source, {96: 97}, {}, True, delta))


@pytest.mark.parametrize("first", [0, 65_500, 32_760])
@pytest.mark.parametrize(("limit", "layers"), [(0, {0}), (1, {0, 1}), (2, {0, 1, 2}), (255, {0, 1, 2})])
def test_temporal_limit(world: World, first: int, limit: int, layers: set[int]) -> None:
    stream = Vp8Stream(1, sequence=first, picture=first & 0x7FFF, tl0=first & 0xFF)
    simulcast(world, stream)
    world.plane.limit_route(10, FULL, limit)
    send_all(world, [*stream.frame(keyframe=True), *stream.frames(63)])
    frames = decoded(world.peers[2])
    assert {frame.temporal for frame in frames} == layers
    assert len(frames) == 64 * {0: 2, 1: 4, 2: 8, 255: 8}[limit] // 8
    assert world.drops().get(Drop.LAYER_NOT_WANTED, 0) == 2 * (64 - len(frames))
    world.check_route(10)


def test_temporal_layers_go_down_at_the_next_picture(world: World) -> None:
    stream = Vp8Stream(1)
    simulcast(world, stream)
    send_all(world, [*stream.frame(keyframe=True), *stream.frames(6)])
    begun, *rest = stream.frame()
    send_all(world, [begun])
    world.plane.limit_route(10, FULL, 0)
    send_all(world, [*rest, *stream.frames(8)])
    frames = decoded(world.peers[2])
    # The picture that had begun is sent to its end.
    assert [frame.temporal for frame in frames] == [0, 2, 1, 2, 0, 2, 1, 2, 0, 0]


def test_temporal_layers_go_up_one_by_one_where_they_may_start(world: World) -> None:
    stream = Vp8Stream(1)
    simulcast(world, stream)
    world.plane.limit_route(10, FULL, 0)
    send_all(world, [*stream.frame(keyframe=True), *stream.frames(3)])
    world.plane.limit_route(10, FULL, 2)
    send_all(world, stream.frames(20))
    frames = decoded(world.peers[2])
    # No layer starts in the second half of the pattern; in the next one layer 1 does, and layer 2 after that.
    assert [frame.temporal for frame in frames] == [0, 0, 0, 1, 0, 1, 0, 2, 1, 2, 0, 2, 1, 2]
    assert next(frame.sync for frame in frames if frame.temporal)


def test_a_keyframe_lets_all_temporal_layers_in(world: World) -> None:
    stream = Vp8Stream(1)
    simulcast(world, stream)
    world.plane.limit_route(10, FULL, 0)
    send_all(world, [*stream.frame(keyframe=True), *stream.frames(3)])
    world.plane.limit_route(10, FULL, 255)
    send_all(world, [*stream.frame(keyframe=True), *stream.frames(3)])
    assert [frame.temporal for frame in decoded(world.peers[2])] == [0, 0, 2, 1, 2]


def test_what_is_lost_on_the_way_in_is_seen_by_the_subscriber(world: World) -> None:
    stream = Vp8Stream(1, sequence=65_530)
    simulcast(world, stream)
    world.plane.limit_route(10, FULL, 0)
    packets = [*stream.frame(keyframe=True), *stream.frames(11)]
    # Frames 0, 4, 8 are of the base layer, two packets each; the first of frame 4 is lost.
    send_all(world, packets[:8] + packets[9:])
    numbers = [packet.sequence for packet in world.peers[2].packets]
    assert [number - numbers[0] for number in numbers] == [0, 1, 3, 4, 5]


def test_a_late_packet_takes_its_place(world: World) -> None:
    stream = Vp8Stream(1)
    simulcast(world, stream)
    world.plane.limit_route(10, FULL, 0)
    packets = [*stream.frame(keyframe=True), *stream.frames(11)]
    late = packets.pop(8)
    send_all(world, [*packets[:13], late, *packets[13:]])
    received = world.peers[2].packets
    assert not contiguous(received)
    assert contiguous(sorted(received, key=lambda packet: packet.sequence))
    assert all(frame.complete for frame in vp8_frames(received))


def test_a_late_packet_that_is_not_wanted_leaves_no_gap(world: World) -> None:
    """It was taken for lost and has a place, which is filled."""
    stream = Vp8Stream(1)
    simulcast(world, stream)
    world.plane.limit_route(10, FULL, 0)
    packets = [*stream.frame(keyframe=True), *stream.frames(7)]
    late = packets.pop(4)  # of layer 1
    send_all(world, [*packets, late])
    received = sorted(world.peers[2].packets, key=lambda packet: packet.sequence)
    assert contiguous(received)
    (filler,) = [packet for packet in received if packet.rest == b"\x01"]
    assert filler.payload_type == 97
    assert world.plane.route_state(10).packets == len(received)
    world.check_route(10)


@pytest.mark.parametrize("at", [0, 200, 65_530])
def test_switch_goes_on_until_the_keyframe(world: World, at: int) -> None:
    low, high = Vp8Stream(1, sequence=at, picture=at & 0x7FFF), Vp8Stream(2, 777, 123_456, 9000, 77)
    simulcast(world, low, high)
    send_all(world, [*low.frame(keyframe=True), *low.frames(7)])
    switch(world, 2)
    state = world.plane.route_state(10)
    assert (state.source, state.next_source) == (1, 2)
    for _ in range(10):
        send_all(world, [*low.frame(), *high.frame()])
    assert len(decoded(world.peers[2])) == 18
    send_all(world, high.frame(keyframe=True))
    for _ in range(10):
        send_all(world, [*low.frame(), *high.frame()])
    state = world.plane.route_state(10)
    assert (state.source, state.next_source) == (2, None)
    frames = decoded(world.peers[2])
    assert [frame.origin for frame in frames] == [1] * 18 + [2] * 11
    # Before the switch the new stream was dropped as what it is; afterwards the old one is not even offered.
    assert world.drops()[Drop.AWAITING_KEYFRAME] == 20
    assert state.offered == 18 * 2 + 20 + 11 * 2


def test_twenty_switches_up_and_down(world: World) -> None:
    low, high = Vp8Stream(1, 5, 90_000, 32_700, 250), Vp8Stream(2, 60_000, 2**32 - 90_000, 5, 3)
    simulcast(world, low, high)
    streams = {1: low, 2: high}
    send_all(world, low.frame(keyframe=True))
    send_all(world, high.frame(keyframe=True))
    for _, source in zip(range(40), itertools.cycle([2, 1]), strict=False):
        switch(world, source)
        for number, stream in streams.items():
            send_all(world, stream.frame(keyframe=number == source))
        for _ in range(5):
            for stream in streams.values():
                send_all(world, stream.frame())
    frames = decoded(world.peers[2])
    changes = [after.origin for before, after in itertools.pairwise(frames) if before.origin != after.origin]
    assert changes == [2, 1] * 20


def test_timestamps_keep_to_the_clock_of_the_publisher(world: World) -> None:
    """The streams count from elsewhere; sender reports tell how far apart they are."""
    low, high = Vp8Stream(1, timestamp=1_000_000), Vp8Stream(2, timestamp=5_000_000)
    simulcast(world, low, high)
    send_all(world, [*low.frame(keyframe=True), *low.frames(2)])
    high.frame(), high.frame(), high.frame()
    switch(world, 2, delta=-4_000_000)
    # Its keyframe comes a quarter of a second later than its timestamp says.
    world.now += 0.25
    send_all(world, [*high.frame(keyframe=True), *high.frames(2)])
    timestamps = [frame.timestamp for frame in decoded(world.peers[2])]
    assert timestamps == [1_000_000 + 3000 * n for n in range(1, 7)]


def test_a_frame_of_the_same_moment_comes_after(world: World) -> None:
    """Both layers encode one picture: where the lower one was sent already, timestamps still go up."""
    low, high = Vp8Stream(1, timestamp=0), Vp8Stream(2, timestamp=0)
    simulcast(world, low, high)
    send_all(world, low.frame(keyframe=True))
    switch(world, 2, delta=0)
    send_all(world, high.frame(keyframe=True))
    first, second = decoded(world.peers[2])
    assert 900 <= second.timestamp - first.timestamp <= 3000


def test_a_switch_can_be_taken_back(world: World) -> None:
    low, high = Vp8Stream(1), Vp8Stream(2)
    simulcast(world, low, high)
    send_all(world, low.frame(keyframe=True))
    switch(world, 2)
    switch(world, 1)
    assert world.plane.route_state(10).next_source is None
    send_all(world, [*high.frame(keyframe=True), *low.frames(3)])
    assert {frame.origin for frame in decoded(world.peers[2])} == {1}


def test_a_switch_can_be_replaced(world: World) -> None:
    low, middle, high = Vp8Stream(1), Vp8Stream(2), Vp8Stream(3)
    simulcast(world, low, middle, high)
    send_all(world, low.frame(keyframe=True))
    switch(world, 2)
    switch(world, 3)
    send_all(world, [*middle.frame(keyframe=True), *high.frame(keyframe=True), *middle.frames(2)])
    assert [frame.origin for frame in decoded(world.peers[2])] == [1, 3]


def test_where_the_source_ends_the_next_one_is_waited_for(world: World) -> None:
    low, high = Vp8Stream(1), Vp8Stream(2)
    simulcast(world, low, high)
    send_all(world, low.frame(keyframe=True))
    switch(world, 2)
    world.plane.remove_source(1)
    state = world.plane.route_state(10)
    assert (state.source, state.next_source, state.awaiting_keyframe) == (2, None, True)
    send_all(world, [*high.frames(2), *high.frame(keyframe=True), *high.frames(1)])
    assert [frame.origin for frame in decoded(world.peers[2])] == [1, 2, 2]


def test_where_the_next_source_ends_the_route_goes_on(world: World) -> None:
    low, high = Vp8Stream(1), Vp8Stream(2)
    simulcast(world, low, high)
    send_all(world, low.frame(keyframe=True))
    switch(world, 2)
    world.plane.remove_source(2)
    state = world.plane.route_state(10)
    assert (state.source, state.next_source, state.awaiting_keyframe) == (1, None, False)
    send_all(world, low.frames(3))
    assert len(decoded(world.peers[2])) == 4


def test_a_route_without_a_source_is_fed_at_once(world: World) -> None:
    low = Vp8Stream(1)
    simulcast(world, low)
    world.plane.feed_route(10, None)
    switch(world, 1)
    assert world.plane.route_state(10).source == 1


def test_a_route_switches_between_sources_of_one_publisher(world: World) -> None:
    simulcast(world, Vp8Stream(1))
    world.join(3)
    world.publish(7, 3, ssrc=7)
    with pytest.raises(ValueError, match="source 7 is of transport 3, and source 1 of 1"):
        switch(world, 7)
    with pytest.raises(KeyError, match="there is no source 99"):
        switch(world, 99)


@pytest.mark.parametrize(
    ("spatial", "temporal", "message"),
    [(-1, 0, "spatial layer is -1"), (0, 256, "temporal layer is 256, it should be 0 to 255")],
)
def test_limits_are_checked(world: World, spatial: int, temporal: int, message: str) -> None:
    simulcast(world, Vp8Stream(1))
    with pytest.raises(ValueError, match=message):
        world.plane.limit_route(10, spatial, temporal)


def test_bytes_are_counted_by_layer(world: World) -> None:
    stream = Vp8Stream(1)
    simulcast(world, stream)
    packets = [*stream.frame(keyframe=True), *stream.frames(7)]
    send_all(world, packets)
    size = sum(len(packet) for packet in packets) // 16
    counted = world.plane.source_state(1).layer_bytes.items()
    assert {layer: round(count / size) for layer, count in counted} == {
        (0, 0): 4,
        (0, 1): 4,
        (0, 2): 8,
    }


def test_an_encoder_that_begins_anew_keeps_pictures_continuous(world: World) -> None:
    stream = Vp8Stream(1, picture=20_000)
    simulcast(world, stream)
    send_all(world, [*stream.frame(keyframe=True), *stream.frames(3)])
    stream.picture, stream.tl0 = 100, 200
    send_all(world, [*stream.frame(keyframe=True), *stream.frames(3)])
    assert len(decoded(world.peers[2])) == 8


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("frames"), st.integers(1, 9)),
        st.tuples(st.just("key"), st.integers(1, 2)),
        st.tuples(st.just("switch"), st.integers(1, 2)),
        st.tuples(st.just("limit"), st.integers(0, 2)),
        st.tuples(st.just("pause"), st.integers(0, 1)),
    ),
    max_size=25,
)


@pytest.mark.parametrize("create", [ReferencePlane, FastPlane])
@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 65535), steps=STEPS)
def test_whatever_is_asked_what_comes_can_be_decoded(
    create: type[ReferencePlane | FastPlane], start: int, steps: list[tuple[str, int]]
) -> None:
    world = World(create())
    streams = {1: Vp8Stream(1, start, start * 7, start & 0x7FFF), 2: Vp8Stream(2, start ^ 0x5555, start * 9)}
    simulcast(world, *streams.values())
    for step, number in steps:
        if step == "frames":
            for _ in range(number):
                for stream in streams.values():
                    send_all(world, stream.frame())
        elif step == "key":
            send_all(world, streams[number].frame(keyframe=True))
        elif step == "switch":
            switch(world, number)
        elif step == "limit":
            world.plane.limit_route(10, FULL, number)
        else:
            world.plane.pause_route(10, bool(number))
    decoded(world.peers[2])
    world.check_route(10)


def test_streams_without_layers_pass_any_limit(world: World) -> None:
    world.join(1)
    world.join(2)
    world.publish(1, 1, codec="opus")
    world.subscribe(10, 2, 1)
    world.plane.limit_route(10, 0, 0)
    for number in range(5):
        world.send(1, rtp_packet(number, 960 * number, b"\xfc\xff\xfe"))
    assert len(world.peers[2].packets) == 5
