"""DTLS of one transport, by aiortc. The SFU uses its private names here and in net/sctp.py alone.

tests/sfu/net/test_dtls.py fails when one of them changes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

from aiortc import RTCIceTransport
from aiortc.rtcdtlstransport import (
    SRTP_PROFILES,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
)
from OpenSSL import SSL

from sfu.plane.interface import SrtpKeys, SrtpProfile

# A handshake flight is some datagrams, a data message of the largest size 56; more in the queue is a flood.
MAX_QUEUED_DATAGRAMS = 128

# Cheapest per packet first; the server's order decides (RFC 5764 section 4.1.2).
PROFILES = (SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AEAD_AES_256_GCM, SrtpProfile.AES128_CM_SHA1_80)


class _SharedContext(RTCCertificate):
    """aiortc makes an OpenSSL context for each connection; they are all alike and take 23 kB each."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            # Sessions are never resumed: kept in the context, they would be a leak.
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            # After the handshake a connection says no more than goodbye: it needs no buffers until then.
            self._context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        return self._context


class Certificate:
    """The server's certificate, made anew at each start: its fingerprint travels in every answer."""

    def __init__(self) -> None:
        self.rtc = _SharedContext.generateCertificate()
        self.fingerprints: tuple[tuple[str, str], ...] = tuple(
            (fingerprint.algorithm, fingerprint.value)
            for fingerprint in self.rtc.getFingerprints()
            if fingerprint.algorithm == "sha-256"
        )


class _IceSide:
    """What aiortc takes for an ICE transport."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_datagram = send
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_QUEUED_DATAGRAMS + 1)

    def put(self, datagram: bytes) -> bool:
        if self._queue.qsize() >= MAX_QUEUED_DATAGRAMS:
            return False
        self._queue.put_nowait(datagram)
        return True

    def end(self) -> None:
        # There is room: put() leaves the last place free.
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    async def _recv(self) -> bytes:
        datagram = await self._queue.get()
        if datagram is None:
            raise ConnectionError("the transport has ended")
        return datagram

    async def _send(self, data: bytes) -> None:
        self._send_datagram(data)


class _KeyedDtlsTransport(RTCDtlsTransport):
    """aiortc's DTLS, but the keys go to the plane instead of into sessions of its own."""

    keys: SrtpKeys | None = None

    def _setup_srtp(self) -> None:
        assert self._ssl is not None
        selected = self._ssl.get_selected_srtp_profile()
        profile = next((profile for profile in PROFILES if profile.openssl_name.encode() == selected), None)
        if profile is None:
            self._set_state(State.FAILED)
            return
        key, salt = profile.key_length, profile.salt_length
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        self.keys = SrtpKeys(profile=profile, receive=client, send=server)

    def _validate_peer_identity(self, remote_parameters: RTCDtlsParameters) -> None:
        super()._validate_peer_identity(remote_parameters)
        self.fingerprint_mismatch = self._state is State.FAILED

    fingerprint_mismatch = False


class DtlsEndpoint:
    """The passive side of one DTLS association.

    `on_connected(keys)` is called once, when the handshake is done and the peer's fingerprint is its offer's;
    `on_closed(reason)` once at the end: "dtls-failed", "fingerprint-mismatch" or "dtls-closed". After `stop`
    neither is called.
    """

    def __init__(
        self,
        certificate: Certificate,
        fingerprints: tuple[tuple[str, str], ...],
        *,
        send: Callable[[bytes], None],
        on_connected: Callable[[SrtpKeys], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self._ice = _IceSide(send)
        self._dtls = _KeyedDtlsTransport(cast(RTCIceTransport, self._ice), [certificate.rtc])
        self._dtls._srtp_profiles = [
            srtp
            for profile in PROFILES
            for srtp in SRTP_PROFILES
            if srtp.openssl_profile == profile.openssl_name.encode()
        ]
        self._dtls._set_role("server")
        self._fingerprints = fingerprints
        self._on_connected = on_connected
        self._on_closed = on_closed
        self._stopped = False
        self._task = asyncio.create_task(self._run(), name="dtls")

    @property
    def transport(self) -> RTCDtlsTransport:
        """What SCTP runs on, once it is connected."""
        return self._dtls

    def receive(self, datagram: bytes) -> bool:
        """Take a datagram from the peer. False where the queue is full and it was dropped."""
        return self._ice.put(datagram)

    async def _run(self) -> None:
        parameters = RTCDtlsParameters(
            [RTCDtlsFingerprint(algorithm=algorithm, value=value) for algorithm, value in self._fingerprints],
            role="client",
        )
        await self._dtls.start(parameters)
        if self._stopped:
            return
        if self._dtls.keys is None or self._dtls.state != "connected":
            self._on_closed("fingerprint-mismatch" if self._dtls.fingerprint_mismatch else "dtls-failed")
            return
        self._dtls.on("statechange", self._state_changed)
        self._on_connected(self._dtls.keys)

    def _state_changed(self) -> None:
        if self._dtls.state == "closed" and not self._stopped:
            self._on_closed("dtls-closed")

    async def stop(self) -> None:
        """Say goodbye to the peer and end every task. Idempotent."""
        self._stopped = True
        # Before stop(): it sends close_notify, and the pump must not take that for the peer's.
        pump = self._dtls._task
        await self._dtls.stop()
        self._ice.end()
        self._task.cancel()
        await asyncio.gather(self._task, *([pump] if pump is not None else []), return_exceptions=True)
        self._dtls.remove_all_listeners()
