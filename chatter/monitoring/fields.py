"""Which figure of a snapshot is which metric. docs/operations.md has the same table for people."""

from __future__ import annotations

from chatter.monitoring.snapshot import RoomSnapshot, SubscriptionSnapshot, TrackSnapshot, TransportSnapshot
from observability.fields import Field, Table

TRACKS: Table[TrackSnapshot] = Table(
    labels=("room", "participant", "track", "kind", "source", "codec"),
    identify=lambda t: (t.room, t.participant, t.track, t.kind, t.source, t.codec),
    fields=(
        Field("counter", "chatter_track_packets", "RTP packets received", lambda t: t.packets),
        Field("counter", "chatter_track_bytes", "Bytes of RTP packets received", lambda t: t.bytes),
        Field(
            "gauge",
            "chatter_track_packets_lost",
            "Packets that did not come from the publisher so far",
            lambda t: t.packets_lost,
        ),
        Field("gauge", "chatter_track_loss_ratio", "Part lost in the last interval", lambda t: t.loss),
        Field("gauge", "chatter_track_jitter_seconds", "Interarrival jitter", lambda t: t.jitter),
        Field("gauge", "chatter_track_bitrate_bps", "Bits per second received", lambda t: t.bitrate),
        Field("counter", "chatter_track_keyframes", "Keyframes received", lambda t: t.keyframes),
        Field("counter", "chatter_track_pli_sent", "Keyframe requests sent", lambda t: t.keyframe_requests),
        Field(
            "gauge", "chatter_track_silence_seconds", "Seconds since the newest packet", lambda t: t.silence
        ),
        Field("gauge", "chatter_track_muted", "1: switched off by its publisher", lambda t: t.muted),
        Field(
            "gauge", "chatter_track_subscriptions", "Participants that are sent it", lambda t: t.subscriptions
        ),
        Field("gauge", "chatter_track_trouble", "0 good to 1 nothing arrives", lambda t: t.quality.trouble),
    ),
)

SUBSCRIPTIONS: Table[SubscriptionSnapshot] = Table(
    labels=("room", "participant", "track", "kind"),
    identify=lambda s: (s.room, s.participant, s.track, s.kind),
    fields=(
        Field("counter", "chatter_subscription_packets", "RTP packets sent", lambda s: s.packets),
        Field("counter", "chatter_subscription_bytes", "Bytes of RTP packets sent", lambda s: s.bytes),
        Field(
            "counter",
            "chatter_subscription_packets_dropped",
            "Packets that were not sent, for any reason",
            lambda s: s.dropped,
        ),
        Field("gauge", "chatter_subscription_bitrate_bps", "Bits per second sent", lambda s: s.bitrate),
        Field(
            "gauge",
            "chatter_subscription_loss_ratio",
            "Part lost, as the receiver reported",
            lambda s: s.loss,
        ),
        Field(
            "gauge",
            "chatter_subscription_packets_lost",
            "Packets lost so far, as the receiver reported",
            lambda s: s.packets_lost,
        ),
        Field("gauge", "chatter_subscription_jitter_seconds", "Jitter at the receiver", lambda s: s.jitter),
        Field("gauge", "chatter_subscription_rtt_seconds", "Round-trip time", lambda s: s.round_trip_time),
        Field(
            "counter",
            "chatter_subscription_pli_received",
            "Keyframe requests of the receiver (PLI, FIR)",
            lambda s: s.keyframe_requests,
        ),
        Field("gauge", "chatter_subscription_paused", "1: the receiver paused it", lambda s: s.paused),
        Field(
            "gauge",
            "chatter_subscription_awaiting_keyframe",
            "1: nothing is sent before a keyframe comes",
            lambda s: s.awaiting_keyframe,
        ),
        Field(
            "counter",
            "chatter_subscription_freezes",
            "Times that nothing was sent for an interval while the publisher sent",
            lambda s: s.freezes,
        ),
        Field(
            "counter", "chatter_subscription_frozen_seconds", "Seconds of freezes", lambda s: s.frozen_seconds
        ),
        Field(
            "gauge",
            "chatter_subscription_spatial_layer",
            "Highest spatial layer sent",
            lambda s: s.spatial_layer,
        ),
        Field(
            "gauge",
            "chatter_subscription_temporal_layer",
            "Highest temporal layer sent",
            lambda s: s.temporal_layer,
        ),
        Field(
            "gauge",
            "chatter_subscription_trouble",
            "0 good to 1 nothing arrives",
            lambda s: s.quality.trouble,
        ),
    ),
)

TRANSPORT_STATES = ("new", "checking", "handshaking", "connected")

TRANSPORTS: Table[TransportSnapshot] = Table(
    labels=("room", "participant"),
    identify=lambda t: (t.room, t.participant),
    fields=(
        Field(
            "gauge",
            "chatter_transport_state",
            "0 new, 1 ICE checked, 2 DTLS begun, 3 connected",
            lambda t: TRANSPORT_STATES.index(t.state),
        ),
        Field("gauge", "chatter_transport_rtt_seconds", "Round-trip time", lambda t: t.round_trip_time),
        Field(
            "gauge",
            "chatter_transport_available_outgoing_bitrate_bps",
            "Bits per second that are estimated to go through to the participant",
            lambda t: t.available_outgoing_bitrate,
        ),
    ),
)

ROOMS: Table[RoomSnapshot] = Table(
    labels=("room",),
    identify=lambda r: (r.id,),
    fields=(
        Field("gauge", "chatter_room_participants", "Participants", lambda r: len(r.participants)),
        Field("gauge", "chatter_room_tracks", "Tracks sent to the media server", lambda r: len(r.tracks)),
        Field("gauge", "chatter_room_subscriptions", "Tracks sent on", lambda r: len(r.subscriptions)),
        Field("counter", "chatter_room_joins", "Participants that have joined", lambda r: r.totals.joins),
        Field(
            "counter",
            "chatter_room_packets_received",
            "RTP packets received",
            lambda r: r.totals.packets_received,
        ),
        Field("counter", "chatter_room_packets_sent", "RTP packets sent", lambda r: r.totals.packets_sent),
        Field("counter", "chatter_room_bytes_received", "Bytes received", lambda r: r.totals.bytes_received),
        Field("counter", "chatter_room_bytes_sent", "Bytes sent", lambda r: r.totals.bytes_sent),
        Field("gauge", "chatter_room_trouble", "That of its worst track", lambda r: r.quality.trouble),
    ),
)

ROOM_DROPS: Field[RoomSnapshot] = Field(
    "counter", "chatter_room_drops", "Packets that were not sent to a subscriber", lambda r: None
)
"""By reason: its values are counted elsewhere."""
