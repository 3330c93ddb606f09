"""Transport: one participant's BUNDLEd ICE and DTLS connection, and what goes over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfu.bwe.estimator import Estimator
from sfu.config import MediaConfig
from sfu.offer import UNRESTRICTED
from sfu.parameters import LocalParameters, MediaLine, RemoteParameters
from sfu.wire.rtp import find_extension

if TYPE_CHECKING:
    from sfu.consumer import Consumer
    from sfu.ice import IceAgent
    from sfu.producer import Producer, Stream

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
RTP_STREAM_ID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RTP_STREAM_ID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"


class Transport:
    """The state of one connection. It ends with `closed`; a client that comes back gets a new one."""

    def __init__(
        self,
        row: int,
        participant_id: str,
        ice: IceAgent,
        remote: RemoteParameters,
        *,
        session_id: int,
        ssrc: int,
        now: float,
    ) -> None:
        self.row = row
        """Id in the plane's table."""
        self.participant_id = participant_id
        self.ice = ice
        self.remote = remote
        self.ssrc = ssrc
        """What the server calls itself as the sender of RTCP."""
        self.opened_at = now
        self.connected = False
        """DTLS is done: the plane has the keys."""
        self.handshake_at: float | None = None
        """When the client's first DTLS datagram came."""
        self.connected_at: float | None = None
        self.closed = False
        self.next_report = self.next_probe = now
        self.estimator = Estimator()
        """Of the bandwidth towards the client."""
        self.permissions = UNRESTRICTED
        self.producers: dict[str, Producer] = {}
        """By mid."""
        self.consumers: dict[str, Consumer] = {}
        """By mid."""
        self.consumers_by_ssrc: dict[int, Consumer] = {}
        """The same, by the SSRC that the client sees: what its RTCP speaks of."""
        self._session_id = session_id
        self._session_version = 0

    def local_parameters(
        self,
        fingerprints: tuple[tuple[str, str], ...],
        candidates: tuple[tuple[str, int], ...],
        config: MediaConfig,
    ) -> LocalParameters:
        """For the next answer: its session version is one higher each time (RFC 8829 section 5.3.2)."""
        self._session_version += 1
        return LocalParameters(
            ice_ufrag=self.ice.ufrag,
            ice_pwd=self.ice.pwd,
            fingerprints=fingerprints,
            candidates=candidates,
            session_id=self._session_id,
            session_version=self._session_version,
            tcp=config.tcp,
            max_message_size=config.max_data_message,
        )

    def expired(self, now: float, config: MediaConfig) -> str | None:
        """The reason why the transport is to be closed now, if there is one."""
        if not self.connected and now - self.opened_at >= config.connect_timeout:
            return "never-connected"
        if now - self.ice.last_check >= config.consent_timeout:
            return "consent-expired"
        return None

    def producer_of(self, packet: bytes) -> Producer | None:
        """Whose packet this is whose SSRC is new: by MID, then by a payload type that one line alone has
        (RFC 8843 section 9.2)."""
        mid_id = self._mid_id()
        if mid_id:
            value = find_extension(packet, mid_id)
            if value is not None:
                return self.producers.get(value.decode("ascii", "replace"))
        payload_type = packet[1] & 0x7F
        matches = [
            producer
            for producer in self.producers.values()
            if payload_type in producer.codecs_by_payload_type() or payload_type in producer.rtx_payload_types
        ]
        return matches[0] if len(matches) == 1 else None

    def knows(self, ssrc: int) -> bool:
        """Whether the client sends a stream, or repeats one, on this SSRC."""
        return any(
            ssrc in (stream.ssrc, stream.rtx_ssrc)
            for producer in self.producers.values()
            for stream in producer.streams.values()
        )

    def stream_of(self, ssrc: int) -> tuple[Producer, Stream] | None:
        """The stream of that SSRC that the client sends."""
        for producer in self.producers.values():
            stream = producer.streams.get(ssrc)
            if stream is not None:
                return producer, stream
        return None

    def _mid_id(self) -> int:
        return next(
            (mid_extension(line) for line in self.remote.media if not line.rejected and line.sends), 0
        )


def extension_id(line: MediaLine, uri: str) -> int:
    """The id of a header extension on a line, 0 where it was not negotiated."""
    return next((extension.id for extension in line.extensions if extension.uri == uri), 0)


def mid_extension(line: MediaLine) -> int:
    """The id of the MID header extension on a line (RFC 9143 section 14), 0 where it was not negotiated."""
    return extension_id(line, MID_URI)


def stream_id(line: MediaLine, packet: bytes, *, repaired: bool = False) -> str | None:
    """The rid of a packet on a line (RFC 8852 section 3.1), or of what it repeats; empty where the line is no
    simulcast, None where the packet does not tell."""
    if not line.rids:
        return ""
    identifier = extension_id(line, REPAIRED_RTP_STREAM_ID_URI if repaired else RTP_STREAM_ID_URI)
    value = find_extension(packet, identifier) if identifier else None
    rid = value.decode("ascii", "replace") if value is not None else None
    return rid if rid in line.rids else None
