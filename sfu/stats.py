"""What can be read of a running room: plain values, named as in W3C's webrtc-stats where it has the name.

Reading holds no packet up (`Plane.sample`); it costs some microseconds of the caller's thread per stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sfu.consumer import Consumer
from sfu.parameters import Kind, Source
from sfu.plane.interface import Plane, RouteState, SourceState
from sfu.producer import Producer, Stream
from sfu.router import Router
from sfu.transport import Transport

TransportState = Literal["new", "checking", "handshaking", "connected"]
"""Nothing has come; a check has been verified; DTLS has begun; media can flow."""


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
    keyframe_requests: int
    """PLI sent to the publisher."""
    last_packet: float
    """When the newest packet came; 0.0 before the first."""
    nack_count: int = 0
    """NACK messages sent to the publisher."""
    retransmitted_packets_received: int = 0
    """By RTX."""
    retransmitted_bytes_received: int = 0
    packets_unrepaired: int = 0
    """Lost, and not come while they were of use although they were asked for."""


@dataclass(frozen=True, slots=True)
class ProducerStats:
    """A track as its publisher sends it."""

    track_id: str
    participant_id: str
    kind: Kind
    source: Source
    codec: str
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
    awaiting_keyframe: bool
    packets_offered: int
    packets_sent: int
    bytes_sent: int
    drops: dict[str, int]
    """By reason; see plane.interface.Drop."""
    fraction_lost: float
    """As the subscriber reported last."""
    packets_lost: int
    """As the subscriber reported last."""
    jitter: float
    """Seconds, as the subscriber reported last."""
    round_trip_time: float | None
    """Seconds."""
    keyframe_requests: int
    spatial_layer: int | None
    """The highest that is sent, of those that there are; None before there is a packet."""
    temporal_layer: int | None
    """Likewise."""
    nack_count: int = 0
    """NACK messages of the subscriber."""
    retransmitted_packets_sent: int = 0
    """They are not among packets_sent."""
    retransmitted_bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class TransportStats:
    """A participant's connection."""

    participant_id: str
    connected: bool
    state: TransportState
    address: tuple[str, int] | None
    round_trip_time: float | None
    """Seconds, the least of what its receiver reports say; None before the first that tells."""
    available_outgoing_bitrate: float | None = None
    """Bits per second that are estimated to go through to it, IP headers included; None before it has told
    anything of what arrives."""
    acknowledged_bitrate: float | None = None
    """Bits per second that arrived of late, IP headers included; None without transport-wide feedback."""
    queue_delay: float | None = None
    """Seconds that packets stand in a queue on the way to it; None without transport-wide feedback."""
    fraction_lost: float | None = None
    """Of the newest packets to it; None without transport-wide feedback."""


@dataclass(frozen=True, slots=True)
class RoomStats:
    """A room at one moment."""

    transports: tuple[TransportStats, ...]
    producers: tuple[ProducerStats, ...]
    consumers: tuple[ConsumerStats, ...]


@dataclass(frozen=True, slots=True)
class JoinMarks:
    """When a connection reached what; seconds of the server's monotonic clock, None: not yet."""

    offered: float
    """The first offer came."""
    checked: float | None
    """The first ICE check was verified."""
    handshaking: float | None
    """The client's first DTLS datagram came."""
    connected: float | None
    """DTLS was done."""
    first_packet: float | None
    """The first media packet was sent to the participant."""
    first_keyframe: float | None
    """The first keyframe was sent to it: video begins with one."""
    awaits_packet: bool
    """There is a track that it is to be sent."""
    awaits_keyframe: bool
    """There is a video track among them."""


def room_stats(router: Router, plane: Plane) -> RoomStats:
    """Read a room."""
    producers = tuple(router.producers.values())
    lines = [
        (transport, mid, consumer)
        for transport in router.transports.values()
        for mid, consumer in transport.consumers.items()
    ]
    streams = [stream for producer in producers for stream in producer.streams.values()]
    sources, routes = plane.sample(
        [stream.source for stream in streams], [consumer.route for _, _, consumer in lines]
    )
    by_source: dict[int | None, SourceState] = {
        stream.source: state for stream, state in zip(streams, sources, strict=True)
    }
    return RoomStats(
        transports=tuple(_transport_stats(transport) for transport in router.transports.values()),
        producers=tuple(_producer_stats(producer, by_source) for producer in producers),
        consumers=tuple(
            _consumer_stats(transport.participant_id, mid, consumer, state, by_source.get(state.source))
            for (transport, mid, consumer), state in zip(lines, routes, strict=True)
        ),
    )


def join_marks(transport: Transport, plane: Plane) -> JoinMarks:
    """Read how far a connection has come."""
    consumers = tuple(transport.consumers.values())
    _, routes = plane.sample([], [consumer.route for consumer in consumers])
    begun = [
        (consumer.kind, state.first_packet)
        for consumer, state in zip(consumers, routes, strict=True)
        if state.packets
    ]
    awaited = [c.kind for c in consumers if c.producer is not None and not c.paused]
    return JoinMarks(
        offered=transport.opened_at,
        checked=transport.ice.first_check,
        handshaking=transport.handshake_at,
        connected=transport.connected_at,
        first_packet=min((at for _, at in begun), default=None),
        first_keyframe=min((at for kind, at in begun if kind == "video"), default=None),
        awaits_packet=bool(awaited),
        awaits_keyframe="video" in awaited,
    )


def _transport_stats(transport: Transport) -> TransportStats:
    round_trips = [
        consumer.feedback.round_trip_time
        for consumer in transport.consumers.values()
        if consumer.feedback.round_trip_time is not None
    ]
    estimator = transport.estimator
    told = estimator.round_trip_time is not None
    return TransportStats(
        participant_id=transport.participant_id,
        connected=transport.connected,
        state=_state(transport),
        address=transport.ice.selected,
        round_trip_time=min(round_trips, default=None),
        available_outgoing_bitrate=estimator.bitrate if estimator.known else None,
        acknowledged_bitrate=estimator.acknowledged_bitrate,
        queue_delay=estimator.queue_delay if told else None,
        fraction_lost=estimator.loss if told else None,
    )


def _state(transport: Transport) -> TransportState:
    if transport.connected:
        return "connected"
    if transport.handshake_at is not None:
        return "handshaking"
    return "checking" if transport.ice.connected else "new"


def _producer_stats(producer: Producer, states: Mapping[int | None, SourceState]) -> ProducerStats:
    return ProducerStats(
        track_id=producer.track_id,
        participant_id=producer.participant_id,
        kind=producer.kind,
        source=producer.source,
        codec=producer.line.codecs[0].name,
        consumers=len(producer.consumers),
        streams=tuple(_stream_stats(stream, states[stream.source]) for stream in producer.streams.values()),
    )


def _stream_stats(stream: Stream, state: SourceState) -> StreamStats:
    expected = state.highest_sequence_number - state.first_sequence_number + 1 if state.packets else 0
    return StreamStats(
        ssrc=stream.ssrc,
        packets_received=state.packets,
        bytes_received=state.bytes,
        packets_lost=expected - state.packets,
        jitter=state.jitter / stream.row.clock_rate,
        keyframes=state.keyframes,
        keyframe_requests=stream.keyframe.sent,
        nack_count=state.nacks,
        retransmitted_packets_received=state.rtx_packets,
        retransmitted_bytes_received=state.rtx_bytes,
        packets_unrepaired=state.given_up,
        last_packet=state.last_packet,
    )


def _consumer_stats(
    participant_id: str, mid: str, consumer: Consumer, state: RouteState, source: SourceState | None
) -> ConsumerStats:
    clock_rate = consumer.line.codecs[0].clock_rate
    layers = source.layer_bytes if source is not None else {}
    return ConsumerStats(
        participant_id=participant_id,
        mid=mid,
        kind=consumer.kind,
        track_id=consumer.producer.track_id if consumer.producer is not None else None,
        paused=consumer.paused,
        awaiting_keyframe=state.awaiting_keyframe,
        packets_offered=state.offered,
        packets_sent=state.packets,
        bytes_sent=state.bytes,
        drops={reason.value: count for reason, count in state.drops.items()},
        fraction_lost=consumer.feedback.fraction_lost,
        packets_lost=consumer.feedback.packets_lost,
        jitter=consumer.feedback.jitter / clock_rate,
        round_trip_time=consumer.feedback.round_trip_time,
        keyframe_requests=consumer.feedback.keyframe_requests,
        nack_count=state.nacks,
        retransmitted_packets_sent=state.retransmitted,
        retransmitted_bytes_sent=state.retransmitted_bytes,
        spatial_layer=min(state.spatial_layer, max(spatial for spatial, _ in layers)) if layers else None,
        temporal_layer=min(state.temporal_layer, max(temporal for _, temporal in layers)) if layers else None,
    )
