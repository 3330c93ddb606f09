"""Feeder: what each consumer of a room is sent, by stream and layer. It programs the plane's routes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from sfu.consumer import Consumer
from sfu.events import EncodingsWanted, Event, SubscriptionChanged
from sfu.keyframe_size import keyframe_sizes
from sfu.ladder import Layer, is_sent, ladder, preferred, shape
from sfu.negotiation import extension_map
from sfu.plane.interface import Feed, Plane, RouteState
from sfu.producer import Producer, Stream
from sfu.streams.clock import NTP_UNITS_PER_SECOND
from sfu.streams.sequence import signed64
from sfu.transport import Transport
from sfu.wish import ALL_LAYERS

INTERVAL = 0.2
"""Seconds between looks at what comes and goes."""


class Feeder:
    """One room's."""

    def __init__(self, room_id: str, plane: Plane, emit: Callable[[Event], None]) -> None:
        self._room_id = room_id
        self._plane = plane
        self._emit = emit
        self._next_look = 0.0

    # What others decide

    def aim(self, transport: Transport, consumer: Consumer, now: float) -> None:
        """Bring a consumer to the layer that is right for it: the one allocated, or else the one preferred.

        Nothing happens before its transport has keys: a keyframe would be lost on it.
        """
        producer = consumer.producer
        if producer is None or producer.muted or not producer.streams or not transport.connected:
            return
        consumer.settled = False
        layer = self._target(consumer, producer)
        if not producer.simulcast:
            self._feed(consumer, producer, producer.newest, now)
            self._limit(consumer, producer, layer, now)
            return
        stream = producer.stream(layer.rid) if layer is not None else None
        if self._state(consumer).source is None:
            self._feed(consumer, producer, self._first(producer, stream), now)
        state = self._state(consumer)
        current = producer.by_source(state.source)
        if stream is not None and not is_sent(stream, producer.last_packet):
            stream = self._stand_in(producer, current) or stream
        if stream is not None:
            self._switch(consumer, producer, stream, state, now)
        # The limits of the layer are those of its stream: on another one they would cut what should go on.
        on_target = layer is not None and current is not None and current.rid == layer.rid
        self._limit(consumer, producer, layer if on_target else None, now)

    def _state(self, consumer: Consumer) -> RouteState:
        return self._plane.sample([], [consumer.route])[1][0]

    def _target(self, consumer: Consumer, producer: Producer) -> Layer | None:
        layers = producer.ladder or ladder(producer)
        wanted = preferred(layers, consumer.wish)
        consumer.preferred = consumer.target = wanted
        allocated = consumer.allocated
        if allocated is not None and wanted is not None:
            # As the ladder has it now; a rung that has gone leaves the one preferred.
            places = {(layer.rid, layer.spatial, layer.temporal): place for place, layer in enumerate(layers)}
            place = places.get((allocated.rid, allocated.spatial, allocated.temporal))
            if place is not None:
                limit = places[wanted.rid, wanted.spatial, wanted.temporal]
                consumer.target = layers[min(limit, place)]
        return consumer.target

    def _first(self, producer: Producer, wanted: Stream | None) -> Stream:
        """Where to begin: at what is wanted if it comes, else at the highest that does."""
        if wanted is not None and is_sent(wanted, producer.last_packet):
            return wanted
        coming = [stream for stream in producer.ordered() if is_sent(stream, producer.last_packet)]
        return coming[-1] if coming else producer.ordered()[0]

    def _stand_in(self, producer: Producer, current: Stream | None) -> Stream | None:
        """What to send while the stream that is wanted does not come: None for what is sent now, while that
        does, or else the highest that comes."""
        coming = [stream for stream in producer.ordered() if is_sent(stream, producer.last_packet)]
        return None if not coming or current in coming else coming[-1]

    def _feed(self, consumer: Consumer, producer: Producer, stream: Stream, now: float) -> None:
        """Send a stream from now on. Where it is sent already, nothing changes."""
        if consumer.fed == (stream.source, consumer.line, producer.line):
            return
        consumer.source = stream.source
        consumer.fed = (stream.source, consumer.line, producer.line)
        self._plane.feed_route(consumer.route, self._row(consumer, producer, stream))
        if consumer.kind == "video" and not consumer.paused:
            stream.keyframe.want(now)

    def _switch(
        self, consumer: Consumer, producer: Producer, stream: Stream, state: RouteState, now: float
    ) -> None:
        waiting = state.next_source if state.next_source is not None else state.source
        if waiting == stream.source:
            if waiting != state.source and not consumer.paused:
                stream.keyframe.want(now)
            return
        current = producer.by_source(state.source)
        delta = timestamp_delta(current, stream) if current is not None else None
        self._plane.switch_route(consumer.route, self._row(consumer, producer, stream, delta))
        consumer.fed = (stream.source, consumer.line, producer.line)
        if stream.source != state.source and not consumer.paused:
            stream.keyframe.want(now)

    def _row(self, consumer: Consumer, producer: Producer, stream: Stream, delta: int | None = None) -> Feed:
        return Feed(
            source=stream.source,
            payload_types=consumer.payload_types,
            extensions=extension_map(producer.line.extensions, consumer.line.extensions),
            await_keyframe=consumer.kind == "video",
            timestamp_delta=delta,
            nack=consumer.takes_nack,
            rtx_payload_types=consumer.rtx_payload_types,
        )

    def _limit(self, consumer: Consumer, producer: Producer, layer: Layer | None, now: float) -> None:
        spatial = temporal = ALL_LAYERS
        if layer is not None:
            rungs = [rung for rung in producer.ladder if rung.rid == layer.rid]
            # The highest rung is no limit: a layer that comes later is let through.
            if layer.spatial < max((rung.spatial for rung in rungs), default=0):
                spatial = layer.spatial
            if layer.temporal < max((rung.temporal for rung in rungs), default=0):
                temporal = layer.temporal
        if (spatial, temporal) == consumer.limits:
            return
        raised = spatial > consumer.limits[0]
        consumer.limits = (spatial, temporal)
        self._plane.limit_route(consumer.route, spatial, temporal)
        stream = producer.by_source(consumer.source)
        if raised and stream is not None and not consumer.paused:
            # A spatial layer starts at a keyframe.
            stream.keyframe.want(now)

    def release(self, consumer: Consumer) -> None:
        """The consumer carries nothing any more."""
        consumer.fed = consumer.source = consumer.target = consumer.preferred = consumer.told = None
        self._plane.feed_route(consumer.route, None)

    # What happens

    def keyframe_seen(self, producer: Producer, stream: Stream, packet: bytes) -> None:
        """A keyframe of a stream began, in this packet.

        The plane may have forwarded it before a route was fed that waits for one: its request stands then.
        """
        codec = producer.codecs_by_payload_type().get(packet[1] & 0x7F) if packet else None
        if codec is not None:
            sizes = keyframe_sizes(codec.name, packet, stream.row.dependency_descriptor)
            stream.sizes = sizes or stream.sizes
        # Most keyframes were not asked for: then there is nothing to find out about the routes.
        if not stream.keyframe.wanted:
            return
        awaited = False
        for consumer in producer.consumers:
            if not consumer.paused:
                state = self._plane.route_state(consumer.route)
                consumer.source = state.source
                awaited |= self._awaits(state, stream)
        if not awaited:
            stream.keyframe.satisfied()

    def _awaits(self, state: RouteState, stream: Stream) -> bool:
        if state.source == stream.source:
            return state.awaiting_keyframe
        return state.next_source == stream.source

    def look(self, transports: Collection[Transport], producers: Collection[Producer], now: float) -> None:
        """Every fifth of a second: measure the streams, follow what comes and goes, tell what changed."""
        if now < self._next_look:
            return
        self._next_look = now + INTERVAL
        pictures = [producer for producer in producers if producer.kind == "video"]
        streams = [stream for producer in pictures for stream in producer.streams.values()]
        states, _ = self._plane.sample([stream.source for stream in streams], [])
        for stream, state in zip(streams, states, strict=True):
            stream.meter.update(state, now)
        for producer in pictures:
            self._measure(producer)
        for transport in transports:
            for consumer in transport.consumers.values():
                if consumer.kind != "video" or consumer.settled or consumer.paused:
                    continue
                self.aim(transport, consumer, now)
                self._tell(transport, consumer)
        for producer in pictures:
            self.ask(producer, now)

    def _measure(self, producer: Producer) -> None:
        before, producer.ladder = producer.ladder, ladder(producer)
        if shape(before) != shape(producer.ladder):
            for consumer in producer.consumers:
                consumer.settled = False

    def ask(self, producer: Producer, now: float) -> None:
        """Have the publisher send what is wanted and, after a while, nothing above that."""
        if producer.kind != "video":
            return
        rids = producer.rids
        places = [
            rids.index(rid)
            for consumer in producer.consumers
            if not consumer.paused
            for rid in self._wanted_rids(producer, consumer)
            if rid in rids
        ]
        if producer.dynacast.update(max(places, default=None), now):
            active = tuple(producer.dynacast.active.items())
            self._emit(EncodingsWanted(self._room_id, producer.participant_id, producer.track_id, active))

    def _wanted_rids(self, producer: Producer, consumer: Consumer) -> Iterable[str]:
        stream = producer.by_source(consumer.source)
        if stream is not None:
            yield stream.rid
        if consumer.target is not None:
            yield consumer.target.rid
        elif stream is None:
            # Nothing is known of it yet.
            yield from producer.rids

    def _tell(self, transport: Transport, consumer: Consumer) -> None:
        """Let the subscriber know which layer it gets, where that has changed."""
        producer = consumer.producer
        state = self._state(consumer)
        consumer.source = state.source
        stream = producer.by_source(state.source) if producer is not None else None
        if producer is None or stream is None or state.awaiting_keyframe or not state.packets:
            return
        rungs = [rung for rung in producer.ladder if rung.rid == stream.rid]
        spatial = min(state.spatial_layer, max((rung.spatial for rung in rungs), default=0))
        temporal = min(state.temporal_layer, max((rung.temporal for rung in rungs), default=0))
        width, height = stream.size(spatial)
        wanted, target = consumer.preferred, consumer.target
        reached = (stream.rid, spatial, temporal)
        consumer.settled = (
            target is not None
            and reached == (target.rid, target.spatial, target.temporal)
            and state.next_source is None
            and is_sent(stream, producer.last_packet)
        )
        if wanted is None or reached[:2] == (wanted.rid, wanted.spatial):
            reason = "wanted"
        else:
            reason = "bandwidth" if target != wanted else "publisher"
        event = SubscriptionChanged(
            room_id=self._room_id,
            participant_id=transport.participant_id,
            track_id=producer.track_id,
            rid=stream.rid,
            spatial=spatial,
            temporal=temporal,
            width=width,
            height=height,
            reason=reason,
        )
        if event != consumer.told:
            consumer.told = event
            self._emit(event)


def timestamp_delta(current: Stream, other: Stream) -> int | None:
    """(RTP timestamp of `current` − that of `other`) of the same moment, by their sender reports."""
    if current.clock is None or other.clock is None:
        return None
    elapsed = signed64(current.clock.ntp - other.clock.ntp)
    return (
        current.clock.rtp - other.clock.rtp - round(elapsed * current.row.clock_rate / NTP_UNITS_PER_SECOND)
    )
