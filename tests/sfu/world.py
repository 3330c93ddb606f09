"""A world without sockets and clocks: a Worker, and clients that speak ICE, SRTP and RTCP to it in memory."""

from __future__ import annotations

import random
import re
import struct
from dataclasses import dataclass, field

import pylibsrtp
from aioice import stun

from sfu.config import MediaConfig
from sfu.data import SendOutcome
from sfu.events import Event
from sfu.identifiers import Identifiers
from sfu.negotiation import ABS_SEND_TIME, TRANSPORT_WIDE
from sfu.offer import UNRESTRICTED, Answer, Offer
from sfu.plane import PlaneKind, create_plane
from sfu.plane.interface import Address, SrtpKeys, SrtpProfile
from sfu.streams.arrivals import Arrivals
from sfu.wire import rtcp, rtp, sdp
from sfu.wire.audio_level import URI as AUDIO_LEVEL
from sfu.worker import Worker
from tests.sfu.link import Link

SERVER = (("192.0.2.200", 10000),)
MID_ID = 4
WIDE_ID = 5
TIME_ID = 6
LEVEL_ID = 7

OPUS = ("111 opus/48000/2",)
VP8 = ("96 VP8/90000",)
H264 = ("102 H264/90000",)
CODECS = {"audio": OPUS, "video": VP8}

# A VP8 payload descriptor that starts a partition, and the first byte of a frame tag (RFC 7741, RFC 6386).
VP8_KEYFRAME = bytes.fromhex("10 10 02 00 9d 01 2a 80 02 68 01".replace(" ", ""))
VP8_DELTA = bytes.fromhex("10 11 02 00")


@dataclass
class Line:
    """An m-line of a client's offer."""

    mid: str
    kind: str
    direction: str
    ssrc: int | None = None
    codecs: tuple[str, ...] | None = None
    repair: bool = False
    """With NACK, and RTX of payload type 97 for 96 on the SSRC after `ssrc`."""
    feedback: tuple[str, ...] = ()
    """rtcp-fb values; "transport-cc" and "goog-remb" come with the header extension that each needs."""
    parameters: tuple[str, ...] = ()
    """fmtp values, each after its payload type."""
    levels: bool = False
    """With audio levels (RFC 6464)."""

    def __str__(self) -> str:
        codecs = self.codecs or CODECS[self.kind]
        payload_types = " ".join(codec.split()[0] for codec in codecs)
        lines = [
            f"m={self.kind} 9 UDP/TLS/RTP/SAVPF {payload_types}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{self.mid}",
            f"a={self.direction}",
            "a=rtcp-mux",
            f"a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid",
            *(f"a=rtpmap:{codec}" for codec in codecs),
            *(f"a=fmtp:{value}" for value in self.parameters),
            *(f"a=rtcp-fb:* {value}" for value in self.feedback),
        ]
        if "transport-cc" in self.feedback:
            lines.append(f"a=extmap:{WIDE_ID} {TRANSPORT_WIDE}")
        if "goog-remb" in self.feedback:
            lines.append(f"a=extmap:{TIME_ID} {ABS_SEND_TIME}")
        if self.levels:
            lines.append(f"a=extmap:{LEVEL_ID} {AUDIO_LEVEL}")
        if self.repair:
            lines[0] += " 97"
            lines += [
                "a=rtcp-fb:96 nack",
                "a=rtcp-fb:96 nack pli",
                "a=rtpmap:97 rtx/90000",
                "a=fmtp:97 apt=96",
            ]
        if self.ssrc is not None:
            lines.append(f"a=ssrc:{self.ssrc} cname:them")
        if self.repair and self.ssrc is not None:
            lines.append(f"a=ssrc-group:FID {self.ssrc} {self.ssrc + 1}")
        return "\r\n".join(lines)


def offer_sdp(lines, *, ufrag="clientufrag", fingerprint="AA"):
    fingerprint = ":".join([fingerprint] * 32)
    head = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(line.mid for line in lines)}",
        f"a=ice-ufrag:{ufrag}",
        "a=ice-pwd:clientpasswordclientpassword",
        f"a=fingerprint:sha-256 {fingerprint}",
        "a=setup:actpass",
    ]
    return "\r\n".join([*head, *map(str, lines)]) + "\r\n"


class DtlsStub:
    """Stands in for DTLS alone: the handshake is `Client.connect`."""

    fingerprints = (("sha-256", ":".join(["BB"] * 32)),)

    def __init__(self):
        self.open = {}
        self.datagrams = []
        self.channels: dict[str, list] = {}
        """Participant id → (message, lossy) sent to those who have data channels."""
        self.full: set[str] = set()

    def opened(self, transport):
        self.open[transport.row] = transport

    def negotiated(self, transport):
        if transport.remote.data is not None:
            self.channels.setdefault(transport.participant_id, [])

    def send_data(self, transport, message, lossy):
        if transport.participant_id in self.full:
            return SendOutcome.FULL
        if transport.participant_id not in self.channels:
            return SendOutcome.NO_CHANNEL
        self.channels[transport.participant_id].append((message, lossy))
        return SendOutcome.SENT

    def received(self, transport, datagram):
        self.datagrams.append(datagram)
        return len(self.datagrams) < 4

    def closed(self, transport):
        del self.open[transport.row]


@dataclass
class Received:
    """An RTP packet as a client got it."""

    ssrc: int
    sequence_number: int
    timestamp: int
    payload_type: int
    mid: str | None
    payload: bytes
    level: bytes | None = None
    """The data of its audio level."""


class World:
    def __init__(self, plane: PlaneKind = "auto", **config):
        self.now = 100.0
        self.events: list[Event] = []
        self.dtls = DtlsStub()
        self.plane = create_plane(plane)
        self.worker = Worker(
            MediaConfig(**config),
            plane=self.plane,
            dtls=self.dtls,
            identifiers=Identifiers(random.Random(1)),
            emit=self.events.append,
        )
        self.clients: dict[Address, Client] = {}
        self._ports = iter(range(20000, 60000))

    def client(self, participant_id, room="room"):
        client = Client(self, participant_id, room, ("198.51.100.1", next(self._ports)))
        self.clients[client.address] = client
        return client

    def pump(self):
        """Put what the worker sends on its way; without a delay it arrives."""
        for data, address in self.worker.take_datagrams():
            client = self.clients.get(address)
            if client is None:
                continue
            if client.downlink.perfect:
                client.deliver(data)
            else:
                client.downlink.send(data, self.now)

    def run(self, seconds, step=0.05):
        """Let time pass: what is on its way arrives when it is due, and there is a tick each `step`."""
        for _ in range(round(seconds / step)):
            until = self.now + step
            self.travel(until)
            self.now = until
            for client in list(self.clients.values()):
                client.tell_arrivals()
            self.worker.tick(self.now)
            self.pump()

    def travel(self, until):
        """Let everything arrive that is due up to a time, in its order."""
        while True:
            links = [link for client in self.clients.values() for link in (client.uplink, client.downlink)]
            due = min((at for link in links if (at := link.next_due()) is not None), default=until + 1)
            if due > until:
                return
            self.now = max(self.now, due)
            for client in list(self.clients.values()):
                for data in client.downlink.take(self.now):
                    client.deliver(data)
                for data in client.uplink.take(self.now):
                    self.worker.receive(data, client.address, self.now)
                    self.pump()

    def taken_events(self, *kinds):
        events = [event for event in self.events if not kinds or isinstance(event, kinds)]
        self.events.clear()
        return events


@dataclass
class Client:
    world: World
    participant_id: str
    room: str
    address: Address
    answer: Answer | None = None
    rtp: list[Received] = field(default_factory=list)
    rtcp: list = field(default_factory=list)
    stun: list = field(default_factory=list)
    send_session: pylibsrtp.Session | None = None
    receive_session: pylibsrtp.Session | None = None
    sequence_number: dict[int, int] = field(default_factory=dict)
    arrivals: Arrivals = field(default_factory=Arrivals)
    uplink: Link = field(default_factory=Link)
    """To the server. A perfect one, as at first, delivers within the call."""
    downlink: Link = field(default_factory=Link)

    # Negotiation

    def offer(self, *lines, publish=None, subscribe=None, permissions=UNRESTRICTED, **transport):
        offer = Offer(offer_sdp(lines, **transport), publish or {}, subscribe or {}, permissions)
        world = self.world
        self.answer = world.worker.offer(self.room, self.participant_id, offer, SERVER, world.now)
        world.pump()
        return self.answer

    def answered(self, mid):
        """The answer's m-line."""
        description = sdp.parse(self.answer.sdp)
        return next(
            media
            for media in description.media
            if ("mid", mid) in [(a.name, a.value) for a in media.attributes]
        )

    def direction(self, mid):
        names = {attribute.name for attribute in self.answered(mid).attributes}
        return next(iter(names & {"sendrecv", "sendonly", "recvonly", "inactive"}))

    def ssrc_on(self, mid):
        """The SSRC that the answer announces on an m-line."""
        values = [a.value for a in self.answered(mid).attributes if a.name == "ssrc"]
        return int(values[0].split()[0])

    # ICE and DTLS

    def check(self, **how):
        self.datagram(self.check_datagram(**how))

    def check_datagram(self, *, pwd=None, nominate=True):
        ufrag = re.search(r"a=ice-ufrag:(\S+)", self.answer.sdp).group(1)
        pwd = pwd or re.search(r"a=ice-pwd:(\S+)", self.answer.sdp).group(1)
        message = stun.Message(
            stun.Method.BINDING,
            stun.Class.REQUEST,
            attributes={"USERNAME": f"{ufrag}:clientufrag", "PRIORITY": 1, "ICE-CONTROLLING": 1},
        )
        if nominate:
            message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity(pwd.encode())
        return bytes(message)

    def handshake(self):
        """What DTLS comes to: keys on both sides."""
        profile = SrtpProfile.AEAD_AES_128_GCM
        size = profile.key_length + profile.salt_length
        rng = random.Random(self.address[1])
        to_server, to_client = rng.randbytes(size), rng.randbytes(size)
        transport = next(
            transport
            for transport in self.world.dtls.open.values()
            if transport.participant_id == self.participant_id
        )
        self.send_session = _session(to_server, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.receive_session = _session(to_client, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.world.worker.connected(
            transport, SrtpKeys(profile, receive=to_server, send=to_client), self.world.now
        )
        self.world.pump()

    def connect(self):
        self.check()
        self.handshake()

    # Media

    def datagram(self, data):
        if not self.uplink.perfect:
            self.uplink.send(data, self.world.now)
            return
        self.world.worker.receive(data, self.address, self.world.now)
        self.world.pump()

    def send(self, ssrc, payload, **header):
        self.datagram(self.protected(ssrc, payload, **header))

    def protected(
        self,
        ssrc,
        payload,
        *,
        payload_type=96,
        timestamp=0,
        mid=None,
        sequence_number=None,
        number=None,
        level=None,
    ):
        if sequence_number is None:
            sequence_number = self.sequence_number.get(ssrc, 1000)
        self.sequence_number[ssrc] = (sequence_number + 1) & 0xFFFF
        elements = [(MID_ID, mid.encode())] if mid else []
        if number is not None:
            elements.append((WIDE_ID, struct.pack("!H", number & 0xFFFF)))
        if level is not None:
            elements.append((LEVEL_ID, bytes((0x80 | level,))))
        block = rtp.build_extension_block(elements)
        header = rtp.FIXED_HEADER.pack(
            0x80 | (rtp.EXTENSION_BIT if block else 0), payload_type, sequence_number, timestamp, ssrc
        )
        return self.send_session.protect(header + block + payload)

    def send_rtcp(self, *packets):
        self.datagram(self.send_session.protect_rtcp(rtcp.serialize(packets)))

    def deliver(self, data):
        if data[0] < 4:
            self.stun.append(stun.parse_message(data))
        elif 192 <= data[1] <= 223:
            self.rtcp.extend(rtcp.parse(self.receive_session.unprotect_rtcp(data)))
        else:
            packet = self.receive_session.unprotect(data)
            _, second, sequence_number, timestamp, ssrc = rtp.FIXED_HEADER.unpack_from(packet)
            mid = rtp.find_extension(packet, MID_ID)
            number = rtp.find_extension(packet, WIDE_ID)
            if number is not None:
                self.arrivals.receive(int.from_bytes(number, "big"), ssrc, self.world.now)
            self.rtp.append(
                Received(
                    ssrc,
                    sequence_number,
                    timestamp,
                    second & 0x7F,
                    mid.decode() if mid else None,
                    packet[rtp.payload_offset(packet)[1] :],
                    rtp.find_extension(packet, LEVEL_ID),
                )
            )

    def tell_arrivals(self):
        """Send the transport-wide feedback that is due, as browsers do."""
        if self.arrivals.due(self.world.now):
            for message in self.arrivals.take(1, self.world.now):
                self.datagram(self.send_session.protect_rtcp(message))

    def taken_rtcp(self, kind):
        found = [packet for packet in self.rtcp if isinstance(packet, kind)]
        self.rtcp.clear()
        return found

    def taken_payloads(self):
        payloads = [packet.payload for packet in self.rtp]
        self.rtp.clear()
        return payloads


def _session(key, ssrc_type):
    policy = pylibsrtp.Policy(
        key=key, ssrc_type=ssrc_type, srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    )
    policy.window_size = 1024
    return pylibsrtp.Session(policy)


def ntp(seconds):
    return struct.unpack("!Q", struct.pack("!II", int(seconds), round(seconds % 1 * (1 << 32))))[0]
