"""What would be sent to a participant if its link carried it: what is worth probing for."""

from __future__ import annotations

from collections.abc import Sequence

from sfu.ladder import Layer
from sfu.transport import Transport

INTERVAL = 0.2
"""Seconds between two looks at what is wanted."""

# Headers of IPv4 and UDP, and the tag of SRTP, on top of packets of some 1,100 bytes.
WIRE = 1.04
# An audio track as browsers send it (RFC 7587 section 3.1.1), with headers.
AUDIO_BITRATE = 60_000.0


def wanted_bitrate(transport: Transport) -> float:
    """Bits per second on the wire of all that the participant wants, as it was measured last."""
    wanted = 0.0
    for consumer in transport.consumers.values():
        if consumer.producer is None or consumer.paused:
            continue
        if consumer.kind == "audio":
            wanted += AUDIO_BITRATE
        elif consumer.preferred is not None:
            wanted += WIRE * _bitrate(consumer.producer.ladder, consumer.preferred)
    return wanted


def _bitrate(rungs: Sequence[Layer], layer: Layer) -> int:
    """Of a layer as it is now: what a consumer holds of it is as old as its last change."""
    place = (layer.rid, layer.spatial, layer.temporal)
    for rung in rungs:
        if (rung.rid, rung.spatial, rung.temporal) == place:
            return rung.bitrate
    return layer.bitrate
