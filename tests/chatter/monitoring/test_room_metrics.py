import time
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from chatter.monitoring.room_metrics import RoomMetrics
from chatter.monitoring.sampling import RoomSampling
from chatter.monitoring.snapshot import Snapshot
from tests.chatter.monitoring.figures import consumer, make_room, producer, stats


def exposed(metrics):
    registry = CollectorRegistry()
    registry.register(metrics)
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode() + metrics.text())
        for sample in family.samples
    }


def snapshot_of(*rooms, at=0.0):
    return Snapshot(at=at, rooms=rooms, seconds=0.001)


@pytest.fixture
def room():
    room = make_room("ann", "bob")
    sampling = RoomSampling()
    look = sampling.sample(
        room,
        stats(
            [producer(packets_received=7, packets_lost=1, keyframe_requests=3, last_packet=1)],
            [consumer(packets_sent=5, fraction_lost=0.25, drops={"no_keys": 2}, keyframe_requests=4)],
        ),
        2,
        1.0,
    )
    return replace(look, id="r")


def test_a_track_and_who_gets_it(room):
    metrics = RoomMetrics(10, 10)
    metrics.update(snapshot_of(room))
    found = exposed(metrics)
    track = (room.tracks[0].room, "ann", "ann:camera", "video", "camera", "VP8")
    line = (room.tracks[0].room, "bob", "ann:camera", "video")
    for name, labels, value in [
        ("chatter_track_packets_total", track, 7),
        ("chatter_track_packets_lost", track, 1),
        ("chatter_track_pli_sent_total", track, 3),
        ("chatter_subscription_packets_total", line, 5),
        ("chatter_subscription_loss_ratio", line, 0.25),
        ("chatter_subscription_rtt_seconds", line, 0.02),
        ("chatter_subscription_pli_received_total", line, 4),
        ("chatter_subscription_packets_dropped_total", line, 2),
        ("chatter_subscription_spatial_layer", line, 0),
        ("chatter_subscription_temporal_layer", line, 2),
        ("chatter_transport_state", line[:2], 3),
        ("chatter_transport_available_outgoing_bitrate_bps", line[:2], 1e6),
        ("chatter_room_participants", ("r",), 2),
        ("chatter_room_drops_total", ("r", "no_keys"), 2),
        ("chatter_tracks", ("video",), 1),
        ("chatter_subscriptions_by_quality", ("bad",), 1),
    ]:
        assert found[name, frozenset(labels)] == value, name


def test_without_labels_per_track_the_totals_stay(room):
    metrics = RoomMetrics(10, 0)
    metrics.update(snapshot_of(room))
    found = exposed(metrics)
    assert found["chatter_subscriptions", frozenset()] == 1
    assert not [key for key in found if key[0].startswith(("chatter_track_", "chatter_subscription_"))]


def test_a_round_trip_that_is_not_known_is_not_exposed(room):
    unknown = replace(room.subscriptions[0], round_trip_time=None)
    metrics = RoomMetrics(10, 10)
    metrics.update(snapshot_of(replace(room, subscriptions=(unknown,))))
    assert not [key for key in exposed(metrics) if key[0] == "chatter_subscription_rtt_seconds"]


def full_node(rooms, publishers):
    """Rooms in which everybody sends sound and pictures and sees two others."""
    made = []
    for number in range(rooms):
        names = [f"p{number}x{index}" for index in range(publishers)]
        producers = [
            producer(name, kind, source, packets_received=number, packets_lost=index, last_packet=1)
            for index, name in enumerate(names)
            for kind, source in (("audio", "microphone"), ("video", "camera"))
        ]
        consumers = [
            consumer(
                participant_id=name,
                mid=str(line),
                track_id=f"{names[(index + line) % publishers]}:camera",
                fraction_lost=index / publishers,
                drops={"too_late": index, "no_keys": line},
            )
            for index, name in enumerate(names)
            for line in (1, 2)
        ]
        look = RoomSampling().sample(make_room(*names), stats(producers, consumers, names), 1, 1.0)
        made.append(look)
    return snapshot_of(*made)


def test_series_are_bounded_whatever_comes():
    metrics = RoomMetrics(20, 50)
    counts = []
    for rooms in (10, 50, 100):
        metrics.update(full_node(rooms, 5))
        counts.append(len(exposed(metrics)))
    # 11 figures and two drop reasons of a room, 12 of a track, 16 of a subscription, 3 of a transport;
    # totals.
    assert max(counts) <= 20 * 11 + 50 * (12 + 16 + 3) + 20
    assert counts[1] == counts[2]


@pytest.mark.system
def test_5000_tracks_are_scraped_in_time():
    snapshot = full_node(250, 10)
    assert sum(len(room.tracks) for room in snapshot.rooms) == 5000
    metrics = RoomMetrics(100, 100)
    metrics.update(snapshot)
    registry = CollectorRegistry()
    registry.register(metrics)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        text = generate_latest(registry) + metrics.text().encode()
        times.append(time.perf_counter() - begin)
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    print(f"scrape {min(times) * 1e3:.0f} ms, {series} series, {len(text)} bytes")
    assert min(times) < 0.3
    assert series < 5000
