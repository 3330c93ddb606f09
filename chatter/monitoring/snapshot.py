"""The calls at one moment, as plain values: what metrics expose and operators see.

A new figure of the media server is one line here, one in sampling.py and one in fields.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chatter.monitoring.quality import GOOD, Quality


@dataclass(frozen=True, slots=True)
class TrackSnapshot:
    """A track as the server receives it. Totals are since its publisher's connection began to send it."""

    room: str
    participant: str
    track: str
    kind: str
    source: str
    codec: str
    muted: bool
    subscriptions: int
    packets: int
    bytes: int
    packets_lost: int
    jitter: float
    """Seconds."""
    keyframes: int
    keyframe_requests: int
    """PLI that the server sent."""
    bitrate: float
    """Bits per second of RTP packets, over the last interval."""
    loss: float
    """Part of the packets of the last interval that did not come, 0 to 1."""
    silence: float
    """Seconds since the newest packet."""
    quality: Quality


@dataclass(frozen=True, slots=True)
class SubscriptionSnapshot:
    """A track as one participant is sent it."""

    room: str
    participant: str
    """Who receives."""
    track: str
    kind: str
    paused: bool
    awaiting_keyframe: bool
    packets: int
    bytes: int
    dropped: int
    """Packets that were meant for the subscriber and not sent, for whatever reason."""
    bitrate: float
    """Bits per second of RTP packets, over the last interval."""
    loss: float
    """Part that was lost on the way, 0 to 1, as the subscriber reported last."""
    packets_lost: int
    """As the subscriber reported last."""
    jitter: float
    """Seconds, as the subscriber reported last."""
    round_trip_time: float | None
    """Seconds."""
    keyframe_requests: int
    """PLI and FIR that the subscriber sent."""
    freezes: int
    """Times that nothing was sent for an interval, although the publisher sent: what the server can see."""
    frozen_seconds: float
    frozen: bool
    """It is so now."""
    spatial_layer: int | None
    """The highest that is sent; None before there is a packet."""
    temporal_layer: int | None
    quality: Quality


@dataclass(frozen=True, slots=True)
class TransportSnapshot:
    """A participant's connection to the media server."""

    room: str
    participant: str
    state: str
    """new, checking, handshaking or connected."""
    round_trip_time: float | None
    """Seconds."""
    address: str
    """Where media goes, host:port; empty before ICE."""
    quality: Quality
    available_outgoing_bitrate: float | None = None
    """Bits per second that are estimated to go through to it; None before it has told what arrives."""


@dataclass(frozen=True, slots=True)
class ParticipantSnapshot:
    """Who is in a room."""

    id: str
    name: str
    user_id: int | None
    transport: TransportSnapshot | None
    """None: direct media, or none at all."""
    hidden: bool = False
    """The others do not see that it is there."""


@dataclass(frozen=True, slots=True)
class RoomTotals:
    """What a room has carried through the media server since it was opened."""

    packets_received: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    """Packets by the reason for which they were not sent to a subscriber."""
    joins: int = 0


@dataclass(frozen=True, slots=True)
class RoomSnapshot:
    """A room."""

    id: str
    mode: str
    participants: tuple[ParticipantSnapshot, ...]
    tracks: tuple[TrackSnapshot, ...]
    subscriptions: tuple[SubscriptionSnapshot, ...]
    totals: RoomTotals
    bitrate_received: float
    bitrate_sent: float
    quality: Quality = GOOD
    """The worst of its tracks and subscriptions."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All calls of this node."""

    at: float
    """Seconds of the monotonic clock."""
    rooms: tuple[RoomSnapshot, ...] = ()
    seconds: float = 0.0
    """Of work that taking it cost."""
