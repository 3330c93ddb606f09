"""What a running room tells of itself."""

import pytest

from tests.sfu.world import VP8_DELTA, VP8_KEYFRAME, Line, World

CAMERA, MICROPHONE = 0x1111, 0x2222


@pytest.fixture
def world():
    return World()


def publish(world):
    ann = world.client("ann")
    ann.offer(Line("0", "audio", "sendonly", MICROPHONE), Line("1", "video", "sendonly", CAMERA))
    ann.connect()
    return ann


def subscribe(world):
    bob = world.client("bob")
    bob.offer(
        Line("a", "audio", "recvonly"),
        Line("v", "video", "recvonly"),
        subscribe={"a": "ann:microphone", "v": "ann:camera"},
    )
    return bob


def test_the_marks_of_a_join_come_one_by_one(world):
    ann = publish(world)
    bob = subscribe(world)
    offered = world.now
    marks = world.worker.join_marks("room", "bob")
    assert (marks.offered, marks.checked, marks.handshaking, marks.connected) == (offered, None, None, None)
    assert (marks.awaits_packet, marks.awaits_keyframe) == (True, True)
    world.now += 1
    bob.check()
    world.now += 1
    # The first byte of a DTLS record (RFC 7983).
    bob.datagram(bytes([22]) * 20)
    world.now += 1
    bob.datagram(bytes([22]) * 20)
    bob.handshake()
    world.now += 1
    ann.send(CAMERA, VP8_DELTA)
    ann.send(MICROPHONE, b"sound", payload_type=111)
    world.now += 1
    ann.send(CAMERA, VP8_KEYFRAME)
    ann.send(MICROPHONE, b"sound", payload_type=111)
    marks = world.worker.join_marks("room", "bob")
    assert [
        at - offered
        for at in (
            marks.checked,
            marks.handshaking,
            marks.connected,
            marks.first_packet,
            marks.first_keyframe,
        )
    ] == pytest.approx([1, 2, 3, 4, 5])


def test_who_sees_nobody_awaits_nothing(world):
    publish(world)
    marks = world.worker.join_marks("room", "ann")
    assert (marks.awaits_packet, marks.awaits_keyframe, marks.first_packet) == (False, False, None)


@pytest.mark.parametrize(("room", "participant"), [("room", "eve"), ("attic", "ann")])
def test_who_is_not_there_has_no_marks(world, room, participant):
    publish(world)
    assert world.worker.join_marks(room, participant) is None


def test_a_connection_tells_how_far_it_has_come(world):
    bob = subscribe(world)

    def state():
        return world.worker.stats("room").transports[0].state

    states = [state()]
    bob.check()
    states.append(state())
    bob.datagram(bytes([22]) * 20)
    states.append(state())
    bob.handshake()
    states.append(state())
    assert states == ["new", "checking", "handshaking", "connected"]


def test_keyframes_that_publishers_were_asked_for_are_counted(world):
    ann, bob = publish(world), subscribe(world)
    ann.send(CAMERA, VP8_DELTA)
    bob.connect()
    world.run(0.6)
    (stream,) = world.worker.stats("room").producers[1].streams
    # One when bob came, and one half a second later, as none was answered.
    assert (stream.keyframe_requests, stream.keyframes) == (2, 0)
    (video,) = [line for line in world.worker.stats("room").consumers if line.kind == "video"]
    assert video.awaiting_keyframe
    ann.send(CAMERA, VP8_KEYFRAME)
    (video,) = [line for line in world.worker.stats("room").consumers if line.kind == "video"]
    assert not video.awaiting_keyframe


def test_the_layer_that_is_sent_is_one_that_there_is(world):
    ann, bob = publish(world), subscribe(world)
    bob.connect()
    video = [line for line in world.worker.stats("room").consumers if line.kind == "video"]
    assert (video[0].spatial_layer, video[0].temporal_layer) == (None, None)
    ann.send(CAMERA, VP8_KEYFRAME)
    video = [line for line in world.worker.stats("room").consumers if line.kind == "video"]
    # All that there are may be sent: that is one.
    assert (video[0].spatial_layer, video[0].temporal_layer) == (0, 0)
