"""What a datagram on the media port is, by its first two bytes (RFC 7983 section 7, RFC 5761 section 4)."""

from __future__ import annotations

import enum


class Protocol(enum.Enum):
    """The protocols that share the port."""

    STUN = "stun"
    DTLS = "dtls"
    RTP = "rtp"
    RTCP = "rtcp"
    UNKNOWN = "unknown"


def _of_first_byte(first: int) -> Protocol:
    if first <= 3:
        return Protocol.STUN
    if 20 <= first <= 63:
        return Protocol.DTLS
    if 128 <= first <= 191:
        return Protocol.RTP
    # ZRTP (16 to 19) and TURN channels (64 to 79) are never spoken with this server.
    return Protocol.UNKNOWN


_BY_FIRST_BYTE = tuple(_of_first_byte(first) for first in range(256))


def classify(datagram: bytes) -> Protocol:
    """The protocol of a datagram. An empty one is UNKNOWN; one byte of RTP or RTCP is RTP."""
    if not datagram:
        return Protocol.UNKNOWN
    protocol = _BY_FIRST_BYTE[datagram[0]]
    # RTP never uses the payload types 64 to 95 here, so that marker and type cannot look like these.
    if protocol is Protocol.RTP and len(datagram) > 1 and 192 <= datagram[1] <= 223:
        return Protocol.RTCP
    return protocol
