"""The client-to-mixer audio level RTP header extension (RFC 6464)."""

from __future__ import annotations

URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

SILENCE = 127
"""The level of digital silence, in -dBov."""
_LEVEL_MASK = 0x7F


def read_level(data: bytes) -> int:
    """The level that the extension's data tells, in -dBov: 0 is the loudest, 127 is silence (section 4).

    The flag V is not read: libwebrtc sets it in every packet of Opus, and senders may leave it unused.
    Raises ValueError where there is no data.
    """
    if not data:
        raise ValueError("audio level has 0 bytes, it should be 1")
    return data[0] & _LEVEL_MASK
