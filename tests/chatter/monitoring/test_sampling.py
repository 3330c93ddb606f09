import pytest

from chatter.monitoring.sampling import RoomSampling
from tests.chatter.monitoring.figures import consumer, make_room, producer, stats


@pytest.fixture
def room():
    return make_room("ann", "bob")


def look(sampling, room, now, producers, consumers=()):
    return sampling.sample(room, stats(producers, consumers), 2, now)


def test_rates_are_of_the_last_interval(room):
    sampling = RoomSampling()
    first = look(
        sampling, room, 100, [producer(packets_received=100, bytes_received=100_000, last_packet=100)]
    )
    assert (first.tracks[0].bitrate, first.bitrate_received) == (0, 0)
    second = look(
        sampling,
        room,
        102,
        [producer(packets_received=190, bytes_received=150_000, packets_lost=10, last_packet=101.5)],
        [consumer(packets_sent=90, bytes_sent=45_000)],
    )
    (track,) = second.tracks
    assert (track.bitrate, track.loss, track.silence) == (200_000, 0.1, 0.5)
    assert (track.packets, track.packets_lost, track.codec) == (190, 10, "VP8")
    assert second.bitrate_sent == 180_000
    assert (second.totals.packets_received, second.totals.packets_sent) == (190, 90)
    assert second.participants[0].transport.address == "[::1]:9"
    assert [p.name for p in second.participants] == ["Ann", "Bob"]


def test_a_connection_that_is_made_anew_counts_from_zero(room):
    sampling = RoomSampling()
    look(sampling, room, 0, [producer(packets_received=100, bytes_received=9_000)])
    after = look(sampling, room, 2, [producer(packets_received=10, bytes_received=1_000)])
    assert after.tracks[0].bitrate == 4_000
    assert after.totals.packets_received == 110


def test_the_totals_of_a_room_outlive_its_tracks(room):
    sampling = RoomSampling()
    look(sampling, room, 0, [producer(packets_received=5)], [consumer(packets_sent=5, drops={"no_keys": 2})])
    after = look(sampling, room, 2, [], [])
    assert (after.totals.packets_received, after.totals.packets_sent) == (5, 5)
    again = look(sampling, room, 4, [producer()], [consumer(drops={"no_keys": 1})])
    assert again.totals.drops == {"no_keys": 3}


def freeze(sampling, room, now, received, sent, **line):
    return look(
        sampling,
        room,
        now,
        [producer(packets_received=received, last_packet=now)],
        [consumer(packets_sent=sent, **line)],
    ).subscriptions[0]


def test_a_freeze_is_when_nothing_is_sent_on_although_it_comes(room):
    sampling = RoomSampling()
    assert freeze(sampling, room, 0, 10, 10).freezes == 0
    assert freeze(sampling, room, 2, 20, 20).freezes == 0
    frozen = freeze(sampling, room, 4, 30, 20, awaiting_keyframe=True)
    assert (frozen.freezes, frozen.frozen_seconds, frozen.quality.cause) == (1, 2, "it waits for a keyframe")
    # The same freeze goes on.
    assert (freeze(sampling, room, 6, 40, 20).freezes, freeze(sampling, room, 7, 50, 20).frozen_seconds) == (
        1,
        5,
    )
    assert freeze(sampling, room, 9, 60, 21).quality.grade == "good"
    assert freeze(sampling, room, 11, 70, 21).freezes == 2


@pytest.mark.parametrize(
    ("received", "line"),
    [(20, {"paused": True}), (10, {})],
    ids=["the subscriber paused it", "the publisher sends nothing"],
)
def test_no_freeze(room, received, line):
    sampling = RoomSampling()
    freeze(sampling, room, 0, 10, 10, **line)
    assert freeze(sampling, room, 2, received, 10, **line).freezes == 0


def test_it_is_no_freeze_while_others_are_louder(room):
    sampling = RoomSampling()
    freeze(sampling, room, 0, 10, 10)
    assert freeze(sampling, room, 2, 20, 10, drops={"not_loudest": 10}).freezes == 0
    # They are not any more, and still nothing is sent.
    assert freeze(sampling, room, 4, 30, 10, drops={"not_loudest": 10}).freezes == 1


def test_what_is_muted_may_be_silent():
    room = make_room("ann", "bob", muted=("ann",))
    sampling = RoomSampling()
    (track,) = look(sampling, room, 100, [producer(packets_received=1, last_packet=1)]).tracks
    assert (track.muted, track.silence, track.quality.grade) == (True, 99, "good")


def test_a_room_is_as_bad_as_its_worst_track(room):
    sampling = RoomSampling()
    snapshot = look(
        sampling,
        room,
        100,
        [producer(packets_received=1, last_packet=100)],
        [consumer(packets_sent=1), consumer(mid="w", packets_sent=1, fraction_lost=0.5)],
    )
    assert snapshot.quality.cause == "packets are lost on the way to the subscriber"


def test_a_room_without_media_has_its_people(room):
    snapshot = RoomSampling().sample(room, None, 2, 0)
    assert len(snapshot.participants) == 2
    assert snapshot.participants[0].transport is None
    assert (snapshot.tracks, snapshot.totals.joins) == ((), 2)
