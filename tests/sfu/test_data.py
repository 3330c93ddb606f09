import pytest

from sfu.events import DataRefused
from sfu.rate import TokenBucket
from tests.sfu.world import Line, World

DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=sctp-port:5000"


class DataLine:
    mid = "d"

    def __str__(self):
        return DATA


def world_of(*names, **config):
    world = World(**config)
    clients = {}
    for name in names:
        client = clients[name] = world.client(name)
        client.offer(Line("0", "audio", "sendonly"), DataLine())
        client.connect()
    world.taken_events()
    return world, clients


def say(world, name, message, lossy=False):
    transport = next(t for t in world.dtls.open.values() if t.participant_id == name)
    world.worker.data_received(transport, message, lossy, world.now)


def heard(world, name):
    messages, world.dtls.channels[name] = world.dtls.channels[name], []
    return messages


def refusals(world):
    return [(event.participant_id, event.code, event.message) for event in world.taken_events(DataRefused)]


def test_the_data_line_is_answered_with_the_size_that_is_taken():
    _, clients = world_of("ann", max_data_message=1000)
    line = clients["ann"].answered("d")
    assert (line.media, line.port, line.protocol) == ("application", 10000, "UDP/DTLS/SCTP")
    assert {a.name: a.value for a in line.attributes} == {
        "mid": "d",
        "sctp-port": "5000",
        "max-message-size": "1000",
    }


@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize(
    ("sent", "got"), [("\nhi", '{"from":"ann"}\nhi'), (b"\n\x00", b'{"from":"ann"}\n\x00')]
)
def test_a_message_goes_to_all_the_others_with_its_sender(lossy, sent, got):
    world, _ = world_of("ann", "ben", "cem")
    say(world, "ann", sent, lossy)
    assert [heard(world, name) for name in ("ann", "ben", "cem")] == [[], [(got, lossy)], [(got, lossy)]]
    assert refusals(world) == []


def test_a_sender_cannot_pass_for_another():
    world, _ = world_of("ann", "ben")
    say(world, "ann", '{"from": "cem", "topic": "t"}\nhi')
    assert heard(world, "ben") == [('{"from":"ann","topic":"t"}\nhi', False)]


def test_a_message_goes_to_those_named_alone():
    world, _ = world_of("ann", "ben", "cem")
    say(world, "ann", '{"to": ["cem"]}\nhi')
    assert [len(heard(world, name)) for name in ("ben", "cem")] == [0, 1]


def test_rooms_do_not_hear_each_other():
    world, _ = world_of("ann", "ben")
    other = world.client("cem", room="other")
    other.offer(DataLine())
    other.connect()
    say(world, "ann", "\nhi")
    assert heard(world, "cem") == []
    world.taken_events()
    say(world, "ann", '{"to": ["cem"]}\nhi')
    assert refusals(world)[0][1] == "unknown_recipient"


def test_those_who_cannot_be_reached_are_named_and_the_others_are_reached():
    world, _ = world_of("ann", "ben")
    plain = world.client("old")
    plain.offer(Line("0", "audio", "sendonly"))
    world.taken_events()
    say(world, "ann", '{"to": ["ben", "nobody", "old", "ann"]}\nhi')
    assert len(heard(world, "ben")) == 1
    assert refusals(world) == [
        (
            "ann",
            "unknown_recipient",
            "no data channel leads to nobody, old, ann; the others of this message have it",
        )
    ]
    # Of a message to all it is no fault that some have no channel.
    say(world, "ann", "\nhi")
    assert refusals(world) == []


def test_a_slow_recipient_misses_lossy_messages_and_of_reliable_ones_the_sender_is_told():
    world, _ = world_of("ann", "ben", "cem")
    world.dtls.full.add("cem")
    say(world, "ann", "\nhi", lossy=True)
    assert refusals(world) == []
    say(world, "ann", "\nhi")
    assert refusals(world) == [
        ("ann", "data_undelivered", "too much waits for cem, who did not get this message; send less")
    ]
    assert len(heard(world, "ben")) == 2
    assert world.worker.data.counts["dropped_full"] == 2


def test_size_is_bounded():
    world, _ = world_of("ann", "ben", max_data_message=10)
    say(world, "ann", "\n" + "x" * 9)
    say(world, "ann", "\n" + "ü" * 5)
    assert len(heard(world, "ben")) == 1
    assert refusals(world) == [
        ("ann", "message_too_large", "a data message has 11 bytes, expected at most 10")
    ]


def test_messages_per_second_are_bounded_and_the_refusals_too():
    world, _ = world_of("ann", "ben", data_messages=5)
    for _ in range(30):
        say(world, "ann", "\nhi")
    # Two seconds' worth at once.
    assert len(heard(world, "ben")) == 10
    assert [code for _, code, _ in refusals(world)] == ["rate_limited"]
    assert world.worker.data.counts["refused_rate_limited"] == 20
    world.now += 1.0
    for _ in range(30):
        say(world, "ann", "\nhi")
    assert len(heard(world, "ben")) == 5
    assert len(refusals(world)) == 1


def test_bytes_per_second_are_bounded():
    world, _ = world_of("ann", "ben", data_bytes=100, max_data_message=150)
    for _ in range(3):
        say(world, "ann", b"\n" + bytes(99))
    assert len(heard(world, "ben")) == 2
    assert refusals(world) == [
        ("ann", "rate_limited", "more than 100 bytes of data per second; this message was dropped")
    ]


def test_who_may_not_send_is_told_and_may_receive():
    world, _ = world_of("ann", "ben")
    asked = []
    world.worker.data.may_send = lambda *who: asked.append(who) or who[1] == "ben"
    say(world, "ann", "\nhi")
    say(world, "ben", "\nhi")
    assert asked == [("room", "ann"), ("room", "ben")]
    assert [len(heard(world, name)) for name in ("ann", "ben")] == [1, 0]
    assert refusals(world) == [("ann", "data_not_permitted", "you may not send data messages in this room")]


def test_what_is_malformed_is_refused_with_what_would_be_right():
    world, _ = world_of("ann", "ben")
    say(world, "ann", "hello")
    assert refusals(world) == [
        (
            "ann",
            "data_malformed",
            "a data message has no line feed, expected a header line before the payload",
        )
    ]


def test_nothing_is_kept_of_those_who_left():
    world, _ = world_of("ann", "ben")
    say(world, "ann", "\nhi")
    transport = next(t for t in world.dtls.open.values() if t.participant_id == "ann")
    world.worker.close_transport("room", "ann", "left", world.now)
    world.worker.data_received(transport, "\nhi", False, world.now)
    assert len(heard(world, "ben")) == 1
    assert world.worker.data._senders == {}


def test_a_bucket_does_not_run_backwards():
    bucket = TokenBucket(1.0, 2.0, 10.0)
    assert [bucket.take(1.0, at) for at in (10.0, 9.0, 9.0, 10.5, 11.0)] == [True, True, False, False, True]
