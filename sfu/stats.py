"""What can be read of a running room: plain values, named as in W3C's webrtc-stats where it has the name."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.consumer import Consumer
from sfu.parameters import Kind, Source
from sfu.plane.interface import Plane
from sfu.router import Router


@dataclass(frozen=True, slots=True)
class StreamStats:
    """One SSRC of a producer."""

    ssrc: int
    packets_received: int
    bytes_received: int
    packets_lost: int
    jitter: float
    """Seconds."""
    keyframes: int


@dataclass(frozen=True, slots=True)
class ProducerStats:
    """A track as its publisher sends it."""

    track_id: str
    participant_id: str
    kind: Kind
    source: Source
    consumers: int
    streams: tuple[StreamStats, ...]


@dataclass(frozen=True, slots=True)
class ConsumerStats:
    """A line on which a participant receives. packets_offered = packets_sent + the sum of drops."""

    participant_id: str
    mid: str
    kind: Kind
    track_id: str | None
    paused: bool
    packets_offered: int
    packets_sent: int
    bytes_sent: int
    drops: dict[str, int]
    """By reason; see plane.interface.Drop."""
    fraction_lost: float
    """As the subscriber reported last."""
    round_trip_time: float | None
    """Seconds."""
    keyframe_requests: int


@dataclass(frozen=True, slots=True)
class TransportStats:
    """A participant's connection."""

    participant_id: str
    connected: bool
    address: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class RoomStats:
    """A room at one moment."""

    transports: tuple[TransportStats, ...]
    producers: tuple[ProducerStats, ...]
    consumers: tuple[ConsumerStats, ...]


def room_stats(router: Router, plane: Plane) -> RoomStats:
    return RoomStats(
        transports=tuple(
            TransportStats(transport.participant_id, transport.connected, transport.ice.selected)
            for transport in router.transports.values()
        ),
        producers=tuple(
            ProducerStats(
                track_id=producer.track_id,
                participant_id=producer.participant_id,
                kind=producer.kind,
                source=producer.source,
                consumers=len(producer.consumers),
                streams=tuple(
                    _stream_stats(stream.ssrc, stream.row.clock_rate, stream.source, plane)
                    for stream in producer.streams.values()
                ),
            )
            for producer in router.producers.values()
        ),
        consumers=tuple(
            _consumer_stats(transport.participant_id, mid, consumer, plane)
            for transport in router.transports.values()
            for mid, consumer in transport.consumers.items()
        ),
    )


def _stream_stats(ssrc: int, clock_rate: int, source: int, plane: Plane) -> StreamStats:
    state = plane.source_state(source)
    expected = state.highest_sequence_number - state.first_sequence_number + 1 if state.packets else 0
    return StreamStats(
        ssrc=ssrc,
        packets_received=state.packets,
        bytes_received=state.bytes,
        packets_lost=expected - state.packets,
        jitter=state.jitter / clock_rate,
        keyframes=state.keyframes,
    )


def _consumer_stats(participant_id: str, mid: str, consumer: Consumer, plane: Plane) -> ConsumerStats:
    state = plane.route_state(consumer.route)
    return ConsumerStats(
        participant_id=participant_id,
        mid=mid,
        kind=consumer.kind,
        track_id=consumer.producer.track_id if consumer.producer is not None else None,
        paused=consumer.paused,
        packets_offered=state.offered,
        packets_sent=state.packets,
        bytes_sent=state.bytes,
        drops={reason.value: count for reason, count in state.drops.items()},
        fraction_lost=consumer.feedback.fraction_lost,
        round_trip_time=consumer.feedback.round_trip_time,
        keyframe_requests=consumer.feedback.keyframe_requests,
    )
