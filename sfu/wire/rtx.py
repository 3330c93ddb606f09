"""The retransmission payload format (RFC 4588 section 4): two bytes with the original sequence number go
before the payload, and the packet has an SSRC, sequence numbers and a payload type of its own."""

from __future__ import annotations

from sfu.wire import rtp

OSN_SIZE = 2
"""Bytes of the original sequence number."""


def unwrap(packet: bytes, payload: int, end: int, *, ssrc: int, payload_type: int) -> bytes:
    """The packet that an RTX packet repeats; header extensions stay as they are.

    `payload` and `end` are offsets of the RTX packet's payload and of its padding. Raises ValueError if the
    payload is too short to repeat anything: senders probe with such packets.
    """
    if end - payload < OSN_SIZE:
        raise ValueError(f"RTX payload has {end - payload} bytes, it takes at least {OSN_SIZE}")
    first, second, _, timestamp, _ = rtp.FIXED_HEADER.unpack_from(packet)
    number = int.from_bytes(packet[payload : payload + OSN_SIZE], "big")
    header = rtp.FIXED_HEADER.pack(first, second & rtp.MARKER_BIT | payload_type, number, timestamp, ssrc)
    return header + packet[rtp.MINIMUM_SIZE : payload] + packet[payload + OSN_SIZE :]
