"""How a client is reached: restarts, changed addresses, and paths over TCP."""

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from sfu.ice import SILENCE
from sfu.wire.rtcp import PictureLossIndication
from tests.sfu.world import VP8_DELTA, VP8_KEYFRAME, Line, World

CAMERA = 0x1111
BRIDGE, PEER = ("127.0.0.1", 40000), ("198.51.100.9", 1234)


@pytest.fixture
def world():
    return World()


def publisher(world, name="ann"):
    client = world.client(name)
    client.offer(Line("1", "video", "sendonly", CAMERA))
    client.connect()
    return client


def subscriber(world, name="bob", track="ann:camera"):
    client = world.client(name)
    client.offer(Line("v", "video", "recvonly"), subscribe={"v": track})
    client.connect()
    return client


def moved(world, client):
    """The same client, seen from another address."""
    other = world.client(client.participant_id)
    other.answer, other.sequence_number = client.answer, client.sequence_number
    other.send_session, other.receive_session = client.send_session, client.receive_session
    return other


@pytest.mark.parametrize("nominate", [True, False])
def test_a_subscriber_whose_address_changes_is_sent_to_the_new_one_after_its_next_check(world, nominate):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    assert bob.taken_payloads() == [VP8_KEYFRAME]
    world.run(SILENCE + 0.1)
    elsewhere = moved(world, bob)
    elsewhere.check(nominate=nominate)
    ann.send(CAMERA, VP8_DELTA)
    assert (bob.taken_payloads(), elsewhere.taken_payloads()) == ([], [VP8_DELTA])


def test_a_publisher_whose_address_changes_is_heard_after_its_next_check(world):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    elsewhere = moved(world, ann)
    elsewhere.send(CAMERA, VP8_DELTA)
    elsewhere.check()
    elsewhere.send(CAMERA, VP8_DELTA)
    assert bob.taken_payloads() == [VP8_KEYFRAME, VP8_DELTA]
    assert world.worker.drops() == {"unbound_address": 1}


@pytest.mark.parametrize("who", ["publisher", "subscriber"])
def test_a_path_that_changes_has_lost_pictures_so_a_keyframe_is_asked_for(world, who):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    world.run(1.0)
    ann.taken_rtcp(PictureLossIndication)
    elsewhere = moved(world, ann if who == "publisher" else bob)
    elsewhere.check()
    asked = elsewhere if who == "publisher" else ann
    assert [request.media_ssrc for request in asked.taken_rtcp(PictureLossIndication)] == [CAMERA]
    elsewhere.check()
    assert asked.taken_rtcp(PictureLossIndication) == []


def test_media_flows_during_an_ice_restart(world):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    old = bob.answer
    bob.offer(Line("v", "video", "recvonly"), subscribe={"v": "ann:camera"}, ufrag="restarted")
    assert bob.answer.sdp != old.sdp
    ann.send(CAMERA, VP8_DELTA)
    # Checks with the names of before are still answered, until one with the new names has come.
    late = moved(world, bob)
    late.answer = old
    late.check(nominate=False)
    assert len(late.stun) == 1
    ann.send(CAMERA, VP8_DELTA)
    elsewhere = moved(world, bob)
    elsewhere.check()
    ann.send(CAMERA, VP8_DELTA)
    late.check(nominate=False)
    assert len(late.stun) == 1
    assert bob.taken_payloads() == [VP8_KEYFRAME, VP8_DELTA, VP8_DELTA]
    assert elsewhere.taken_payloads() == [VP8_DELTA]


def test_a_client_on_tcp_is_sent_to_what_stands_for_it_and_told_where_it_is(world):
    ann = publisher(world)
    bob = subscriber(world)
    answer = world.worker.check(bob.check_datagram(), BRIDGE, world.now, PEER)
    assert stun.parse_message(answer).attributes["XOR-MAPPED-ADDRESS"] == PEER
    bridged = world.clients[BRIDGE] = moved(world, bob)
    ann.send(CAMERA, VP8_KEYFRAME)
    assert (bob.taken_payloads(), bridged.taken_payloads()) == ([], [VP8_KEYFRAME])


def test_the_end_of_a_tcp_connection_leaves_the_other_paths(world):
    ann, bob = publisher(world), subscriber(world)
    world.worker.check(bob.check_datagram(), BRIDGE, world.now, PEER)
    world.worker.path_closed(BRIDGE)
    world.worker.path_closed(BRIDGE)
    ann.send(CAMERA, VP8_KEYFRAME)
    assert bob.taken_payloads() == [VP8_KEYFRAME]
    assert world.worker.sizes()["addresses"] == 2


def test_a_tcp_connection_serves_the_one_who_checked_last(world):
    publisher(world)
    bob, cem = subscriber(world, "bob"), subscriber(world, "cem")
    for client in (bob, cem):
        assert world.worker.check(client.check_datagram(), BRIDGE, world.now, PEER)
    assert {t.participant_id: t.address for t in world.worker.stats("room").transports} == {
        "ann": world.worker.stats("room").transports[0].address,
        "bob": bob.address,
        "cem": BRIDGE,
    }
    world.worker.close_transport("room", "cem", "left", world.now)
    world.worker.path_closed(BRIDGE)
    assert world.worker._by_path == {}


def test_a_plain_request_is_answered_on_udp_alone(world):
    plain = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"SOFTWARE": "x" * 40}))
    assert world.worker.check(plain, PEER, world.now) is not None
    assert world.worker.check(plain, BRIDGE, world.now, PEER) is None
    assert world.worker.drops() == {"stun_unknown_user": 1}


STRANGERS = st.one_of(
    st.binary(max_size=100),
    st.binary(max_size=60).map(lambda data: b"\x16\xfe\xfd" + data),
    st.builds(
        lambda user, software, nominate: bytes(
            stun.Message(
                stun.Method.BINDING,
                stun.Class.REQUEST,
                attributes={
                    **({"USERNAME": user} if user else {}),
                    **({"SOFTWARE": software} if software else {}),
                    **({"USE-CANDIDATE": None} if nominate else {}),
                },
            )
        ),
        st.sampled_from(["", "a:b", "nobody"]),
        st.sampled_from(["", "x", "x" * 40]),
        st.booleans(),
    ),
)


@given(st.lists(STRANGERS, max_size=12))
def test_an_address_that_has_not_been_verified_is_never_sent_more_than_it_sent(datagrams):
    world = World()
    ann = publisher(world)
    world.worker.take_datagrams()
    # What a stranger may know: the name of a transport, which travels in the clear.
    ufrag = ann.answer.sdp.split("a=ice-ufrag:")[1].split("\r\n")[0]
    forged = stun.Message(
        stun.Method.BINDING,
        stun.Class.REQUEST,
        attributes={"USERNAME": f"{ufrag}:x", "ICE-CONTROLLED": 1, "USE-CANDIDATE": None},
    )
    forged.add_message_integrity(b"no idea")
    sent = received = 0
    for datagram in [*datagrams, bytes(forged)]:
        received += len(datagram)
        world.worker.receive(datagram, PEER, world.now)
        world.worker.tick(world.now)
        sent += sum(len(data) for data, address in world.worker.take_datagrams() if address == PEER)
        assert sent <= received
