"""Peers around a plane: real SRTP on both ends, datagrams moved by hand, the laws checked."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pylibsrtp

from sfu.plane.interface import (
    Address,
    Drop,
    Feed,
    Plane,
    Punt,
    PuntKind,
    RouteRow,
    SourceRow,
    SrtpKeys,
    SrtpProfile,
)

LIBSRTP_PROFILES = {
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
RTCP_TYPES = range(192, 224)

VP8_KEYFRAME = b"\x10\x00" + bytes(8)
VP8_INTERFRAME = b"\x10\x01" + bytes(8)
VP8_CONTINUATION = b"\x00\x00" + bytes(8)


def rtp_packet(
    sequence: int,
    timestamp: int = 0,
    payload: bytes = VP8_INTERFRAME,
    *,
    ssrc: int = 1,
    payload_type: int = 96,
    marker: bool = False,
    csrcs: Sequence[int] = (),
    extension: bytes = b"",
    padding: int = 0,
) -> bytes:
    first = 0x80 | len(csrcs) | (0x10 if extension else 0) | (0x20 if padding else 0)
    header = struct.pack("!BBHII", first, marker << 7 | payload_type, sequence & 0xFFFF, timestamp, ssrc)
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    return header + struct.pack(f"!{len(csrcs)}I", *csrcs) + extension + payload + tail


@dataclass(frozen=True)
class Rtp:
    """A packet that a peer received, for comparison in tests only."""

    ssrc: int
    sequence: int
    timestamp: int
    payload_type: int
    marker: bool
    csrcs: tuple[int, ...]
    extension: bytes
    rest: bytes
    """Payload and padding."""

    @classmethod
    def of(cls, packet: bytes) -> "Rtp":
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
        position = 12 + 4 * (first & 15)
        csrcs = struct.unpack_from(f"!{first & 15}I", packet, 12)
        stop = position
        if first & 0x10:
            stop += 4 + 4 * struct.unpack_from("!H", packet, position + 2)[0]
        return cls(
            ssrc, sequence, timestamp, second & 127, second > 127, csrcs, packet[position:stop], packet[stop:]
        )


def peer_session(profile: SrtpProfile, key: bytes, ssrc_type: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key, ssrc_type=ssrc_type, srtp_profile=LIBSRTP_PROFILES[profile])
    policy.window_size = 1024
    return pylibsrtp.Session(policy)


@dataclass
class Peer:
    """A client: one transport's other end."""

    id: int
    address: Address
    profile: SrtpProfile
    generation: int = 0
    """Of a transport whose id was used before, and whose keys are new."""
    packets: list[Rtp] = field(default_factory=list)
    rtcp: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = self.profile.key_length + self.profile.salt_length
        self.keys = SrtpKeys(
            self.profile,
            bytes((self.id, self.generation % 100 * 2 + 1)) * (size // 2),
            bytes((self.id, self.generation % 100 * 2 + 2)) * (size // 2),
        )
        self.sending = peer_session(self.profile, self.keys.receive, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.receiving = peer_session(self.profile, self.keys.send, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.plaintexts: dict[tuple[int, int], bytes] = {}
        self.highest: dict[int, int] = {}

    def take(self, datagram: bytes) -> None:
        """Unprotect what the plane sent. Two packets under one SSRC and index would break SRTP."""
        if datagram[1] in RTCP_TYPES:
            self.rtcp.append(self.receiving.unprotect_rtcp(datagram))
            return
        try:
            packet = self.receiving.unprotect(datagram)
        except pylibsrtp.Error as error:
            number, ssrc = struct.unpack_from("!2xH4xI", datagram)
            raise pylibsrtp.Error(
                f"SSRC {ssrc} number {number} after {self.highest.get(ssrc)}: {error}"
            ) from None
        rtp = Rtp.of(packet)
        highest = self.highest.get(rtp.ssrc)
        index = rtp.sequence
        if highest is not None:
            index = highest + ((rtp.sequence - highest + 0x8000 & 0xFFFF) - 0x8000)
        self.highest[rtp.ssrc] = index if highest is None else max(highest, index)
        assert (rtp.ssrc, index) not in self.plaintexts, f"SSRC {rtp.ssrc} has sent number {index} twice"
        self.plaintexts[rtp.ssrc, index] = packet
        self.packets.append(rtp)


class World:
    """A plane, its peers and a clock that stands still unless told to go on."""

    def __init__(self, plane: Plane, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM) -> None:
        self.plane = plane
        self.profile = profile
        self.now = 100.0
        self.peers: dict[int, Peer] = {}
        self.by_address: dict[Address, Peer] = {}
        self.punts: list[Punt] = []
        self.sent_raw: list[tuple[bytes, Address]] = []

    def join(self, transport: int, *, bound: bool = True, keyed: bool = True) -> Peer:
        peer = Peer(transport, (f"192.0.2.{transport}", 5000), self.profile)
        self.peers[transport] = peer
        self.by_address[peer.address] = peer
        self.plane.open_transport(transport, 9000 + transport)
        if bound:
            self.plane.bind(transport, peer.address)
        if keyed:
            self.plane.set_keys(transport, peer.keys)
        return peer

    def publish(
        self,
        source: int,
        transport: int,
        *,
        ssrc: int = 1,
        codec: str = "VP8",
        rate: int = 90000,
        transport_wide: int = 0,
        nack: bool = False,
        rtx_ssrc: int | None = None,
        audio_level: int = 0,
    ) -> None:
        """With `nack`, what is sent as payload type 98 repeats 96."""
        video = codec != "opus"
        row = SourceRow(
            source,
            transport,
            ssrc,
            rate,
            {96: codec},
            video,
            transport_wide,
            audio_level=audio_level,
            nack=nack,
            rtx_payload_types={98: 96} if nack else {},
            rtx_ssrc=rtx_ssrc,
        )
        self.plane.add_source(row)

    def subscribe(
        self,
        route: int,
        transport: int,
        source: int | None,
        *,
        ssrc: int = 1000,
        first: int = 100,
        mid: str = "",
        mid_extension: int = 0,
        extensions: dict[int, int] | None = None,
        keyframe: bool = False,
        rate: int = 90000,
        transport_wide: int = 0,
        abs_send_time: int = 0,
        nack: bool = False,
        rtx_ssrc: int | None = None,
        first_rtx: int = 500,
    ) -> None:
        self.plane.add_route(
            RouteRow(
                route,
                transport,
                ssrc,
                rate,
                first,
                mid,
                mid_extension,
                transport_wide,
                abs_send_time,
                rtx_ssrc,
                first_rtx,
            )
        )
        if source is not None:
            self.feed(
                route, source, extensions=extensions, keyframe=keyframe, nack=nack, rtx=rtx_ssrc is not None
            )

    def feed(
        self,
        route: int,
        source: int,
        *,
        extensions: dict[int, int] | None = None,
        keyframe: bool = False,
        nack: bool = False,
        rtx: bool = False,
    ) -> None:
        """Payload type 97 goes out; with `rtx` 99 repeats it."""
        repeats = {97: 99} if rtx else {}
        feed = Feed(source, {96: 97}, extensions or {}, keyframe, nack=nack, rtx_payload_types=repeats)
        self.plane.feed_route(route, feed)

    def send(self, transport: int, packet: bytes) -> None:
        """The peer protects and sends an RTP packet."""
        peer = self.peers[transport]
        self.receive(peer.sending.protect(packet), peer.address)

    def receive(self, datagram: bytes, address: Address) -> None:
        self.plane.receive(datagram, address, self.now)
        self.drain()

    def send_rtcp(self, transport: int, packet: bytes) -> None:
        """The peer protects and sends a compound RTCP packet."""
        peer = self.peers[transport]
        self.receive(peer.sending.protect_rtcp(packet), peer.address)

    def tick(self, seconds: float = 0.0) -> None:
        """Let time pass, then tick."""
        self.now += seconds
        self.plane.tick(self.now)
        self.drain()

    def replay(self, transport: int, packet: bytes) -> None:
        self.plane.replay(transport, packet, self.now)
        self.drain()

    def drain(self) -> None:
        """Deliver what the plane sends, and keep what it punts."""
        for datagram, address in self.plane.take_datagrams():
            if datagram and datagram[0] >> 6 == 2:
                self.by_address[address].take(datagram)
            else:
                self.sent_raw.append((datagram, address))
        self.punts += self.plane.take_punts()
        assert not self.plane.take_datagrams()
        assert not self.plane.take_punts()

    def take_punts(self) -> list[PuntKind]:
        kinds = [punt.kind for punt in self.punts]
        self.punts.clear()
        return kinds

    def drops(self) -> dict[Drop, int]:
        return {reason: count for reason, count in self.plane.drops().items() if count}

    def check_route(self, route: int) -> None:
        """The law of every route: offered = packets + drops."""
        state = self.plane.route_state(route)
        assert state.offered == state.packets + sum(state.drops.values())
