"""The border between the control side (Python, which decides) and the plane (which moves packets).

The control side programs rows: transports (keys, address), sources (what a publisher sends) and
routes (who gets it, under which SSRC, payload types and header extensions). The plane demultiplexes
datagrams, unprotects each packet once and, per route, gates, maps, patches, protects and sends it.
What it does not own it punts. Nothing in here reads a clock: `now` is seconds on a monotonic clock.

After every call that can produce output the caller drains `take_datagrams()` and `take_punts()`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from sfu.bwe.sent import Bandwidth

Address = tuple[str, int]
"""IP address in its canonical text form (IPv4-mapped IPv6 is written as IPv4) and port."""


class Drop(enum.StrEnum):
    """Why a datagram or a packet went no further. Each has a counter of this name."""

    # A datagram that came in.
    EMPTY = "empty"
    UNKNOWN_PROTOCOL = "unknown_protocol"
    """The first byte is none of RFC 7983's ranges for STUN, DTLS, RTP and RTCP."""
    UNBOUND_ADDRESS = "unbound_address"
    """DTLS, RTP or RTCP from an address that no verified STUN check has bound to a transport."""
    BEFORE_DTLS = "before_dtls"
    """RTP or RTCP on a transport whose keys are not there yet."""
    MALFORMED_RTP = "malformed_rtp"
    SRTP_AUTH = "srtp_auth"
    SRTP_REPLAY = "srtp_replay"
    """Received before, or too old to tell."""
    SEQUENCE_JUMP = "sequence_jump"
    """A lone packet far from its stream's sequence; two in a row are believed (RFC 3550 appendix A.1)."""
    SRTCP_AUTH = "srtcp_auth"
    SRTCP_REPLAY = "srtcp_replay"
    UNKNOWN_SSRC = "unknown_ssrc"
    """RTP whose SSRC the control side could not attribute to a media line (counted by it with `drop`)."""
    RTX_EMPTY = "rtx_empty"
    """RTX that repeats nothing: padding, with which senders probe."""
    RTX_UNKNOWN = "rtx_unknown"
    """RTX of a payload type that repeats none of the stream's."""
    MALFORMED_RTCP = "malformed_rtcp"
    # STUN and DTLS, counted by the control side with `drop`.
    STUN_MALFORMED = "stun_malformed"
    STUN_UNKNOWN_USER = "stun_unknown_user"
    STUN_INTEGRITY = "stun_integrity"
    STUN_UNEXPECTED = "stun_unexpected"
    DTLS_QUEUE_FULL = "dtls_queue_full"
    TCP_REFUSED = "tcp_refused"
    """A TCP connection beyond the bounds of net/tcp.py."""
    TCP_MALFORMED = "tcp_malformed"
    """A TCP connection that was ended: what came was no frame of RFC 4571, or before a verified check."""
    MALFORMED_SCTP = "malformed_sctp"
    """A packet of a data channel's association that was refused, or one channel or stream too many."""
    # A packet on one route; the first of these that applies, in this order.
    ROUTE_PAUSED = "route_paused"
    NOT_LOUDEST = "not_loudest"
    """Of a source that is held back, as others in its room are louder."""
    NO_PAYLOAD_TYPE = "no_payload_type"
    """The subscriber did not negotiate the codec of this packet."""
    NO_ADDRESS = "no_address"
    NO_KEYS = "no_keys"
    AWAITING_KEYFRAME = "awaiting_keyframe"
    BEFORE_START = "before_start"
    """Older than the first packet that the route carried from this source (reordered around a start)."""
    TOO_LATE = "too_late"
    """512 or more behind the newest packet sent on the route: SRTP can no longer tell whether it was sent."""
    LAYER_NOT_WANTED = "layer_not_wanted"
    """Of a spatial or temporal layer that the route does not send."""
    TOO_LARGE = "too_large"
    """More than 1356 bytes with the subscriber's header extensions."""
    SRTP_PROTECT = "srtp_protect"
    """The SRTP library refused to protect it."""
    PUNT_QUEUE_FULL = "punt_queue_full"
    """The control side has not taken its punts for long: what is not media waits no longer."""
    # The socket, counted by the IO side with `drop`.
    SEND_WOULD_BLOCK = "send_would_block"
    SEND_FAILED = "send_failed"


class Repair(enum.StrEnum):
    """What has been done against loss, and to learn what links carry. Each has a counter of this name."""

    NACKS_SENT = "nacks_sent"
    """NACK messages to publishers."""
    PACKETS_REQUESTED = "packets_requested"
    """In them; one that is asked for again counts again."""
    PACKETS_RECOVERED = "packets_recovered"
    """Requested ones that came."""
    PACKETS_GIVEN_UP = "packets_given_up"
    """Missing ones that did not come while they were of use."""
    NACKS_RECEIVED = "nacks_received"
    """NACK messages of subscribers."""
    PACKETS_RETRANSMITTED = "packets_retransmitted"
    """To subscribers."""
    BYTES_RETRANSMITTED = "bytes_retransmitted"
    RETRANSMISSIONS_MISSED = "retransmissions_missed"
    """Asked for and not there: too old, or never sent."""
    RETRANSMISSIONS_THROTTLED = "retransmissions_throttled"
    """Asked for again within a round trip, or too often."""
    PROBES = "probes"
    """Begun, to learn how much a link to a subscriber carries."""
    PADDING_PACKETS = "padding_packets"
    """Sent to subscribers for them, with nothing in them."""
    PADDING_BYTES = "padding_bytes"


class PuntKind(enum.Enum):
    """What a punt is about, and so what its `data` is."""

    STUN = "stun"
    """`data` is the datagram; `address` its sender. `transport` is set where the address is bound."""
    DTLS = "dtls"
    """`data` is the datagram, from an address bound to `transport`."""
    RTCP = "rtcp"
    """`data` is a compound packet, unprotected, of `transport`, without what the plane has handled."""
    UNKNOWN_SSRC = "unknown_ssrc"
    """`data` is an RTP packet, unprotected, of `transport`. After `add_source` give it to `replay`."""
    KEYFRAME = "keyframe"
    """A keyframe of `source`, which `transport` sends, began; `data` is its first packet, unprotected."""
    REPAIR_FAILED = "repair_failed"
    """Packets of `source` are lost for good, and no keyframe has come since; `data` is empty."""


@dataclass(frozen=True, slots=True)
class Punt:
    """Something that the plane leaves to the control side."""

    kind: PuntKind
    data: bytes = b""
    address: Address | None = None
    transport: int | None = None
    source: int | None = None


class SrtpProfile(enum.Enum):
    """Protection profiles of RFC 5764 and RFC 7714, with key and salt lengths in bytes."""

    AEAD_AES_128_GCM = ("SRTP_AEAD_AES_128_GCM", 16, 12)
    AEAD_AES_256_GCM = ("SRTP_AEAD_AES_256_GCM", 32, 12)
    AES128_CM_SHA1_80 = ("SRTP_AES128_CM_SHA1_80", 16, 14)

    def __init__(self, openssl_name: str, key_length: int, salt_length: int) -> None:
        self.openssl_name = openssl_name
        self.key_length = key_length
        self.salt_length = salt_length


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Keying material of one transport, as DTLS exported it: master key followed by master salt."""

    profile: SrtpProfile
    receive: bytes = field(repr=False)
    send: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A stream (one SSRC) that a publisher sends."""

    id: int
    transport: int
    ssrc: int
    clock_rate: int
    """Hertz, of the RTP timestamps; for interarrival jitter and for timestamps across a switch."""
    codecs: Mapping[int, str]
    """Payload type → codec name. Packets of another payload type are dropped as NO_PAYLOAD_TYPE per route."""
    is_video: bool
    transport_wide_extension: int = 0
    """Id of the transport-wide sequence number at this publisher, who is told when its packets arrive
    (draft-holmer-rmcat-transport-wide-cc-extensions-01); 0 where it has none."""
    dependency_descriptor: int = 0
    """Id of the dependency descriptor header extension at the publisher; 0 where it has none."""
    frame_marking: int = 0
    """Id of the frame marking header extension (RFC 9626) at the publisher; 0 where it has none."""
    audio_level: int = 0
    """Id of the audio level header extension (RFC 6464) at the publisher; 0 where it has none."""
    nack: bool = False
    """The publisher answers NACK: what is missing is asked for."""
    rtx_payload_types: Mapping[int, int] = field(default_factory=dict)
    """Payload type of RTX (RFC 4588) → of what it repeats."""
    rtx_ssrc: int | None = None
    """What the publisher repeats comes on this SSRC, as far as it is known: see `set_rtx`."""


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A stream (one SSRC) that a subscriber receives. Its sequence numbers and timestamps are continuous over
    changes of source."""

    id: int
    transport: int
    ssrc: int
    clock_rate: int
    first_sequence_number: int
    """Of the first packet sent; below 2^15, so that the roll-over counter starts unambiguously (RFC 3711)."""
    mid: str
    mid_extension: int
    """Id of urn:ietf:params:rtp-hdrext:sdes:mid at this subscriber; 0 where it has none."""
    transport_wide_extension: int = 0
    """Id of the transport-wide sequence number at this subscriber; 0 where it has none. Its packets are then
    numbered by the server, over all routes of the transport, and feedback about them stays in the plane."""
    abs_send_time_extension: int = 0
    """Id of abs-send-time at this subscriber; 0 where it has none. The time is the server's."""
    rtx_ssrc: int | None = None
    """Where the subscriber expects what is repeated (RFC 4588); None repeats it as it was, on `ssrc`."""
    first_rtx_sequence_number: int = 0
    """Below 2^15, as `first_sequence_number`."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Which source a route carries, and how its packets are rewritten for this subscriber."""

    source: int
    payload_types: Mapping[int, int]
    """Payload type at the publisher → payload type at the subscriber."""
    extensions: Mapping[int, int]
    """Header extension id at the publisher → id at the subscriber. Ids that are not named are stripped."""
    await_keyframe: bool
    """Video starts at a keyframe: whatever comes before it is dropped as AWAITING_KEYFRAME."""
    timestamp_delta: int | None = None
    """(timestamp of the source that the route carries now − timestamp of this one) of the same moment, as
    the publisher's sender reports tell it; None where that is not known. With it timestamps keep to the
    publisher's clock over a change of source."""
    nack: bool = False
    """NACKs of the subscriber are answered."""
    rtx_payload_types: Mapping[int, int] = field(default_factory=dict)
    """Payload type at the subscriber → its payload type of RTX. What has none is repeated as it was."""


@dataclass(slots=True)
class SourceState:
    """A source's counters; what a receiver report needs (RFC 3550 section 6.4.1 and appendix A)."""

    packets: int = 0
    """Each once: repeated ones count as SRTP_REPLAY only. Each is offered to every route."""
    bytes: int = 0
    """Of RTP packets as they came out of SRTP, headers included."""
    first_sequence_number: int = 0
    """Extended (cycles × 65536 + sequence number): where counting what was expected begins. A restart of the
    source moves it along by the jump, which is no loss."""
    highest_sequence_number: int = 0
    """Extended."""
    jitter: float = 0.0
    """Interarrival jitter, in timestamp units (RFC 3550 section 6.4.1)."""
    keyframes: int = 0
    last_packet: float = 0.0
    """`now` of the newest packet; 0.0 before the first."""
    layer_bytes: dict[tuple[int, int], int] = field(default_factory=dict)
    """(spatial, temporal) layer → bytes of its packets; layers above 3 count as 3."""
    nacks: int = 0
    """NACK messages sent to the publisher."""
    requested: int = 0
    """Packets asked for in them, each time that they were."""
    recovered: int = 0
    """Packets that came after they had been asked for. `packets` counts them too."""
    given_up: int = 0
    """Packets that did not come while they were of use."""
    rtx_packets: int = 0
    """Packets that came by RTX, those that were there already included."""
    rtx_bytes: int = 0
    """Of the packets that they repeat, headers included."""
    round_trip_time: float | None = None
    """Seconds from a NACK to its answer, smoothed; None before the first."""


class AudioLevels(NamedTuple):
    """What the packets of a source have told of its loudness since the source was added: sums, so that two
    readings tell what was between them."""

    packets: int
    """That told a level."""
    audible: int
    """Of these, those at -50 dBov or above."""
    total: int
    """Of the levels of the audible ones, in -dBov."""


@dataclass(slots=True)
class RouteState:
    """A route's counters. offered = packets + the sum of drops."""

    offered: int = 0
    packets: int = 0
    bytes: int = 0
    """Of RTP packets before protection, headers included."""
    payload_bytes: int = 0
    """Without headers and padding: a sender report's octet count (RFC 3550 section 6.4.1)."""
    drops: dict[Drop, int] = field(default_factory=dict)
    timestamp_offset: int | None = None
    """(timestamp sent − timestamp of the source) mod 2^32; None until the current source's first packet went
    out."""
    awaiting_keyframe: bool = False
    last_sequence_number: int | None = None
    last_timestamp: int | None = None
    first_packet: float = 0.0
    """`now` of the first packet sent; 0.0 before it."""
    source: int | None = None
    """What feeds it."""
    next_source: int | None = None
    """What it is to switch to."""
    spatial_layer: int = 0
    """The highest spatial layer that is sent; 255: all that there are."""
    temporal_layer: int = 0
    """The highest temporal layer that is sent; 255: all that there are."""
    nacks: int = 0
    """NACK messages received."""
    retransmitted: int = 0
    """Packets sent again. They are no part of `packets`."""
    retransmitted_bytes: int = 0
    """Of these packets, headers included; SRTP's too where they go out as they were, without RTX."""
    retransmissions_missed: int = 0
    """Packets asked for that were not there: too old, or never sent."""
    retransmissions_throttled: int = 0
    """Packets asked for within a round trip of the last time, or too often."""
    padding: int = 0
    """Packets of padding alone sent on its SSRC of RTX. They are no part of `packets`."""
    padding_bytes: int = 0
    """Of these packets, headers included."""


class Plane(Protocol):
    """What moves packets. An id is an int chosen by the caller, unique per table.

    Programming errors (an unknown or a repeated id) raise KeyError or ValueError naming the id; bad
    packets never raise.
    """

    def open_transport(self, transport: int, ssrc: int = 0) -> None:
        """`ssrc`: what the server calls itself in the RTCP that the plane makes."""

    def bind(self, transport: int, address: Address) -> None:
        """Send to this address and take packets from it. Earlier addresses of the transport stay readable
        until `unbind` (the oldest of more than 16 ends); an address bound to another transport moves to this
        one."""

    def unbind(self, transport: int, address: Address) -> None:
        """Take nothing from this address any more, and send to the newest of the others, if there is one.
        An address that is not the transport's (or has moved to another) is left alone."""

    def set_keys(self, transport: int, keys: SrtpKeys) -> None:
        """Start SRTP. Raises ValueError if the transport has keys, or if these have the wrong size."""

    def set_round_trip_time(self, transport: int, seconds: float) -> None:
        """A measured round trip to the peer, from 0.005 to 2; 0.1 before the first. NACKs are timed by it,
        and nothing is repeated twice within one."""

    def limit_history(self, seconds: float, max_bytes: int) -> None:
        """How long packets are kept to be sent again, and what all streams together may hold. Before it is
        called: 1 s and 256 MiB. One stream holds at most 4 MiB and 1,024 packets."""

    def close_transport(self, transport: int) -> None:
        """Forget the transport, its addresses, keys, sources and routes, and what fed from its sources."""

    def add_source(self, row: SourceRow) -> None: ...

    def set_rtx(self, source: int, ssrc: int) -> None:
        """The publisher repeats packets of the source on this SSRC. Raises ValueError if it is another
        stream's of the transport."""

    def remove_source(self, source: int) -> None:
        """Forget a source. Routes that it fed stay, without a feed or with the one they were to switch to."""

    def hold_source(self, source: int, held: bool) -> None:
        """While a source is held, nothing of it is forwarded: routes drop it as NOT_LOUDEST. Afterwards they
        go on with the number after the newest one sent, as after a pause, but wait for no keyframe."""

    def add_route(self, row: RouteRow) -> None:
        """Raises ValueError for an SSRC (or SSRC of RTX) that a route of this transport has or had: its
        sequence numbers are used up under these keys."""

    def remove_route(self, route: int) -> None: ...

    def feed_route(self, route: int, feed: Feed | None) -> None:
        """Switch a route to a source (or to none). Output stays continuous: the next packet sent has the
        sequence number after the newest one sent, and a timestamp advanced by the time since then, at least a
        hundredth of a second. The first packet of all keeps the publisher's timestamp.

        Between starts timestamps keep their distance from the source's, and sequence numbers theirs less what
        was dropped on purpose, so that loss and reordering stay visible. The picture ids, TL0PICIDX and frame
        numbers of descriptors are continuous like the sequence numbers. A start also follows a pause, a feed
        from the same source and a gap of 3,000 or more (unsent or never received); if the source's own clock
        then agrees with the time passed to within a second, its timestamps keep their offset."""

    def switch_route(self, route: int, feed: Feed) -> None:
        """Feed a route from another source of the same publisher, once that one's keyframe has come.

        Until then the route goes on with the source that it has. What comes of the new one meanwhile is
        offered too, and dropped as AWAITING_KEYFRAME. A further call takes the place of one that has not come
        to pass; with the source that the route has it ends that one. A route without a source is fed at once.
        Raises ValueError for a source of another transport."""

    def limit_route(self, route: int, spatial: int, temporal: int) -> None:
        """Send the layers up to these (0 to 255), of whatever feeds the route; at first there is no limit.

        A lower limit holds from the next picture on. A higher one waits for a place where the layer can be
        decoded: for a temporal one that is a synchronisation point, for a spatial one a keyframe or a
        switching point told by the dependency descriptor. What is dropped leaves no gap in sequence numbers
        and VP8 picture ids; the last packet that is sent of a picture has the marker."""

    def pause_route(self, route: int, paused: bool) -> None:
        """A paused route drops as ROUTE_PAUSED. On resumption video waits for a keyframe."""

    def receive(self, datagram: bytes, address: Address, now: float) -> None:
        """A datagram from the socket."""

    def tick(self, now: float) -> None:
        """Send what is due: NACKs to publishers, transport-wide feedback that no packet has given rise to,
        padding of probes. To be called every 20 ms or so, and while a probe lasts as often as its packets are
        to be spread; threads of the plane's own do it by themselves."""

    def bandwidth(self, transport: int) -> Bandwidth | None:
        """What the receiver's transport-wide feedback has told, at this moment; None where it gives none."""

    def probe(self, transport: int, probe: int, bitrate: float, duration: float, now: float) -> bool:
        """Send at this rate (bits per second on the wire) for so long (seconds): what the media lacks of it
        is filled with packets of padding, on the RTX SSRC of a route, as libwebrtc does. A probe lasts until
        it has sent five packets, ten times as long at the most. `probe` is its number, above 0, under which
        `bandwidth` tells of it; it takes the place of one that runs.

        False, and nothing is sent, where no route can carry padding: one with transport-wide numbers that has
        sent a packet whose payload type has RTX. Raises ValueError for what is no rate, time or number."""

    def replay(self, transport: int, packet: bytes, now: float) -> None:
        """An unprotected RTP packet that was punted as UNKNOWN_SSRC: forward it now. Without a source it is
        dropped as UNKNOWN_SSRC."""

    def send_rtcp(self, transport: int, packet: bytes) -> None:
        """Protect a compound RTCP packet and send it. Without address or keys, or above 1352 bytes, it is
        dropped and counted. Raises ValueError if it is shorter than a header."""

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram as it is (STUN, DTLS)."""

    def drop(self, reason: Drop, count: int = 1) -> None:
        """Count a drop that was decided outside the plane."""

    def take_datagrams(self) -> Sequence[tuple[bytes, Address]]:
        """What is to be sent, in order. The caller sends it; the plane forgets it."""

    def take_punts(self) -> Sequence[Punt]: ...

    def source_state(self, source: int) -> SourceState: ...

    def route_state(self, route: int) -> RouteState: ...

    def sample(
        self, sources: Sequence[int], routes: Sequence[int]
    ) -> tuple[list[SourceState], list[RouteState]]:
        """The states of many rows, for statistics. No packet is held up for it: one that is on its way may be
        counted in one figure of a row and not yet in another."""

    def audio_levels(self, sources: Sequence[int]) -> list[AudioLevels]:
        """How loud sources have been, for whoever looks often at many."""

    def drops(self) -> Mapping[Drop, int]:
        """Every drop since the start, those of routes (closed ones too) included."""

    def repairs(self) -> Mapping[Repair, int]:
        """What has been done of each kind since the start, for rows that are gone too."""

    def sizes(self) -> Mapping[str, int]:
        """Number of rows per table ("transports", "addresses", "sources", "routes"): for leak tests."""

    def history_bytes(self) -> int:
        """What is held to send packets again."""
