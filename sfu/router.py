"""Router: the media of one room. It turns offers into rows of the plane, and tracks into subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from sfu.audio_observer import AudioObserver
from sfu.config import MediaConfig
from sfu.consumer import Consumer
from sfu.errors import MediaError
from sfu.events import Event, TrackPublished, TrackUnpublished, TransportClosed, TransportConnected
from sfu.feeder import Feeder
from sfu.ice import IceAgent
from sfu.identifiers import Identifiers
from sfu.ladder import Layer
from sfu.negotiation import (
    ABS_SEND_TIME,
    TRANSPORT_WIDE,
    assign_sources,
    compatible_payload_types,
    read_offer,
    received_extension,
    sent_extension,
    write_answer,
)
from sfu.offer import Answer, Offer, Permissions
from sfu.parameters import MediaLine, Outgoing, RemoteParameters, Source
from sfu.plane.interface import Plane, RouteRow, SourceRow
from sfu.producer import MAX_STREAMS, Producer, Stream
from sfu.transport import Transport, extension_id, mid_extension, stream_id
from sfu.wire.audio_level import URI as AUDIO_LEVEL
from sfu.wire.dependency_descriptor import URI as DEPENDENCY_DESCRIPTOR
from sfu.wire.frame_marking import URI as FRAME_MARKING
from sfu.wish import Wish


class Network(Protocol):
    """What a router asks of the side that does IO."""

    @property
    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        """Of the server's certificate."""

    def opened(self, router: Router, transport: Transport) -> None:
        """Take its connectivity checks from now on, and await its DTLS handshake."""

    def restarted(self, transport: Transport) -> None:
        """The transport has new ICE credentials."""

    def closed(self, transport: Transport) -> None:
        """Let go of everything held for it."""


class Router:
    """One room's transports, producers and consumers."""

    def __init__(
        self,
        room_id: str,
        *,
        config: MediaConfig,
        plane: Plane,
        network: Network,
        identifiers: Identifiers,
        emit: Callable[[Event], None],
    ) -> None:
        self.room_id = room_id
        self.transports: dict[str, Transport] = {}
        """By participant id."""
        self.producers: dict[str, Producer] = {}
        """By track id."""
        self._config = config
        self._plane = plane
        self._network = network
        self._ids = identifiers
        self._emit = emit
        self.feeder = Feeder(room_id, plane, emit)
        self._audio = AudioObserver(room_id, config, plane, emit)

    # Negotiation

    def offer(
        self, participant_id: str, offer: Offer, candidates: tuple[tuple[str, int], ...], now: float
    ) -> Answer:
        """Answer a participant's offer.

        Raises NegotiationError where it cannot be answered; nothing has changed then.
        """
        permissions = offer.permissions
        remote = read_offer(offer.sdp, publish=offer.publish, config=self._config_for(permissions))
        former = self.transports.get(participant_id)
        if former is not None and former.remote.fingerprints != remote.fingerprints:
            former = None  # a new connection: its lines have nothing to do with the old ones
        sources = assign_sources(
            remote.media,
            offer.publish,
            {mid: producer.source for mid, producer in former.producers.items()}
            if former is not None
            else {},
        )
        sources = {mid: source for mid, source in sources.items() if source in permissions.publish}
        transport = self._transport_for(participant_id, remote, now)
        transport.permissions = permissions
        for mid, producer in list(transport.producers.items()):
            # Before any is opened: two lines may have swapped their sources.
            if sources.get(mid) != producer.source:
                self._close_producer(transport, producer, now)
        for line in remote.media:
            if line.mid in sources:
                self._apply_publication(transport, line, sources[line.mid])
                self._mute(transport.producers[line.mid], now)
            self._apply_subscription(transport, line, offer.subscribe.get(line.mid))
        self._fill_consumers(now)
        for consumer in transport.consumers.values():
            consumer.sending = consumer.wanted is None or consumer.producer is not None
        return self._answer(transport, offer, candidates)

    def _transport_for(self, participant_id: str, remote: RemoteParameters, now: float) -> Transport:
        transport = self.transports.get(participant_id)
        if transport is not None and transport.remote.fingerprints != remote.fingerprints:
            # Another certificate is another RTCPeerConnection: the page was reloaded or started over.
            self.close_transport(participant_id, "replaced", now)
            transport = None
        if transport is None:
            transport = Transport(
                self._ids.row(),
                participant_id,
                IceAgent(self._ids.ufrag(), self._ids.pwd(), now),
                remote,
                session_id=self._ids.session_id(),
                ssrc=self._ids.ssrc(),
                now=now,
            )
            self._plane.open_transport(transport.row, transport.ssrc)
            self.transports[participant_id] = transport
            self._network.opened(self, transport)
        elif transport.remote.ice_ufrag != remote.ice_ufrag:
            transport.ice.restart(self._ids.ufrag(), self._ids.pwd())
            self._network.restarted(transport)
        transport.remote = remote
        return transport

    def _answer(self, transport: Transport, offer: Offer, candidates: tuple[tuple[str, int], ...]) -> Answer:
        outgoing = {
            mid: _outgoing(consumer) for mid, consumer in transport.consumers.items() if consumer.sending
        }
        sdp = write_answer(
            transport.remote,
            transport.local_parameters(self._network.fingerprints, candidates, self._config),
            publishes=transport.producers.keys(),
            outgoing=outgoing,
        )
        return Answer(
            sdp=sdp,
            publish={mid: producer.track_id for mid, producer in transport.producers.items()},
            subscribe={mid: _carried_track(transport.consumers.get(mid)) for mid in offer.subscribe},
        )

    def _apply_publication(self, transport: Transport, line: MediaLine, source: Source) -> None:
        producer = transport.producers.get(line.mid)
        if producer is None:
            track_id = f"{transport.participant_id}:{source}"
            producer = Producer(track_id, transport.participant_id, source, line)
            transport.producers[line.mid] = producer
            self.producers[track_id] = producer
            self._emit(
                TrackPublished(
                    self.room_id, transport.participant_id, track_id, line.kind, source, producer.encodings
                )
            )
        producer.line = line
        # Which of the SSRCs of a simulcast is which, its packets tell.
        for ssrc in () if producer.simulcast else line.ssrcs[:MAX_STREAMS]:
            self._add_stream(transport, producer, ssrc, line.codecs[0].clock_rate)

    def _apply_subscription(self, transport: Transport, line: MediaLine, wanted: str | None) -> None:
        consumer = transport.consumers.get(line.mid)
        if line.rejected or not line.receives or not transport.permissions.subscribe:
            if consumer is not None:
                self._close_consumer(transport, consumer)
            return
        if consumer is None:
            repeats = any(codec.rtx_payload_type is not None for codec in line.codecs)
            rtx_ssrc = self._ids.ssrc() if repeats else None
            consumer = Consumer(self._ids.row(), self._ids.ssrc(), rtx_ssrc, line)
            transport.consumers[line.mid] = consumer
            transport.consumers_by_ssrc[consumer.ssrc] = consumer
            self._plane.add_route(
                RouteRow(
                    id=consumer.route,
                    transport=transport.row,
                    ssrc=consumer.ssrc,
                    clock_rate=line.codecs[0].clock_rate,
                    first_sequence_number=self._ids.first_sequence_number(),
                    mid=line.mid,
                    mid_extension=mid_extension(line),
                    transport_wide_extension=received_extension(line.extensions, TRANSPORT_WIDE),
                    abs_send_time_extension=received_extension(line.extensions, ABS_SEND_TIME),
                    rtx_ssrc=rtx_ssrc,
                    first_rtx_sequence_number=self._ids.first_sequence_number(),
                )
            )
        consumer.line = line
        consumer.wanted = wanted
        if wanted is not None:
            # Open until _fill_consumers has looked: a named line may change its track with every offer.
            consumer.sending = True
            if consumer.producer is not None and consumer.producer.track_id != wanted:
                self._detach(consumer)

    # Subscriptions

    def _fill_consumers(self, now: float) -> None:
        """Give every consumer without a producer the one that it named, or a free one of its kind."""
        for transport in self.transports.values():
            idle = [
                consumer
                for consumer in transport.consumers.values()
                if consumer.producer is None and (consumer.wanted is None or consumer.sending)
            ]
            if not idle:
                continue
            taken = {consumer.producer for consumer in transport.consumers.values()}
            for consumer in idle:
                for producer in self._choices(consumer):
                    if producer.participant_id == transport.participant_id:
                        continue
                    if consumer.wanted is None and producer in taken:
                        continue
                    if self._attach(transport, consumer, producer, now):
                        taken.add(producer)
                        break

    def _choices(self, consumer: Consumer) -> Iterable[Producer]:
        if consumer.wanted is None:
            return [producer for producer in self.producers.values() if producer.kind == consumer.kind]
        named = self.producers.get(consumer.wanted)
        return [named] if named is not None and named.kind == consumer.kind else []

    def _attach(self, transport: Transport, consumer: Consumer, producer: Producer, now: float) -> bool:
        payload_types = compatible_payload_types(producer.line.codecs, consumer.line.codecs)
        if not payload_types:
            return False
        consumer.producer = producer
        consumer.payload_types = payload_types
        producer.consumers.add(consumer)
        self.feeder.aim(transport, consumer, now)
        return True

    def _detach(self, consumer: Consumer) -> None:
        if consumer.producer is not None:
            consumer.producer.consumers.discard(consumer)
            consumer.producer = None
            consumer.payload_types = {}
            self.feeder.release(consumer)

    def permit(self, participant_id: str, permissions: Permissions, now: float) -> None:
        """Let a participant do less or more than it may now; what it may no longer do ends at once.

        What it may do more it has to offer. Nothing happens for one without a connection.
        """
        transport = self.transports.get(participant_id)
        if transport is None:
            return
        transport.permissions = permissions
        for producer in list(transport.producers.values()):
            if producer.source not in permissions.publish:
                self._close_producer(transport, producer, now)
            else:
                self._mute(producer, now)
        if not permissions.subscribe:
            for consumer in list(transport.consumers.values()):
                self._close_consumer(transport, consumer)

    def _mute(self, producer: Producer, now: float) -> None:
        muted = producer.source in self.transports[producer.participant_id].permissions.muted
        if muted == producer.muted:
            return
        producer.muted = muted
        for consumer, owner in self._consumers_of(producer):
            if muted:
                self.feeder.release(consumer)
            else:
                self.feeder.aim(owner, consumer, now)

    def _config_for(self, permissions: Permissions) -> MediaConfig:
        if not permissions.video_codecs:
            return self._config
        allowed = tuple(name for name in self._config.video_codecs if name in permissions.video_codecs)
        return replace(self._config, video_codecs=allowed)

    def pause(self, participant_id: str, track_id: str, paused: bool, now: float) -> None:
        """Stop or resume a track that a participant receives. Raises MediaError unknown_track."""
        transport, consumers = self._receiving(participant_id, track_id)
        for consumer in consumers:
            consumer.paused = paused
            self._plane.pause_route(consumer.route, paused)
            self._changed(transport, consumer, now)

    def wish(self, participant_id: str, track_id: str, wish: Wish, now: float) -> None:
        """Take note of what a participant needs of a track it receives. Raises MediaError unknown_track."""
        transport, consumers = self._receiving(participant_id, track_id)
        for consumer in consumers:
            consumer.wish = wish
            self._changed(transport, consumer, now)

    def allocate(self, consumer: Consumer, layer: Layer | None, now: float) -> None:
        """Limit a consumer to a layer of its track's ladder; None: no limit."""
        if consumer.allocated == layer:
            return
        consumer.allocated = layer
        for transport in self.transports.values():
            if transport.consumers.get(consumer.line.mid) is consumer:
                self._changed(transport, consumer, now)

    def _changed(self, transport: Transport, consumer: Consumer, now: float) -> None:
        producer = consumer.producer
        if producer is None:
            return
        if not consumer.paused:
            self.feeder.aim(transport, consumer, now)
            stream = producer.by_source(consumer.source)
            if stream is not None and self._plane.route_state(consumer.route).awaiting_keyframe:
                stream.keyframe.want(now)
        self.feeder.ask(producer, now)

    def _receiving(self, participant_id: str, track_id: str) -> tuple[Transport, list[Consumer]]:
        transport = self.transports.get(participant_id)
        consumers = [
            consumer
            for consumer in (transport.consumers.values() if transport is not None else ())
            if consumer.producer is not None and consumer.producer.track_id == track_id
        ]
        if transport is None or not consumers:
            raise MediaError(
                "unknown_track", f"you receive no track {track_id!r}; the answer names those you do"
            )
        return transport, consumers

    def path_changed(self, transport: Transport, now: float) -> None:
        """A client is reached by another path: what was sent on the old one lately, either way, may be lost.

        A browser by itself waits up to three seconds until it asks for a keyframe.
        """
        sent = transport.producers.values()
        for other in self.transports.values():
            for consumer in other.consumers.values():
                producer = consumer.producer
                if producer is None or consumer.kind != "video" or consumer.paused:
                    continue
                stream = producer.by_source(consumer.source)
                if stream is not None and (other is transport or producer in sent):
                    stream.keyframe.want(now)

    def look(self, now: float) -> None:
        """Follow what comes and goes, as time passes."""
        self.feeder.look(self.transports.values(), self.producers.values(), now)
        self._audio.look(len(self.transports), self.producers.values(), now)

    # Streams

    def keyframe_seen(self, transport: Transport, source: int, packet: bytes) -> None:
        """A keyframe of a source that the transport sends began, in this packet."""
        for producer in transport.producers.values():
            stream = producer.by_source(source)
            if stream is not None:
                self.feeder.keyframe_seen(producer, stream, packet)

    def repair_failed(self, transport: Transport, source: int, now: float) -> None:
        """Packets of a source that the transport sends are lost for good: decoding goes on at a keyframe."""
        for producer in transport.producers.values():
            stream = producer.by_source(source)
            if stream is not None and producer.consumers:
                stream.keyframe.want(now)

    def attribute(self, transport: Transport, packet: bytes, now: float) -> bool:
        """Find whose stream a packet of an unknown SSRC begins, and add its row. False if it is nobody's."""
        producer = transport.producer_of(packet)
        if producer is None:
            return False
        ssrc = int.from_bytes(packet[8:12], "big")
        if ssrc in producer.streams:
            return True  # one of several that were on their way when the first was attributed
        payload_type = packet[1] & 0x7F
        if payload_type in producer.rtx_payload_types:
            return self._attribute_rtx(transport, producer, packet)
        codec = producer.codecs_by_payload_type().get(payload_type)
        rid = stream_id(producer.line, packet)
        if codec is None or rid is None:
            return False
        stream = self._add_stream(transport, producer, ssrc, codec.clock_rate, rid)
        if stream is not None:
            stream.meter.last_packet = now
            if producer.simulcast:
                # The size of its pictures is in its keyframes; mostly this packet begins one.
                stream.keyframe.want(now)
        for consumer, owner in self._consumers_of(producer):
            self.feeder.aim(owner, consumer, now)
        return stream is not None

    def _attribute_rtx(self, transport: Transport, producer: Producer, packet: bytes) -> bool:
        """Note the SSRC on which an encoding of the producer is repeated; False where there is none such."""
        ssrc = int.from_bytes(packet[8:12], "big")
        rid = stream_id(producer.line, packet, repaired=True)
        stream = producer.stream(rid) if rid is not None else None
        if stream is None or transport.knows(ssrc):
            return False
        self._plane.set_rtx(stream.source, ssrc)
        stream.rtx_ssrc = ssrc
        return True

    def _add_stream(
        self, transport: Transport, producer: Producer, ssrc: int, clock_rate: int, rid: str = ""
    ) -> Stream | None:
        if ssrc in producer.streams:
            return producer.streams[ssrc]
        if transport.knows(ssrc):
            return None
        if len(producer.streams) >= MAX_STREAMS:
            oldest = next(iter(producer.streams.values()))
            del producer.streams[oldest.ssrc]
            self._plane.remove_source(oldest.source)
        row = SourceRow(
            id=self._ids.row(),
            transport=transport.row,
            ssrc=ssrc,
            clock_rate=clock_rate,
            codecs={
                payload_type: codec.name for payload_type, codec in producer.codecs_by_payload_type().items()
            },
            is_video=producer.kind == "video",
            transport_wide_extension=sent_extension(producer.line.extensions, TRANSPORT_WIDE),
            dependency_descriptor=extension_id(producer.line, DEPENDENCY_DESCRIPTOR),
            frame_marking=extension_id(producer.line, FRAME_MARKING),
            audio_level=sent_extension(producer.line.extensions, AUDIO_LEVEL),
            nack=any("nack" in codec.feedback for codec in producer.line.codecs),
            rtx_payload_types=producer.rtx_payload_types,
            rtx_ssrc=next(
                (
                    rtx
                    for media, rtx in producer.line.rtx_ssrcs
                    if media == ssrc and rtx != ssrc and not transport.knows(rtx)
                ),
                None,
            ),
        )
        self._plane.add_source(row)
        stream = Stream(row, rid)
        producer.streams[ssrc] = stream
        return stream

    def _consumers_of(self, producer: Producer) -> Iterator[tuple[Consumer, Transport]]:
        for transport in self.transports.values():
            for consumer in transport.consumers.values():
                if consumer.producer is producer:
                    yield consumer, transport

    # Life and death

    def connected(self, transport: Transport, now: float) -> None:
        """DTLS is done and the plane has the keys: what waited for them flows."""
        transport.connected = True
        transport.connected_at = now
        for consumer in transport.consumers.values():
            self.feeder.aim(transport, consumer, now)
        self._emit(TransportConnected(self.room_id, transport.participant_id))

    def close_transport(self, participant_id: str, reason: str, now: float) -> None:
        """End a participant's media and free everything that it held. Idempotent."""
        transport = self.transports.pop(participant_id, None)
        if transport is None:
            return
        transport.closed = True
        for consumer in list(transport.consumers.values()):
            self._close_consumer(transport, consumer)
        for producer in list(transport.producers.values()):
            self._close_producer(transport, producer, now)
        self._plane.close_transport(transport.row)
        self._network.closed(transport)
        self._emit(TransportClosed(self.room_id, participant_id, reason))

    def _close_consumer(self, transport: Transport, consumer: Consumer) -> None:
        self._detach(consumer)
        self._plane.remove_route(consumer.route)
        del transport.consumers[consumer.line.mid]
        del transport.consumers_by_ssrc[consumer.ssrc]

    def _close_producer(self, transport: Transport, producer: Producer, now: float) -> None:
        for consumer in list(producer.consumers):
            self._detach(consumer)
        for stream in producer.streams.values():
            self._plane.remove_source(stream.source)
        del transport.producers[producer.line.mid]
        del self.producers[producer.track_id]
        self._audio.forget(producer.track_id)
        self._emit(TrackUnpublished(self.room_id, producer.participant_id, producer.track_id))
        self._fill_consumers(now)


def _outgoing(consumer: Consumer) -> Outgoing:
    producer = consumer.producer
    if producer is None:
        return Outgoing(
            ssrc=consumer.ssrc,
            cname="sfu",
            stream_id="sfu",
            track_id=f"line-{consumer.line.mid}",
            rtx_ssrc=consumer.rtx_ssrc,
        )
    return Outgoing(
        ssrc=consumer.ssrc,
        cname=producer.participant_id,
        stream_id=producer.participant_id,
        track_id=producer.track_id,
        rtx_ssrc=consumer.rtx_ssrc,
    )


def _carried_track(consumer: Consumer | None) -> str | None:
    return consumer.producer.track_id if consumer is not None and consumer.producer is not None else None
