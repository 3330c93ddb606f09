"""The RTCP of one transport: what comes in is noted, what is due goes out (RFC 3550, RFC 4585, RFC 5104)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sfu.config import MediaConfig
from sfu.consumer import Consumer
from sfu.negotiation import TRANSPORT_WIDE, received_extension
from sfu.plane.interface import Plane
from sfu.streams.clock import TIMESTAMP_MASK, ClockReading, middle_of_ntp
from sfu.transport import Transport
from sfu.wire import rtcp

# Seconds between reports to one client; browsers send about as often.
INTERVAL = 1.0

# What an audio track may take of the bandwidth that a publisher is told, bits per second (RFC 7587).
AUDIO_BITRATE = 128_000

# A compound packet stays below any path's MTU: a sender report is 28 bytes, a CNAME chunk about as much.
MAX_BLOCKS = 16


def receive(transport: Transport, packets: Sequence[rtcp.Packet], now: float) -> bool:
    """Take note of a compound packet from a client; whether it asked for a keyframe.

    What names nobody's SSRC is ignored.
    """
    wanted = False
    for packet in packets:
        if isinstance(packet, rtcp.SenderReport):
            _sender_report(transport, packet, now)
            _report_blocks(transport, packet.reports, now)
        elif isinstance(packet, rtcp.ReceiverReport):
            _report_blocks(transport, packet.reports, now)
        elif isinstance(packet, rtcp.PictureLossIndication):
            wanted |= _keyframe_wanted(transport.consumers_by_ssrc.get(packet.media_ssrc), now)
        elif isinstance(packet, rtcp.FullIntraRequest):
            for entry in packet.entries:
                wanted |= _keyframe_wanted(transport.consumers_by_ssrc.get(entry.ssrc), now)
        elif isinstance(packet, rtcp.ReceiverEstimatedMaximumBitrate) and not numbers_packets(transport):
            transport.estimator.remb(packet.bitrate)
    return wanted


def numbers_packets(transport: Transport) -> bool:
    """Whether the client gives transport-wide feedback about what it gets."""
    return any(
        received_extension(consumer.line.extensions, TRANSPORT_WIDE)
        for consumer in transport.consumers.values()
    )


def _sender_report(transport: Transport, packet: rtcp.SenderReport, now: float) -> None:
    found = transport.stream_of(packet.ssrc)
    if found is not None:
        _, stream = found
        stream.clock = ClockReading(ntp=packet.ntp, rtp=packet.rtp_timestamp, arrival=now)
        stream.reception.sender_report(middle_of_ntp(packet.ntp), now)


def _report_blocks(transport: Transport, blocks: Sequence[rtcp.ReportBlock], now: float) -> None:
    for block in blocks:
        consumer = transport.consumers_by_ssrc.get(block.ssrc)
        if consumer is None:
            continue
        feedback = consumer.feedback
        feedback.fraction_lost = block.fraction_lost / 256
        feedback.packets_lost = block.packets_lost
        feedback.jitter = block.jitter
        round_trip = consumer.reports.round_trip(block.last_sr, block.delay_since_last_sr, now)
        if round_trip is not None:
            feedback.round_trip_time = round_trip


def _keyframe_wanted(consumer: Consumer | None, now: float) -> bool:
    if consumer is None:
        return False
    consumer.feedback.keyframe_requests += 1
    stream = consumer.producer.by_source(consumer.source) if consumer.producer is not None else None
    if stream is None or consumer.kind != "video":
        return False
    stream.keyframe.want(now)
    return True


def keyframe_requests(transport: Transport, now: float) -> bytes | None:
    """A compound packet with each keyframe request that is due, None where there is none."""
    requests: list[rtcp.Packet] = [
        rtcp.PictureLossIndication(sender_ssrc=transport.ssrc, media_ssrc=stream.ssrc)
        for producer in transport.producers.values()
        for stream in producer.streams.values()
        if stream.keyframe.due(now)
    ]
    if not requests:
        return None
    # A compound packet begins with a report (RFC 3550 section 6.1), if an empty one.
    return rtcp.serialize([rtcp.ReceiverReport(ssrc=transport.ssrc, reports=()), *requests])


def due_reports(transport: Transport, plane: Plane, config: MediaConfig, now: float) -> Iterator[bytes]:
    """The compound packets that the client is to get now; none before a second has passed since the last."""
    if now < transport.next_report:
        return
    transport.next_report = now + INTERVAL
    times = [consumer.feedback.round_trip_time for consumer in transport.consumers.values()]
    known = [seconds for seconds in times if seconds is not None]
    if known:
        plane.set_round_trip_time(transport.row, min(known))
    yield from _receiver_reports(transport, plane, config, now)
    yield from _sender_reports(transport, plane, now)


def _receiver_reports(transport: Transport, plane: Plane, config: MediaConfig, now: float) -> Iterator[bytes]:
    blocks = []
    ssrcs = []
    bitrate = 0
    for producer in transport.producers.values():
        bitrate += config.max_video_bitrate if producer.kind == "video" else AUDIO_BITRATE
        for stream in producer.streams.values():
            state = plane.source_state(stream.source)
            ssrcs.append(stream.ssrc)
            if not state.packets:
                continue
            report = stream.reception.next(state, now)
            blocks.append(
                rtcp.ReportBlock(
                    ssrc=stream.ssrc,
                    fraction_lost=report.fraction_lost,
                    packets_lost=report.packets_lost,
                    highest_sequence=report.highest_sequence_number,
                    jitter=report.jitter,
                    last_sr=report.last_sr,
                    delay_since_last_sr=report.delay_since_last_sr,
                )
            )
    if not ssrcs:
        return
    # The estimate is the operator's limit: without it browsers stay at their start bitrate.
    estimate = rtcp.ReceiverEstimatedMaximumBitrate(
        sender_ssrc=transport.ssrc, bitrate=bitrate, ssrcs=tuple(ssrcs[:MAX_BLOCKS])
    )
    for start in range(0, max(len(blocks), 1), MAX_BLOCKS):
        report_packet = rtcp.ReceiverReport(
            ssrc=transport.ssrc, reports=tuple(blocks[start : start + MAX_BLOCKS])
        )
        yield rtcp.serialize([report_packet, estimate] if start == 0 else [report_packet])


def _sender_reports(transport: Transport, plane: Plane, now: float) -> Iterator[bytes]:
    packets: list[rtcp.Packet] = []
    for consumer in transport.consumers.values():
        report = _consumer_report(consumer, plane, now)
        if report is None or consumer.producer is None:
            continue
        packets.append(report)
        packets.append(rtcp.SourceDescription(ssrc=consumer.ssrc, cname=consumer.producer.participant_id))
        if len(packets) >= 2 * MAX_BLOCKS:
            yield rtcp.serialize(packets)
            packets = []
    if packets:
        yield rtcp.serialize(packets)


def _consumer_report(consumer: Consumer, plane: Plane, now: float) -> rtcp.SenderReport | None:
    """The publisher's clock in the subscriber's timestamps; None before both are known."""
    state = plane.route_state(consumer.route)
    stream = consumer.producer.by_source(state.source) if consumer.producer is not None else None
    if stream is None or stream.clock is None or state.timestamp_offset is None:
        return None
    ntp, rtp_timestamp = stream.clock.at(now, stream.row.clock_rate)
    consumer.reports.sent(ntp, now)
    return rtcp.SenderReport(
        ssrc=consumer.ssrc,
        ntp=ntp,
        rtp_timestamp=(rtp_timestamp + state.timestamp_offset) & TIMESTAMP_MASK,
        packet_count=state.packets & 0xFFFFFFFF,
        octet_count=state.payload_bytes & 0xFFFFFFFF,
        reports=(),
    )
