"""The seam to aiortc: these fail when a private name that Chatter uses changes."""

import asyncio

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import (
    SRTP_AES128_CM_SHA1_80,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)

from sfu.net.dtls import MAX_QUEUED_DATAGRAMS, Certificate, DtlsEndpoint
from sfu.plane.interface import SrtpKeys, SrtpProfile

TIMEOUT = 5.0


class Peer:
    """A DTLS client of aiortc's own, joined to an endpoint without a network."""

    role = "controlling"

    def __init__(self):
        self.certificate = RTCCertificate.generateCertificate()
        self.dtls = RTCDtlsTransport(self, [self.certificate])
        self.dtls._set_role("client")
        self.inbox = asyncio.Queue()
        self.endpoint = None
        self.outcome = asyncio.get_running_loop().create_future()

    @property
    def fingerprints(self):
        return tuple((f.algorithm, f.value) for f in self.certificate.getFingerprints())

    async def _recv(self):
        data = await self.inbox.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data):
        self.endpoint.receive(data)

    def join(self, server, fingerprints=None):
        self.endpoint = DtlsEndpoint(
            server,
            fingerprints or self.fingerprints,
            send=self.inbox.put_nowait,
            on_connected=self.outcome.set_result,
            on_closed=self.closed,
        )

    def closed(self, reason):
        if self.outcome.done():
            self.goodbye.set_result(reason)
        else:
            self.outcome.set_result(reason)

    async def start(self, server):
        self.goodbye = asyncio.get_running_loop().create_future()
        parameters = RTCDtlsParameters([RTCDtlsFingerprint(*f) for f in server.fingerprints])
        async with asyncio.timeout(TIMEOUT):
            await self.dtls.start(parameters)

    async def result(self):
        return await asyncio.wait_for(self.outcome, TIMEOUT)

    async def stop(self):
        await self.endpoint.stop()
        self.inbox.put_nowait(None)
        task = self.dtls._task
        await self.dtls.stop()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def peer():
    peer = Peer()
    yield peer
    await peer.stop()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(None, SrtpProfile.AEAD_AES_128_GCM), ([SRTP_AES128_CM_SHA1_80], SrtpProfile.AES128_CM_SHA1_80)],
)
async def test_both_sides_have_the_same_keys(peer, offered, chosen):
    server = Certificate()
    if offered:
        peer.dtls._srtp_profiles = offered
    peer.join(server)
    await peer.start(server)
    keys = await peer.result()
    assert isinstance(keys, SrtpKeys)
    assert keys.profile is chosen
    assert len(keys.receive) == len(keys.send) == chosen.key_length + chosen.salt_length
    # The peer's sessions come from the same secret: what it protects, our keys open.
    size = chosen.key_length
    material = peer.dtls._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (size + chosen.salt_length))
    assert keys.receive == material[:size] + material[2 * size : 2 * size + chosen.salt_length]
    assert keys.send == material[size : 2 * size] + material[2 * size + chosen.salt_length :]


async def test_a_wrong_fingerprint_ends_the_handshake(peer):
    server = Certificate()
    algorithm, value = peer.fingerprints[0]
    peer.join(server, ((algorithm, "00" + value[2:]),))
    await peer.start(server)
    assert await peer.result() == "fingerprint-mismatch"


async def test_the_peers_goodbye_is_told(peer):
    server = Certificate()
    peer.join(server)
    await peer.start(server)
    await peer.result()
    await peer.dtls.stop()
    assert await asyncio.wait_for(peer.goodbye, TIMEOUT) == "dtls-closed"


async def test_garbage_does_not_end_a_handshake(peer):
    server = Certificate()
    peer.join(server)
    for noise in (b"\x16", b"\x16\xfe\xfd" + bytes(60), b"\x17" + bytes(1400)):
        assert peer.endpoint.receive(noise)
    await peer.start(server)
    assert isinstance(await peer.result(), SrtpKeys)


async def test_the_queue_is_bounded(peer):
    peer.join(Certificate())
    taken = [peer.endpoint.receive(b"\x16" + bytes(20)) for _ in range(MAX_QUEUED_DATAGRAMS + 5)]
    assert taken == [True] * MAX_QUEUED_DATAGRAMS + [False] * 5


async def test_stopping_is_idempotent_and_silent(peer):
    peer.join(Certificate())
    await peer.endpoint.stop()
    await peer.endpoint.stop()
    assert not peer.outcome.done()
