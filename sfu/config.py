"""What an operator can set about the media server."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.plane import PlaneKind


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """Settings of one media server. The defaults suit a laptop."""

    host: str = ""
    """Address to listen on; empty for all addresses, IPv6 and IPv4."""
    port: int = 10000
    """UDP port of all media, and TCP port; 0 takes a free one (for tests)."""
    tcp: bool = True
    """Take media over TCP, on the same port number, from clients whose network lets no UDP through."""
    plane: PlaneKind = "auto"
    """What moves packets: "fast" (compiled), "reference" (Python), or "auto": compiled where it was built."""
    threads: int = 0
    """Of the compiled plane; 0 for one per core."""
    announced_addresses: tuple[str, ...] = ()
    """IP addresses to offer instead of those of the interfaces: behind NAT or in a container."""
    video_codecs: tuple[str, ...] = ("VP8", "H264", "VP9", "AV1")
    """Preferred first."""
    audio_codecs: tuple[str, ...] = ("opus",)
    max_video_bitrate: int = 2_500_000
    """Bits per second that a publisher may send per video track (told to it as REMB)."""
    audio_room_size: int = 16
    """Participants up to which all microphones are forwarded; above, only the loudest are."""
    audio_loudest: int = 8
    """How many microphones are forwarded then. Those that tell no level are forwarded besides."""
    history_seconds: float = 1.0
    """How long packets are kept to be sent again to subscribers who have lost them."""
    history_bytes: int = 256 << 20
    """What is kept of all streams together; beyond it they are kept for a shorter time."""
    max_media_lines: int = 256
    """m-lines in one offer."""
    max_transports: int = 2_000
    max_data_message: int = 65_536
    """Bytes of a data message, its header line included."""
    data_messages: int = 100
    """Data messages per second that a participant may send."""
    data_bytes: int = 131_072
    """Bytes of data messages per second that a participant may send."""
    consent_timeout: float = 30.0
    """Seconds without a verified check until a transport is closed (RFC 7675 section 5.1)."""
    connect_timeout: float = 30.0
    """Seconds from the first offer until ICE and DTLS must be done."""
