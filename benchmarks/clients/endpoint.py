"""One end of a media connection: a UDP socket, ICE as the controlling side, DTLS as the client.

Until it is connected Python reads the socket; then its descriptor and SRTP sessions are for the C side.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pylibsrtp
from aioice import stun
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceTransport
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCDtlsFingerprint, RTCDtlsParameters

CONNECT_TIMEOUT = 15.0
CHECK_INTERVAL = 0.2
PRIORITY = 126 << 24 | 65535 << 8 | 255
# What arrives between two readings of many sockets.
SOCKET_BUFFER = 1 << 20

PROFILES = {
    "gcm": "SRTP_AEAD_AES_128_GCM",
    "gcm256": "SRTP_AEAD_AES_256_GCM",
    "cm": "SRTP_AES128_CM_SHA1_80",
}


class ConnectFailed(RuntimeError):  # noqa: N818
    """A client was not connected."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The other end, by its session description."""

    address: tuple[str, int]
    ufrag: str
    password: str
    fingerprint: tuple[str, str]

    @classmethod
    def parse(cls, sdp: str) -> Remote:
        """Of a description of one BUNDLE. Raises ConnectFailed, naming what it lacks."""

        def find(pattern: str, what: str) -> re.Match[str]:
            found = re.search(pattern, sdp, re.MULTILINE)
            if found is None:
                raise ConnectFailed(f"the server's description has no {what}")
            return found

        candidate = find(
            r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host", "UDP candidate on IPv4"
        )
        fingerprint = find(r"^a=fingerprint:(\S+) (\S+)", "fingerprint")
        return cls(
            (candidate[1], int(candidate[2])),
            find(r"^a=ice-ufrag:(\S+)", "ice-ufrag")[1],
            find(r"^a=ice-pwd:(\S+)", "ice-pwd")[1],
            (fingerprint[1], fingerprint[2]),
        )


class Endpoint:
    """Open it, put its `ufrag`, `password` and `fingerprint` into a description, and `connect`."""

    role = "controlling"

    def __init__(self, certificate: RTCCertificate, profiles: Sequence[str]) -> None:
        """`profiles`: names of SRTP profiles to offer, the preferred first. Raises OSError."""
        self.ufrag = secrets.token_hex(4)
        self.password = secrets.token_hex(16)
        self.fingerprint = next(
            f"{found.algorithm} {found.value}"
            for found in certificate.getFingerprints()
            if found.algorithm == "sha-256"
        )
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue(64)
        self._checked = asyncio.Event()
        self._remote: Remote | None = None
        self._tiebreaker = secrets.randbits(64)
        # It takes any object with _recv, _send and role for its ICE transport.
        self._dtls = RTCDtlsTransport(cast(RTCIceTransport, self), [certificate])
        self._dtls._set_role("client")
        self._dtls._srtp_profiles = [
            found
            for profile in profiles
            for found in SRTP_PROFILES
            if found.openssl_profile.decode() == PROFILES[profile]
        ]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)

    @property
    def descriptor(self) -> int:
        """Of the connected socket."""
        return self._socket.fileno()

    @property
    def sending(self) -> pylibsrtp.Session:
        """Protects what this side sends."""
        return self._dtls._tx_srtp

    @property
    def receiving(self) -> pylibsrtp.Session:
        """Unprotects what this side receives."""
        return self._dtls._rx_srtp

    @property
    def profile(self) -> str:
        """The SRTP profile that was agreed on, by OpenSSL's name."""
        assert self._dtls._ssl is not None
        return bytes(self._dtls._ssl.get_selected_srtp_profile()).decode()

    async def connect(self, remote: Remote) -> None:
        """ICE and DTLS. The socket is not read by this side any more, then. Raises ConnectFailed."""
        self._remote = remote
        self._socket.connect(remote.address)
        self._loop.add_reader(self._socket, self._readable)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._check_until_answered()
                algorithm, value = remote.fingerprint
                await self._dtls.start(
                    RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value)], role="server")
                )
        except TimeoutError:
            step = "DTLS" if self._checked.is_set() else "ICE"
            raise ConnectFailed(f"no end of {step} within {CONNECT_TIMEOUT:g} s") from None
        finally:
            self._loop.remove_reader(self._socket)
        if self._dtls.state != "connected":
            raise ConnectFailed(f"DTLS {self._dtls.state}")

    def check(self) -> None:
        """Send a STUN check: it connects, and it keeps up the server's consent (RFC 7675)."""
        assert self._remote is not None
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._remote.ufrag}:{self.ufrag}"
        request.attributes["PRIORITY"] = PRIORITY
        request.attributes["ICE-CONTROLLING"] = self._tiebreaker
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._remote.password.encode())
        self._write(bytes(request))

    async def close(self) -> None:
        """Say goodbye and free the socket."""
        pump = self._dtls._task
        await self._dtls.stop()
        if not self._inbox.full():
            self._inbox.put_nowait(None)
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        self._socket.close()

    async def _check_until_answered(self) -> None:
        while not self._checked.is_set():
            self.check()
            try:
                async with asyncio.timeout(CHECK_INTERVAL):
                    await self._checked.wait()
            except TimeoutError:
                continue

    def _readable(self) -> None:
        try:
            data = self._socket.recv(2048)
        except (BlockingIOError, ConnectionError):
            return
        if not data:
            return
        if data[0] < 4:
            self._take_stun(data)
        elif 20 <= data[0] < 64 and not self._inbox.full():
            self._inbox.put_nowait(data)

    def _take_stun(self, data: bytes) -> None:
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        if message.message_class is stun.Class.RESPONSE:
            self._checked.set()
        elif message.message_class is stun.Class.REQUEST:
            answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = self._socket.getpeername()
            answer.add_message_integrity(self.password.encode())
            self._write(bytes(answer))

    def _write(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except (BlockingIOError, ConnectionError):
            # As good as lost on the way: ICE and DTLS send again.
            return

    # What aiortc's DTLS transport asks of an ICE transport

    async def _recv(self) -> bytes:
        data = await self._inbox.get()
        if data is None:
            raise ConnectionError("the endpoint was closed")
        return data

    async def _send(self, data: bytes) -> None:
        self._write(data)
