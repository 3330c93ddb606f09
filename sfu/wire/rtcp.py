"""RTCP packets (RFC 3550 section 6, RFC 4585 section 6, RFC 5104 section 4.3.1, goog-remb, transport-cc).

`parse` reads a datagram's packets, compound or reduced-size (RFC 5506); `serialize` writes them.
`bytes(packet)` is one packet. Fields out of range raise ValueError when written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from sfu.wire import twcc

_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
_SOURCE_DESCRIPTION = 202
_BYE = 203
_TRANSPORT_FEEDBACK = 205
_PAYLOAD_FEEDBACK = 206

# Feedback message types (FMT).
_GENERIC_NACK = 1
_PICTURE_LOSS = 1
_FULL_INTRA_REQUEST = 4
_APPLICATION_LAYER = 15

_CNAME = 1
_REMB = b"REMB"
_MANTISSA_BITS = 18

_HEADER = struct.Struct("!BBH")
_WORD = struct.Struct("!I")
_SENDER_INFO = struct.Struct("!IQIII")
_REPORT_BLOCK = struct.Struct("!IIIIII")
_SSRC_PAIR = struct.Struct("!II")
_NACK_ITEM = struct.Struct("!HH")
_FIR_ENTRY = struct.Struct("!IB3x")


class Packet(Protocol):
    """One RTCP packet."""

    def __bytes__(self) -> bytes: ...


def _packet(kind: int, count: int, body: bytes) -> bytes:
    """A packet of a body of whole words."""
    try:
        return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body
    except struct.error as error:
        raise ValueError(f"RTCP packet of {len(body)} bytes is too long") from error


def _pack(layout: struct.Struct, *values: object) -> bytes:
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise ValueError(f"RTCP field out of range: {error}") from error


def _count(number: int, what: str) -> int:
    if number > 31:
        raise ValueError(f"{number} {what} in an RTCP packet, at most 31 fit")
    return number


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver tells of one stream (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Since the last report, in 256ths."""
    packets_lost: int
    """Since the start; signed, 24 bits."""
    highest_sequence: int
    """Extended, modulo 2^32."""
    jitter: int
    """Timestamp units."""
    last_sr: int = 0
    """The middle 32 bits of the NTP time of the newest sender report; 0 before the first."""
    delay_since_last_sr: int = 0
    """1/65536 seconds."""

    def __bytes__(self) -> bytes:
        if not 0 <= self.fraction_lost <= 255:
            raise ValueError(f"fraction lost is {self.fraction_lost}, it should be 0 to 255")
        if not -(1 << 23) <= self.packets_lost < 1 << 23:
            raise ValueError(f"packets lost is {self.packets_lost}, it should fit in 24 bits")
        return _pack(
            _REPORT_BLOCK,
            self.ssrc,
            self.fraction_lost << 24 | self.packets_lost & 0xFFFFFF,
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """RFC 3550 section 6.4.1."""

    ssrc: int
    ntp: int
    """64 bits: seconds since 1900 in the upper half, their fraction in the lower."""
    rtp_timestamp: int
    """The same moment in the stream's timestamps."""
    packet_count: int
    octet_count: int
    """Payload bytes."""
    reports: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        info = _pack(
            _SENDER_INFO, self.ssrc, self.ntp, self.rtp_timestamp, self.packet_count, self.octet_count
        )
        body = info + b"".join(map(bytes, self.reports))
        return _packet(_SENDER_REPORT, _count(len(self.reports), "report blocks"), body)


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RFC 3550 section 6.4.2."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        body = _pack(_WORD, self.ssrc) + b"".join(map(bytes, self.reports))
        return _packet(_RECEIVER_REPORT, _count(len(self.reports), "report blocks"), body)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """The canonical name of one source (RFC 3550 section 6.5.1). Other items are not kept."""

    ssrc: int
    cname: str

    def __bytes__(self) -> bytes:
        name = self.cname.encode()
        if len(name) > 255:
            raise ValueError(f"CNAME has {len(name)} bytes, at most 255 fit")
        chunk = _pack(_WORD, self.ssrc) + bytes((_CNAME, len(name))) + name
        # One to four zero bytes end the chunk at a word.
        return _packet(_SOURCE_DESCRIPTION, 1, chunk + bytes(4 - len(chunk) % 4))


@dataclass(frozen=True, slots=True)
class Bye:
    """RFC 3550 section 6.6. A reason is not kept."""

    ssrcs: tuple[int, ...]

    def __bytes__(self) -> bytes:
        body = b"".join(_pack(_WORD, ssrc) for ssrc in self.ssrcs)
        return _packet(_BYE, _count(len(self.ssrcs), "SSRCs"), body)


@dataclass(frozen=True, slots=True)
class PictureLossIndication:
    """RFC 4585 section 6.3.1."""

    sender_ssrc: int
    media_ssrc: int

    def __bytes__(self) -> bytes:
        return _packet(_PAYLOAD_FEEDBACK, _PICTURE_LOSS, _pack(_SSRC_PAIR, self.sender_ssrc, self.media_ssrc))


@dataclass(frozen=True, slots=True)
class FullIntraRequestEntry:
    """One stream of which a keyframe is asked."""

    ssrc: int
    sequence_number: int
    """8 bits; the same one repeats a request, another one is a new request."""

    def __bytes__(self) -> bytes:
        return _pack(_FIR_ENTRY, self.ssrc, self.sequence_number)


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """RFC 5104 section 4.3.1."""

    sender_ssrc: int
    entries: tuple[FullIntraRequestEntry, ...]

    def __bytes__(self) -> bytes:
        body = _pack(_SSRC_PAIR, self.sender_ssrc, 0) + b"".join(map(bytes, self.entries))
        return _packet(_PAYLOAD_FEEDBACK, _FULL_INTRA_REQUEST, body)


@dataclass(frozen=True, slots=True)
class ReceiverEstimatedMaximumBitrate:
    """draft-alvestrand-rmcat-remb-03 section 2.2."""

    sender_ssrc: int
    bitrate: int
    """Bits per second. Written as 18 significant bits, rounded down; at most 2^81 - 2^63."""
    ssrcs: tuple[int, ...]

    def __bytes__(self) -> bytes:
        exponent = max(0, self.bitrate.bit_length() - _MANTISSA_BITS)
        if self.bitrate < 0 or exponent > 63:
            raise ValueError(f"bitrate is {self.bitrate}, it should be 0 to 2^81 - 2^63")
        if len(self.ssrcs) > 255:
            raise ValueError(f"{len(self.ssrcs)} SSRCs in a REMB, at most 255 fit")
        estimate = len(self.ssrcs) << 24 | exponent << _MANTISSA_BITS | self.bitrate >> exponent
        body = _pack(_SSRC_PAIR, self.sender_ssrc, 0) + _REMB + _pack(_WORD, estimate)
        body += b"".join(_pack(_WORD, ssrc) for ssrc in self.ssrcs)
        return _packet(_PAYLOAD_FEEDBACK, _APPLICATION_LAYER, body)


@dataclass(frozen=True, slots=True)
class GenericNack:
    """RFC 4585 section 6.2.1."""

    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]
    """Sequence numbers. Written in their order, sixteen more in the bit mask that follows each."""

    def __bytes__(self) -> bytes:
        items: list[bytes] = []
        first: int | None = None
        mask = 0
        for number in self.lost:
            if first is not None and 1 <= number - first & 0xFFFF <= 16:
                mask |= 1 << (number - first - 1 & 0xFFFF)
                continue
            if first is not None:
                items.append(_pack(_NACK_ITEM, first, mask))
            first, mask = number, 0
        if first is not None:
            items.append(_pack(_NACK_ITEM, first, mask))
        body = _pack(_SSRC_PAIR, self.sender_ssrc, self.media_ssrc) + b"".join(items)
        return _packet(_TRANSPORT_FEEDBACK, _GENERIC_NACK, body)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A packet of a kind that is not read here."""

    type: int
    """Packet type, 192 to 223."""
    fmt: int
    """The five bits that count something or name the feedback message."""
    data: bytes
    """What follows the four bytes of the header, without padding."""

    def __bytes__(self) -> bytes:
        if not 192 <= self.type <= 223 or not 0 <= self.fmt <= 31:
            raise ValueError(f"RTCP type {self.type} and format {self.fmt} should be 192 to 223 and 0 to 31")
        if len(self.data) % 4:
            raise ValueError(f"RTCP body has {len(self.data)} bytes, it should be whole words")
        return _packet(self.type, self.fmt, self.data)


def serialize(packets: Iterable[Packet]) -> bytes:
    """A datagram of these packets. Raises ValueError if a field is out of range."""
    return b"".join(map(bytes, packets))


def parse(data: bytes) -> list[Packet]:
    """The packets of a datagram, in order. Raises ValueError with a sentence if one is malformed."""
    packets: list[Packet] = []
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            raise ValueError(f"RTCP header is cut off at {len(data) - position} of 4 bytes")
        first, kind, words = _HEADER.unpack_from(data, position)
        if first >> 6 != 2:
            raise ValueError(f"RTCP version is {first >> 6}, it should be 2")
        if not 192 <= kind <= 223:
            raise ValueError(f"RTCP packet type is {kind}, it should be 192 to 223")
        stop = position + 4 + 4 * words
        if stop > len(data):
            raise ValueError(
                f"RTCP packet {kind} is cut off at {len(data) - position} of {4 + 4 * words} bytes"
            )
        body = data[position + 4 : stop]
        if first & 0x20:
            padding = body[-1] if body else 0
            # Only the last packet may be padded, by whole words (RFC 3550 section 6.4.1). libwebrtc pads its
            # transport-wide feedback up to the word, wherever it stands.
            lenient = (kind, first & 0x1F) == (twcc.PACKET_TYPE, twcc.FORMAT)
            stray = not lenient and (stop != len(data) or padding % 4)
            if stray or not padding or padding > len(body):
                raise ValueError(
                    f"RTCP packet {kind} has {padding} bytes of padding in a body of {len(body)}"
                )
            body = body[:-padding]
        packets += _parse_body(kind, first & 0x1F, body)
        position = stop
    if not packets:
        raise ValueError("RTCP datagram is empty")
    return packets


def split(data: bytes) -> list[bytes] | None:
    """The packets of a datagram as they are, headers and padding included; None where it is no sequence of
    them."""
    packets: list[bytes] = []
    position = 0
    while position < len(data):
        if position + 4 > len(data) or data[position] >> 6 != 2:
            return None
        stop = position + 4 + 4 * int.from_bytes(data[position + 2 : position + 4], "big")
        if stop > len(data):
            return None
        packets.append(data[position:stop])
        position = stop
    return packets


def _parse_body(kind: int, count: int, body: bytes) -> list[Packet]:
    if kind == _SENDER_REPORT:
        return [_parse_sender_report(count, body)]
    if kind == _RECEIVER_REPORT:
        return [_parse_receiver_report(count, body)]
    if kind == _SOURCE_DESCRIPTION:
        return list(_parse_source_descriptions(count, body))
    if kind == _BYE:
        _expect(body, 4 * count, f"BYE of {count} SSRCs")
        return [Bye(struct.unpack_from(f"!{count}I", body))]
    return [_parse_feedback(kind, count, body)]


def _parse_feedback(kind: int, fmt: int, body: bytes) -> Packet:
    if (kind, fmt) == (_TRANSPORT_FEEDBACK, _GENERIC_NACK):
        return _parse_nack(body)
    if (kind, fmt) == (twcc.PACKET_TYPE, twcc.FORMAT):
        return twcc.parse_feedback(body)
    if (kind, fmt) == (_PAYLOAD_FEEDBACK, _PICTURE_LOSS):
        _expect(body, 8, "picture loss indication")
        return PictureLossIndication(*_SSRC_PAIR.unpack_from(body))
    if (kind, fmt) == (_PAYLOAD_FEEDBACK, _FULL_INTRA_REQUEST):
        return _parse_full_intra_request(body)
    if (kind, fmt) == (_PAYLOAD_FEEDBACK, _APPLICATION_LAYER) and body[8:12] == _REMB:
        return _parse_bitrate(body)
    return Unknown(kind, fmt, body)


def _expect(body: bytes, size: int, what: str) -> None:
    if len(body) < size:
        raise ValueError(f"RTCP {what} has a body of {len(body)} bytes, it takes at least {size}")


def _parse_reports(count: int, body: bytes, position: int) -> tuple[ReportBlock, ...]:
    reports = []
    for _ in range(count):
        ssrc, loss, highest, jitter, last, delay = _REPORT_BLOCK.unpack_from(body, position)
        lost = ((loss & 0xFFFFFF) + 0x800000 & 0xFFFFFF) - 0x800000
        reports.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
        position += _REPORT_BLOCK.size
    return tuple(reports)


def _parse_sender_report(count: int, body: bytes) -> SenderReport:
    _expect(body, _SENDER_INFO.size + count * _REPORT_BLOCK.size, f"sender report with {count} blocks")
    ssrc, ntp, rtp_timestamp, packets, octets = _SENDER_INFO.unpack_from(body)
    reports = _parse_reports(count, body, _SENDER_INFO.size)
    return SenderReport(ssrc, ntp, rtp_timestamp, packets, octets, reports)


def _parse_receiver_report(count: int, body: bytes) -> ReceiverReport:
    _expect(body, 4 + count * _REPORT_BLOCK.size, f"receiver report with {count} blocks")
    (ssrc,) = _WORD.unpack_from(body)
    return ReceiverReport(ssrc, _parse_reports(count, body, 4))


def _parse_source_descriptions(count: int, body: bytes) -> Iterable[SourceDescription]:
    position = 0
    for _ in range(count):
        _expect(body, position + 8, "source description chunk")
        (ssrc,) = _WORD.unpack_from(body, position)
        position += 4
        cname: str | None = None
        while True:
            _expect(body, position + 1, "source description item")
            kind = body[position]
            if not kind:
                break
            _expect(body, position + 2, "source description item")
            stop = position + 2 + body[position + 1]
            _expect(body, stop, "source description item")
            if kind == _CNAME:
                cname = body[position + 2 : stop].decode(errors="replace")
            position = stop
        # Past the zero bytes, to the next word.
        position += 4 - position % 4
        if cname is not None:
            yield SourceDescription(ssrc, cname)


def _parse_full_intra_request(body: bytes) -> FullIntraRequest:
    _expect(body, 8, "full intra request")
    if len(body) % 8:
        raise ValueError(f"RTCP full intra request has a body of {len(body)} bytes, entries take 8 each")
    sender, _ = _SSRC_PAIR.unpack_from(body)
    entries = (FullIntraRequestEntry(*entry) for entry in _FIR_ENTRY.iter_unpack(body[8:]))
    return FullIntraRequest(sender, tuple(entries))


def _parse_bitrate(body: bytes) -> ReceiverEstimatedMaximumBitrate:
    _expect(body, 16, "REMB")
    count = body[12]
    _expect(body, 16 + 4 * count, f"REMB with {count} SSRCs")
    (estimate,) = _WORD.unpack_from(body, 12)
    bitrate = (estimate & (1 << _MANTISSA_BITS) - 1) << (estimate >> _MANTISSA_BITS & 0x3F)
    (sender,) = _WORD.unpack_from(body)
    return ReceiverEstimatedMaximumBitrate(sender, bitrate, struct.unpack_from(f"!{count}I", body, 16))


def _parse_nack(body: bytes) -> GenericNack:
    _expect(body, 8, "NACK")
    sender, media = _SSRC_PAIR.unpack_from(body)
    lost: list[int] = []
    for first, mask in _NACK_ITEM.iter_unpack(body[8:]):
        lost.append(first)
        lost += (first + bit + 1 & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return GenericNack(sender, media, tuple(lost))
