"""What a participant may not do, its packets do not do either."""

import pytest

from sfu.errors import MediaError
from sfu.events import TrackUnpublished
from sfu.offer import UNRESTRICTED, Permissions
from tests.sfu.world import H264, VP8_DELTA, VP8_KEYFRAME, Line, World

CAMERA, MICROPHONE = 0x1111, 0x2222
LISTENER = Permissions(publish=frozenset())


@pytest.fixture(params=["reference", "auto"])
def world(request):
    return World(request.param)


def publish(client, permissions=UNRESTRICTED):
    client.offer(
        Line("0", "audio", "sendonly", MICROPHONE),
        Line("1", "video", "sendonly", CAMERA),
        permissions=permissions,
    )


def published(world, permissions=UNRESTRICTED, *, connect=True):
    ann = world.client("ann")
    publish(ann, permissions)
    if connect:
        ann.connect()
    return ann


def watching(world, permissions=UNRESTRICTED):
    bob = world.client("bob")
    bob.offer(
        Line("a", "audio", "recvonly"),
        Line("v", "video", "recvonly"),
        subscribe={"a": "ann:microphone", "v": "ann:camera"},
        permissions=permissions,
    )
    bob.connect()
    return bob


def talk(ann):
    ann.send(MICROPHONE, b"opus", payload_type=111, mid="0")
    ann.send(CAMERA, VP8_KEYFRAME, mid="1")


def permit(world, participant_id, permissions):
    world.worker.permit("room", participant_id, permissions, world.now)
    world.pump()


def test_what_a_listener_sends_goes_nowhere(world):
    ann, bob = published(world, LISTENER), watching(world)
    assert (ann.answer.publish, ann.direction("0"), ann.direction("1")) == ({}, "inactive", "inactive")
    talk(ann)
    ann.send(0x77, VP8_KEYFRAME, mid="1")
    ann.send(0x78, b"opus", payload_type=111)
    assert bob.rtp == []
    assert world.worker.drops() == {"unknown_ssrc": 4}


def test_only_what_is_permitted_is_published(world):
    ann, bob = published(world, Permissions(publish=frozenset({"microphone"}))), watching(world)
    assert ann.answer.publish == {"0": "ann:microphone"}
    talk(ann)
    assert bob.taken_payloads() == [b"opus"]


def test_one_who_may_not_subscribe_gets_nothing(world):
    ann = published(world)
    bob = watching(world, Permissions(subscribe=False))
    assert bob.answer.subscribe == {"a": None, "v": None}
    assert (bob.direction("a"), bob.direction("v")) == ("inactive", "inactive")
    talk(ann)
    assert bob.rtp == []
    with pytest.raises(MediaError, match="you receive no track"):
        world.worker.pause("room", "bob", "ann:camera", False, world.now)


def test_muted_media_stops_at_the_server_and_comes_back_without_an_offer(world):
    ann, bob = published(world), watching(world)
    talk(ann)
    assert bob.taken_payloads() == [b"opus", VP8_KEYFRAME]
    permit(world, "ann", Permissions(muted=frozenset({"microphone", "camera"})))
    talk(ann)
    ann.send(CAMERA, VP8_DELTA, mid="1")
    assert bob.rtp == []
    permit(world, "ann", Permissions(muted=frozenset({"camera"})))
    talk(ann)
    assert bob.taken_payloads() == [b"opus"]
    permit(world, "ann", UNRESTRICTED)
    ann.send(CAMERA, VP8_DELTA, mid="1")
    assert bob.rtp == [], "a picture begins with a keyframe"
    talk(ann)
    assert bob.taken_payloads() == [b"opus", VP8_KEYFRAME]


def test_a_new_offer_a_new_connection_and_a_new_subscriber_do_not_lift_a_mute(world):
    ann, bob = published(world), watching(world)
    silent = Permissions(muted=frozenset({"microphone", "camera"}))
    permit(world, "ann", silent)
    publish(ann, silent)
    talk(ann)
    cid = world.client("cid")
    cid.offer(Line("a", "audio", "recvonly"), subscribe={"a": "ann:microphone"})
    cid.connect()
    talk(ann)
    ann.send(0x99, b"opus", payload_type=111, mid="0")
    ann.offer(Line("0", "audio", "sendonly", 0x31), fingerprint="CC", permissions=silent)
    ann.connect()
    ann.send(0x31, b"opus", payload_type=111, mid="0")
    assert (bob.rtp, cid.rtp) == ([], [])


def test_a_demotion_closes_producers_in_the_middle_of_a_call(world):
    ann, bob = published(world), watching(world)
    world.taken_events()
    permit(world, "ann", LISTENER)
    assert {event.track_id for event in world.taken_events(TrackUnpublished)} == {
        "ann:microphone",
        "ann:camera",
    }
    talk(ann)
    assert bob.rtp == []
    # Promoted again, it has to offer.
    permit(world, "ann", UNRESTRICTED)
    talk(ann)
    assert bob.rtp == []
    publish(ann)
    talk(ann)
    assert bob.taken_payloads() == [b"opus", VP8_KEYFRAME]


def test_subscriptions_end_in_the_middle_of_a_call(world):
    ann, bob = published(world), watching(world)
    permit(world, "bob", Permissions(subscribe=False))
    talk(ann)
    assert bob.rtp == []
    assert world.worker.sizes()["routes"] == 0


def test_a_room_has_the_codecs_that_it_is_given(world):
    ann = world.client("ann")
    both = (*H264, "96 VP8/90000")
    only = Permissions(video_codecs=("H264",))
    ann.offer(Line("0", "video", "sendonly", CAMERA, codecs=both), permissions=only)
    assert "H264" in ann.answer.sdp
    assert "VP8" not in ann.answer.sdp
    with_none = world.client("bob")
    with_none.offer(Line("0", "video", "sendonly", CAMERA), permissions=only)
    assert with_none.answer.publish == {}


def test_permitting_somebody_without_media_does_nothing(world):
    permit(world, "nobody", LISTENER)
    published(world)
    permit(world, "nobody", LISTENER)
