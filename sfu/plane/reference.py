"""The plane in Python: the reference for the compiled one, and what runs where there is no compiler."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence

import pylibsrtp

from sfu.bwe.sent import WINDOW as SENT_WINDOW
from sfu.bwe.sent import Bandwidth, SentPackets
from sfu.plane import srtp
from sfu.plane.feedback import take_nacks
from sfu.plane.gate import ALL_LAYERS
from sfu.plane.interface import (
    Address,
    AudioLevels,
    Drop,
    Feed,
    Punt,
    PuntKind,
    Repair,
    RouteRow,
    RouteState,
    SourceRow,
    SourceState,
    SrtpKeys,
)
from sfu.plane.probe import MAXIMUM_AT_ONCE, RunningProbe, check_probe
from sfu.plane.route import Destination, Feeding, Incoming, Route
from sfu.plane.source import MAXIMUM_LAYER, Source
from sfu.streams.arrivals import Arrivals
from sfu.streams.history import HistoryLimits
from sfu.streams.nack import NackList
from sfu.streams.reception import Refusal
from sfu.wire import rtcp, rtp, rtx, twcc
from sfu.wire.demux import Protocol, classify

MAXIMUM_ADDRESSES = 16
"""Addresses bound to one transport; a further one ends the oldest, so that a client cannot fill the table."""
MAXIMUM_STRANGERS = 64
"""SSRCs without a row whose SRTP state a transport keeps; a further one ends the oldest."""
MINIMUM_ROUND_TRIP_TIME, MAXIMUM_ROUND_TRIP_TIME = 0.005, 2.0
"""Seconds that are believed of a measured round trip."""


class _Transport(Destination):
    """A peer: its addresses, its keys, what it sends and what it gets."""

    __slots__ = (
        "addresses",
        "arrivals",
        "id",
        "probe",
        "receive",
        "repeats",
        "routes",
        "routes_by_ssrc",
        "sources",
        "ssrc",
        "strangers",
        "used_ssrcs",
    )

    def __init__(self, identifier: int, ssrc: int) -> None:
        super().__init__()
        self.id = identifier
        self.ssrc = ssrc
        self.arrivals: Arrivals | None = None
        self.probe: RunningProbe | None = None
        self.addresses: dict[Address, None] = {}  # the newest last
        self.receive: pylibsrtp.Session | None = None
        self.sources: dict[int, Source] = {}  # by SSRC
        self.repeats: dict[int, Source] = {}  # by SSRC of RTX
        self.routes: set[int] = set()
        self.routes_by_ssrc: dict[int, Route] = {}
        self.used_ssrcs: set[int] = set()
        self.strangers: dict[int, None] = {}  # the oldest first

    def meet(self, ssrc: int) -> None:
        """Note that the receiving session keeps state for this SSRC, and bound how many it keeps."""
        if ssrc in self.strangers or ssrc in self.sources or ssrc in self.repeats:
            return
        self.strangers[ssrc] = None
        if len(self.strangers) > MAXIMUM_STRANGERS:
            oldest = next(iter(self.strangers))
            del self.strangers[oldest]
            # A source fed by replay alone has no state to end.
            with contextlib.suppress(pylibsrtp.Error):
                if self.receive is not None:
                    self.receive.remove_stream(oldest)

    def answers(self, ssrc: int) -> bool:
        """Whether NACKs about this SSRC are answered."""
        route = self.routes_by_ssrc.get(ssrc)
        return route is not None and route.answers


class ReferencePlane:
    """Implements `sfu.plane.interface.Plane`, which documents it."""

    def __init__(self) -> None:
        self._transports: dict[int, _Transport] = {}
        self._addresses: dict[Address, _Transport] = {}
        self._sources: dict[int, Source] = {}
        self._routes: dict[int, Route] = {}
        self._datagrams: list[tuple[bytes, Address]] = []
        self._punts: list[Punt] = []
        self._drops: dict[Drop, int] = {}
        self._packet = Incoming()
        self._limits = HistoryLimits()
        # Sources with packets to ask for, or to give up.
        self._gaps: dict[int, Source] = {}
        self._repairs = dict.fromkeys(Repair, 0)
        # Transports that are probed, in the order in which they began to be.
        self._probed: dict[int, _Transport] = {}

    # Rows

    def open_transport(self, transport: int, ssrc: int = 0) -> None:
        if transport in self._transports:
            raise ValueError(f"transport {transport} is open already")
        self._transports[transport] = _Transport(transport, ssrc)

    def bind(self, transport: int, address: Address) -> None:
        row = self._transport(transport)
        former = self._addresses.get(address)
        if former is not None:
            self._release(former, address)
        self._addresses[address] = row
        row.addresses[address] = None
        row.address = address
        if len(row.addresses) > MAXIMUM_ADDRESSES:
            self._release(row, next(iter(row.addresses)))

    def unbind(self, transport: int, address: Address) -> None:
        row = self._transport(transport)
        if address in row.addresses:
            self._release(row, address)

    def _release(self, row: _Transport, address: Address) -> None:
        del self._addresses[address]
        del row.addresses[address]
        if row.address == address:
            row.address = next(reversed(row.addresses), None)

    def set_keys(self, transport: int, keys: SrtpKeys) -> None:
        row = self._transport(transport)
        if row.receive is not None:
            raise ValueError(f"transport {transport} has its keys already")
        receive, send = srtp.receive_session(keys), srtp.send_session(keys)
        row.receive, row.send = receive, send

    def set_round_trip_time(self, transport: int, seconds: float) -> None:
        self._transport(transport).round_trip_time = min(
            max(seconds, MINIMUM_ROUND_TRIP_TIME), MAXIMUM_ROUND_TRIP_TIME
        )

    def limit_history(self, seconds: float, max_bytes: int) -> None:
        if not seconds > 0 or max_bytes < 0:
            raise ValueError(
                f"history of {seconds} seconds and {max_bytes} bytes: neither may be below 0, nor the time 0"
            )
        self._limits.seconds, self._limits.max_bytes = seconds, max_bytes

    def close_transport(self, transport: int) -> None:
        row = self._transport(transport)
        for route in tuple(row.routes):
            self.remove_route(route)
        for source in tuple(row.sources.values()):
            self.remove_source(source.row.id)
        for address in row.addresses:
            del self._addresses[address]
        del self._transports[transport]
        self._probed.pop(transport, None)
        # The sessions are freed with the row, after nothing in the tables leads to them.

    def add_source(self, row: SourceRow) -> None:
        transport = self._transport(row.transport)
        if row.id in self._sources:
            raise ValueError(f"source {row.id} exists already")
        if row.ssrc in transport.sources or row.ssrc in transport.repeats:
            raise ValueError(f"transport {row.transport} has a source of SSRC {row.ssrc} already")
        _check_payload_types(row.codecs)
        _check_own(row.transport_wide_extension)
        if row.transport_wide_extension and transport.arrivals is None:
            transport.arrivals = Arrivals()
        _check_payload_types((*row.rtx_payload_types, *row.rtx_payload_types.values()))
        if row.rtx_ssrc is not None:
            _check_rtx(transport, row.rtx_ssrc, row.ssrc)
        source = Source(row, self._limits)
        self._sources[row.id] = source
        transport.sources[row.ssrc] = source
        transport.strangers.pop(row.ssrc, None)
        if row.rtx_ssrc is not None:
            transport.repeats[row.rtx_ssrc] = source
            transport.strangers.pop(row.rtx_ssrc, None)

    def set_rtx(self, source: int, ssrc: int) -> None:
        row = self._source(source)
        transport = self._transports[row.row.transport]
        if ssrc == row.rtx_ssrc:
            return
        _check_rtx(transport, ssrc, row.row.ssrc)
        former, row.rtx_ssrc = row.rtx_ssrc, ssrc
        if former is not None:
            del transport.repeats[former]
            transport.meet(former)
        transport.repeats[ssrc] = row
        transport.strangers.pop(ssrc, None)

    def remove_source(self, source: int) -> None:
        row = self._source(source)
        for route in row.routes.values():
            if route.next is not None and route.next.feed.source == source:
                route.next = None
                continue
            if route.next is not None:
                # Nothing is left to go on with until the keyframe comes.
                route.set_feed(route.next)
            else:
                route.set_feed(None)
        transport = self._transports[row.row.transport]
        del transport.sources[row.row.ssrc]
        del self._sources[source]
        self._gaps.pop(source, None)
        row.history.release()
        if row.reception.packets:
            transport.meet(row.row.ssrc)
        if row.rtx_ssrc is not None:
            del transport.repeats[row.rtx_ssrc]
            transport.meet(row.rtx_ssrc)

    def hold_source(self, source: int, held: bool) -> None:
        row = self._source(source)
        if row.held and not held:
            for route in row.routes.values():
                route.release(source)
        row.held = held

    def add_route(self, row: RouteRow) -> None:
        transport = self._transport(row.transport)
        if row.id in self._routes:
            raise ValueError(f"route {row.id} exists already")
        if row.ssrc in transport.used_ssrcs:
            raise ValueError(
                f"SSRC {row.ssrc} was sent on transport {row.transport} before: a new route needs a new one"
            )
        if row.rtx_ssrc is not None and (row.rtx_ssrc in transport.used_ssrcs or row.rtx_ssrc == row.ssrc):
            raise ValueError(
                f"SSRC {row.rtx_ssrc} of RTX was sent on transport {row.transport} before: "
                "a new route needs a new one"
            )
        for number in (row.first_sequence_number, row.first_rtx_sequence_number):
            if not 0 <= number < 1 << 15:
                raise ValueError(f"first sequence number is {number}, it should be below 32768")
        mid_size = len(row.mid.encode())
        if row.mid_extension and not (0 < row.mid_extension < 256 and 0 < mid_size < 256):
            raise ValueError(
                f"mid {row.mid!r} has extension id {row.mid_extension}: ids and sizes are 1 to 255"
            )
        _check_own(row.transport_wide_extension)
        _check_own(row.abs_send_time_extension)
        if row.transport_wide_extension and transport.sent is None:
            transport.sent = SentPackets()
        self._routes[row.id] = Route(row, transport, self._limits)
        transport.routes.add(row.id)
        transport.routes_by_ssrc[row.ssrc] = self._routes[row.id]
        transport.used_ssrcs.add(row.ssrc)
        if row.rtx_ssrc is not None:
            transport.used_ssrcs.add(row.rtx_ssrc)

    def remove_route(self, route: int) -> None:
        row = self._route(route)
        formers = self._detach(route, row)
        row.kept.release()
        transport = self._transports[row.row.transport]
        transport.routes.discard(route)
        del transport.routes_by_ssrc[row.row.ssrc]
        del self._routes[route]
        for former in formers:
            former.settle()

    def _detach(self, route: int, row: Route) -> list[Source]:
        """The sources that feed it, or are to."""
        sources = [
            self._sources[feeding.feed.source] for feeding in (row.current, row.next) if feeding is not None
        ]
        for source in sources:
            del source.routes[route]
        return sources

    def feed_route(self, route: int, feed: Feed | None) -> None:
        row = self._route(route)
        source = self._source(feed.source) if feed is not None else None
        feeding = self._feeding(row, feed)
        formers = self._detach(route, row)
        row.set_feed(feeding)
        if source is not None:
            source.routes[route] = row
            source.settle()
        for former in formers:
            former.settle()

    def switch_route(self, route: int, feed: Feed) -> None:
        row = self._route(route)
        source = self._source(feed.source)
        if row.current is None:
            self.feed_route(route, feed)
            return
        current = self._source(row.current.feed.source)
        if source.row.transport != current.row.transport:
            raise ValueError(
                f"source {feed.source} is of transport {source.row.transport}, and source "
                f"{current.row.id} of {current.row.transport}: a route switches between sources of one"
            )
        feeding = self._feeding(row, feed)
        before = self._sources[row.next.feed.source] if row.next is not None else None
        if before is not None:
            del before.routes[route]
            row.next = None
        if source is not current:
            row.next = feeding
            source.routes[route] = row
            source.settle()
        if before is not None:
            before.settle()

    def _feeding(self, row: Route, feed: Feed | None) -> Feeding | None:
        if feed is None:
            return None
        _check(feed)
        spec = self._source(feed.source).row
        return Feeding(feed, spec, row.row, (row.own, row.row.abs_send_time_extension))

    def limit_route(self, route: int, spatial: int, temporal: int) -> None:
        gate = self._route(route).gate
        for name, layer in (("spatial", spatial), ("temporal", temporal)):
            if not 0 <= layer <= ALL_LAYERS:
                raise ValueError(f"{name} layer is {layer}, it should be 0 to {ALL_LAYERS}")
        gate.spatial_limit, gate.temporal_limit = spatial, temporal

    def pause_route(self, route: int, paused: bool) -> None:
        row = self._route(route)
        if paused:
            row.pause()
        elif row.paused:
            feeding = row.current
            row.resume(feeding is not None and self._sources[feeding.feed.source].row.is_video)

    # Packets

    def receive(self, datagram: bytes, address: Address, now: float) -> None:
        if not datagram:
            self.drop(Drop.EMPTY)
            return
        protocol = classify(datagram)
        transport = self._addresses.get(address)
        if protocol is Protocol.STUN:
            bound = transport.id if transport is not None else None
            self._punts.append(Punt(PuntKind.STUN, datagram, address, bound))
        elif protocol is Protocol.UNKNOWN:
            self.drop(Drop.UNKNOWN_PROTOCOL)
        elif transport is None:
            self.drop(Drop.UNBOUND_ADDRESS)
        elif protocol is Protocol.DTLS:
            self._punts.append(Punt(PuntKind.DTLS, datagram, address, transport.id))
        elif transport.receive is None:
            self.drop(Drop.BEFORE_DTLS)
        elif protocol is Protocol.RTP:
            if rtp.MINIMUM_SIZE <= len(datagram) <= srtp.MAXIMUM_DATAGRAM:
                self._receive_rtp(transport, transport.receive, datagram, address, now)
                self._tick(transport, now)
            else:
                self.drop(Drop.MALFORMED_RTP)
        elif srtp.MINIMUM_SRTCP <= len(datagram) <= srtp.MAXIMUM_DATAGRAM:
            self._receive_rtcp(transport, transport.receive, datagram, address, now)
            self._tick(transport, now)
        else:
            self.drop(Drop.MALFORMED_RTCP)

    def _receive_rtp(
        self, transport: _Transport, session: pylibsrtp.Session, datagram: bytes, address: Address, now: float
    ) -> None:
        try:
            packet = session.unprotect(datagram)
        except pylibsrtp.Error as error:
            self.drop(srtp.rtp_drop(error))
            return
        transport.meet(rtp.ssrc(packet))
        if not self._forward(transport, packet, now):
            self._punts.append(Punt(PuntKind.UNKNOWN_SSRC, packet, address, transport.id))

    def _receive_rtcp(
        self, transport: _Transport, session: pylibsrtp.Session, datagram: bytes, address: Address, now: float
    ) -> None:
        try:
            packet = session.unprotect_rtcp(datagram)
        except pylibsrtp.Error as error:
            self.drop(srtp.rtcp_drop(error))
            return
        transport.meet(int.from_bytes(packet[4:8], "big"))
        nacks, rest = take_nacks(packet, transport.answers)
        for nack in nacks:
            route = transport.routes_by_ssrc[nack.ssrc]
            route.answer(nack.lost, now, self._finder(route, now), self._datagrams, self._repairs)
        rest = self._handle_rtcp(transport.sent, rest, now)
        if rest:
            self._punts.append(Punt(PuntKind.RTCP, rest, address, transport.id))

    def _handle_rtcp(self, sent: SentPackets | None, data: bytes, now: float) -> bytes:
        """Do what is the plane's of a compound packet; what remains for the control side. What is no sound
        compound packet is all the control side's to judge."""
        packets = rtcp.split(data) if sent is not None else None
        if sent is None or packets is None:
            return data
        kept = []
        for packet in packets:
            if (packet[1], packet[0] & 0x1F) != (twcc.PACKET_TYPE, twcc.FORMAT):
                kept.append(packet)
                continue
            try:
                sent.feedback(twcc.parse_packet(packet, SENT_WINDOW), now)
            except ValueError:
                self.drop(Drop.MALFORMED_RTCP)
        return b"".join(kept)

    def tick(self, now: float) -> None:
        for transport in self._transports.values():
            self._tick(transport, now)
        for source in list(self._gaps.values()):
            missing = source.missing
            assert missing is not None
            self._ask(source, missing, now)
            if not missing:
                del self._gaps[source.row.id]
        for transport in list(self._probed.values()):
            self._pad(transport, now)

    def _tick(self, transport: _Transport, now: float) -> None:
        """Send what is due to the transport: feedback about what it sends."""
        arrivals, session, address = transport.arrivals, transport.send, transport.address
        if arrivals is None or not arrivals.due(now) or session is None or address is None:
            return
        for message in arrivals.take(transport.ssrc, now):
            try:
                self._datagrams.append((session.protect_rtcp(message), address))
            except pylibsrtp.Error:
                self.drop(Drop.SRTP_PROTECT)

    def bandwidth(self, transport: int) -> Bandwidth | None:
        sent = self._transport(transport).sent
        return copy.deepcopy(sent.state) if sent is not None else None

    def probe(self, transport: int, probe: int, bitrate: float, duration: float, now: float) -> bool:
        row = self._transport(transport)
        check_probe(probe, bitrate, duration)
        if row.sent is None or self._padded(row) is None:
            return False
        row.sent.begin_probe(probe)
        row.probe = RunningProbe(bitrate, duration, now)
        self._probed[transport] = row
        self._repairs[Repair.PROBES] += 1
        self._pad(row, now)
        return True

    def _padded(self, transport: _Transport) -> Route | None:
        """The route that carries its padding."""
        routes = [route for route in transport.routes_by_ssrc.values() if route.takes_padding]
        return min(routes, key=lambda route: route.row.ssrc, default=None)

    def _pad(self, transport: _Transport, now: float) -> None:
        """Send the padding that is due for a probe."""
        running = transport.probe
        assert transport.sent is not None
        assert running is not None
        probe, route = transport.sent.state.probe, self._padded(transport)
        for _ in range(MAXIMUM_AT_ONCE):
            if route is None or not running.lacks(probe, now):
                break
            size = route.pad(now, self._datagrams)
            if not size:
                break
            self._repairs[Repair.PADDING_PACKETS] += 1
            self._repairs[Repair.PADDING_BYTES] += size
        if running.ended(probe, now):
            probe.done = True
            transport.probe = None
            del self._probed[transport.id]

    def _finder(self, route: Route, now: float) -> Callable[[int, int], bool]:
        """Finds whether what the publisher that now feeds a route has sent is still kept."""

        def find(source: int, extended: int) -> bool:
            row = self._sources.get(source)
            feeding = self._sources.get(route.current.feed.source) if route.current is not None else None
            if row is None or feeding is None or row.row.transport != feeding.row.transport:
                return False
            return row.history.get(extended, now) is not None

        return find

    def replay(self, transport: int, packet: bytes, now: float) -> None:
        if not self._forward(self._transport(transport), packet, now):
            self.drop(Drop.UNKNOWN_SSRC)

    def _forward(self, transport: _Transport, data: bytes, now: float) -> bool:
        """Give an unprotected packet to the routes of its source; False if it is sound and has no source."""
        try:
            extension, start = rtp.payload_offset(data)
            end = rtp.payload_end(data, start)
            elements = rtp.read_elements(data, extension, start)
        except ValueError:
            self.drop(Drop.MALFORMED_RTP)
            return True
        first, second, sequence_number, timestamp, ssrc = rtp.FIXED_HEADER.unpack_from(data)
        payload_type = second & 0x7F
        source = transport.sources.get(ssrc)
        repeated = False
        if source is None:
            source = transport.repeats.get(ssrc)
            if source is None:
                return False
            repeated = True
        identifier = source.row.transport_wide_extension
        if identifier and transport.arrivals is not None:
            number = next((data for found, data in elements if found == identifier), b"")
            if len(number) >= 2:
                transport.arrivals.receive(int.from_bytes(number[:2], "big"), ssrc, now)
        if repeated:
            original = source.row.rtx_payload_types.get(payload_type)
            if original is None or end - start < rtx.OSN_SIZE:
                self.drop(Drop.RTX_UNKNOWN if original is None else Drop.RTX_EMPTY)
                return True
            data = rtx.unwrap(data, start, end, ssrc=source.row.ssrc, payload_type=original)
            payload_type, end = original, end - rtx.OSN_SIZE
            sequence_number = int.from_bytes(data[2:4], "big")
            source.rtx_packets += 1
            source.rtx_bytes += len(data)
        extended = source.reception.receive(sequence_number, timestamp, len(data), now, repeated=repeated)
        if isinstance(extended, Refusal):
            self.drop(Drop.SRTP_REPLAY if extended is Refusal.DUPLICATE else Drop.SEQUENCE_JUMP)
            return True
        if source.missing is not None:
            self._note(source, source.missing, extended, now)
        detector = source.detectors.get(payload_type)
        keyframe = detector is not None and detector(data, start, end)
        if keyframe and timestamp != source.keyframe_timestamp:
            source.keyframe_timestamp = timestamp
            source.keyframes += 1
            self._punts.append(Punt(PuntKind.KEYFRAME, data, transport=transport.id, source=source.row.id))
        if keyframe and source.missing is not None:
            source.missing.keyframe(extended)
        if source.row.audio_level:
            told = next((value for found, value in elements if found == source.row.audio_level), None)
            if told is not None:
                source.level.note(told)
        layers = source.layers
        layering = layers.read(source.codecs.get(payload_type), data, start, end, elements)
        layer = min(layering.spatial, MAXIMUM_LAYER), min(layering.temporal, MAXIMUM_LAYER)
        source.layer_bytes[layer] = source.layer_bytes.get(layer, 0) + len(data)
        if not source.routes:
            return True
        if source.keeps:
            source.history.put(extended, data, now)
        packet = self._packet
        packet.source = source.row.id
        packet.held = source.held
        packet.layering = layering
        packet.structure = layers.structure
        packet.active_targets = layers.active_targets
        packet.first_byte = first & ~rtp.EXTENSION_BIT
        packet.marker = second & rtp.MARKER_BIT
        packet.payload_type = payload_type
        packet.extended = extended
        packet.timestamp = timestamp
        packet.contributors = data[12:extension]
        packet.elements = elements
        packet.payload = data[start:]
        packet.payload_offset = start
        packet.payload_size = end - start
        packet.starts = keyframe or detector is None
        packet.now = now
        packet.blocks = {}
        out = self._datagrams
        for identifier, route in source.routes.items():
            former = route.current
            reason = route.forward(packet, out)
            if reason is not None:
                self.drop(reason)
            if route.current is not former and former is not None:
                # What it keeps may still be asked for: it is not settled.
                del self._sources[former.feed.source].routes[identifier]
        return True

    def _note(self, source: Source, missing: NackList, extended: int, now: float) -> None:
        """Strike a packet off what is missing, or learn what it tells to be missing."""
        given_up = missing.given_up
        if missing.received(extended, now):
            source.recovered += 1
            self._repairs[Repair.PACKETS_RECOVERED] += 1
        self._repairs[Repair.PACKETS_GIVEN_UP] += missing.given_up - given_up
        if missing or missing.unrepaired:
            self._gaps[source.row.id] = source

    def _ask(self, source: Source, missing: NackList, now: float) -> None:
        transport = self._transports[source.row.transport]
        if not source.routes:
            # Nobody would see it.
            missing.clear()
            missing.unrepaired = False
            return
        given_up = missing.given_up
        numbers = missing.due(now, transport.round_trip_time)
        self._repairs[Repair.PACKETS_GIVEN_UP] += missing.given_up - given_up
        if missing.unrepaired:
            missing.unrepaired = False
            if source.row.is_video:
                self._punts.append(Punt(PuntKind.REPAIR_FAILED, transport=transport.id, source=source.row.id))
        if numbers and transport.address is not None and transport.send is not None:
            source.nacks += 1
            source.requested += len(numbers)
            self._repairs[Repair.NACKS_SENT] += 1
            self._repairs[Repair.PACKETS_REQUESTED] += len(numbers)
            lost = tuple(number & 0xFFFF for number in numbers)
            message = rtcp.GenericNack(transport.ssrc, source.row.ssrc, lost)
            # A compound packet begins with a report (RFC 3550 section 6.1), if an empty one.
            report = rtcp.ReceiverReport(transport.ssrc)
            self.send_rtcp(transport.id, rtcp.serialize([report, message]))

    def send_rtcp(self, transport: int, packet: bytes) -> None:
        row = self._transport(transport)
        if len(packet) < 8:
            raise ValueError(f"RTCP packet has {len(packet)} bytes, it takes at least 8")
        if row.address is None:
            self.drop(Drop.NO_ADDRESS)
        elif row.send is None:
            self.drop(Drop.NO_KEYS)
        elif len(packet) > srtp.MAXIMUM_RTCP:
            self.drop(Drop.TOO_LARGE)
        else:
            try:
                protected = row.send.protect_rtcp(packet)
            except pylibsrtp.Error:
                self.drop(Drop.SRTP_PROTECT)
                return
            self._datagrams.append((protected, row.address))

    def send(self, data: bytes, address: Address) -> None:
        self._datagrams.append((data, address))

    def drop(self, reason: Drop, count: int = 1) -> None:
        self._drops[reason] = self._drops.get(reason, 0) + count

    def take_datagrams(self) -> Sequence[tuple[bytes, Address]]:
        taken, self._datagrams = self._datagrams, []
        return taken

    def take_punts(self) -> Sequence[Punt]:
        taken, self._punts = self._punts, []
        return taken

    # Counters

    def source_state(self, source: int) -> SourceState:
        return self._source(source).state()

    def route_state(self, route: int) -> RouteState:
        return self._route(route).state()

    def sample(
        self, sources: Sequence[int], routes: Sequence[int]
    ) -> tuple[list[SourceState], list[RouteState]]:
        return list(map(self.source_state, sources)), list(map(self.route_state, routes))

    def audio_levels(self, sources: Sequence[int]) -> list[AudioLevels]:
        return [self._source(source).level.state() for source in sources]

    def drops(self) -> Mapping[Drop, int]:
        return dict(self._drops)

    def repairs(self) -> Mapping[Repair, int]:
        return dict(self._repairs)

    def sizes(self) -> Mapping[str, int]:
        return {
            "transports": len(self._transports),
            "addresses": len(self._addresses),
            "sources": len(self._sources),
            "routes": len(self._routes),
        }

    def history_bytes(self) -> int:
        return self._limits.used_bytes

    def _transport(self, transport: int) -> _Transport:
        try:
            return self._transports[transport]
        except KeyError:
            raise KeyError(f"there is no transport {transport}") from None

    def _source(self, source: int) -> Source:
        try:
            return self._sources[source]
        except KeyError:
            raise KeyError(f"there is no source {source}") from None

    def _route(self, route: int) -> Route:
        try:
            return self._routes[route]
        except KeyError:
            raise KeyError(f"there is no route {route}") from None


def _check_payload_types(payload_types: Iterable[int]) -> None:
    for payload_type in payload_types:
        if not 0 <= payload_type <= 127:
            raise ValueError(f"payload type is {payload_type}, it should be 0 to 127")


def _check_own(identifier: int) -> None:
    if not 0 <= identifier <= 255:
        raise ValueError(f"header extension id is {identifier}, it should be 0 to 255")


def _check_rtx(transport: _Transport, ssrc: int, media_ssrc: int) -> None:
    if ssrc in transport.sources or ssrc in transport.repeats or ssrc == media_ssrc:
        raise ValueError(f"transport {transport.id} has a source of SSRC {ssrc} already")


def _check(feed: Feed) -> None:
    _check_payload_types((*feed.payload_types, *feed.payload_types.values()))
    _check_payload_types((*feed.rtx_payload_types, *feed.rtx_payload_types.values()))
    for identifier in (*feed.extensions, *feed.extensions.values()):
        if not 1 <= identifier <= 255:
            raise ValueError(f"header extension id is {identifier}, it should be 1 to 255")
