"""The seam to aiortc's SCTP: these fail when a private name that Chatter uses changes."""

import asyncio
import struct

import pytest
from aiortc import RTCDataChannel, RTCSctpCapabilities, RTCSctpTransport
from aiortc.rtcdatachannel import RTCDataChannelParameters
from aiortc.rtcsctptransport import DataChunk, InitChunk, crc32c, serialize_packet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.data import SendOutcome
from sfu.net.sctp import (
    MAX_BUFFERED_LOSSY,
    MAX_BUFFERED_RELIABLE,
    MAX_CHANNELS,
    MAX_MISORDERED,
    DataAssociation,
)
from sfu.parameters import DataLine

TIMEOUT = 5.0
LINE = DataLine(0, "d", "UDP/DTLS/SCTP", 5000, 262_144)


class Wire:
    """What SCTP takes for a DTLS transport, without DTLS and without a network."""

    def __init__(self, role):
        self._role = role
        self.state = "connected"
        self.other = None
        self.receiver = None
        self.open = True
        self.broken = False
        self.tasks = []

    def _register_data_receiver(self, receiver):
        self.receiver = receiver

    def _unregister_data_receiver(self, receiver):
        self.receiver = None

    async def _send_data(self, data):
        if self.broken:
            raise ConnectionError
        other = self.other
        if self.open and other.receiver is not None:
            self.tasks.append(asyncio.ensure_future(other.receiver._handle_data(data)))


class Pair:
    """An association and a client of aiortc's own."""

    def __init__(self, line=LINE):
        self.server, self.client_wire = Wire("server"), Wire("client")
        self.server.other, self.client_wire.other = self.client_wire, self.server
        self.got = asyncio.Queue()
        self.malformed = 0
        self.association = DataAssociation(
            self.server,
            line,
            on_message=lambda message, lossy: self.got.put_nowait((message, lossy)),
            on_malformed=self.refused,
        )
        self.client = RTCSctpTransport(self.client_wire)

    def refused(self):
        self.malformed += 1

    async def start(self):
        await self.client.start(RTCSctpCapabilities(maxMessageSize=65_536), 5000)

    async def channel(self, label="chat", **how):
        channel = RTCDataChannel(self.client, RTCDataChannelParameters(label=label, **how))
        opened = asyncio.Event()
        channel.on("open", opened.set)
        await asyncio.wait_for(opened.wait(), TIMEOUT)
        inbox = asyncio.Queue()
        channel.on("message", inbox.put_nowait)
        return channel, inbox

    async def heard(self):
        return await asyncio.wait_for(self.got.get(), TIMEOUT)

    async def settle(self):
        for _ in range(50):
            await asyncio.sleep(0)

    async def stop(self):
        await self.association.stop()
        await self.client.stop()
        await self.settle()
        for wire in (self.server, self.client_wire):
            await asyncio.gather(*wire.tasks)


@pytest.fixture
async def pair():
    pair = Pair()
    yield pair
    await pair.stop()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


LOSSY = {"ordered": False, "maxRetransmits": 0}
EXPIRING = {"ordered": False, "maxPacketLifeTime": 100}


@pytest.mark.parametrize(("how", "lossy"), [({}, False), (LOSSY, True), (EXPIRING, True)])
@pytest.mark.parametrize("message", ["\nhi ü", b"\n\x00\xff", "", b"", "x" * 65_536])
async def test_messages_go_both_ways_in_the_manner_of_their_channel(pair, how, lossy, message):
    await pair.start()
    channel, inbox = await pair.channel(**how)
    channel.send(message)
    assert await pair.heard() == (message, lossy)
    assert pair.association.send(message, lossy) is SendOutcome.SENT
    assert await asyncio.wait_for(inbox.get(), TIMEOUT) == message


async def test_each_kind_of_message_has_its_channel_and_the_other_where_there_is_none(pair):
    await pair.start()
    assert pair.association.send("x", False) is SendOutcome.NO_CHANNEL
    _, lossy_inbox = await pair.channel(**LOSSY)
    assert pair.association.send("1", False) is SendOutcome.SENT
    _, inbox = await pair.channel()
    pair.association.send("2", False)
    pair.association.send("3", True)
    assert await asyncio.wait_for(inbox.get(), TIMEOUT) == "2"
    assert [await asyncio.wait_for(lossy_inbox.get(), TIMEOUT) for _ in range(2)] == ["1", "3"]


@pytest.mark.parametrize(("how", "bound"), [({}, MAX_BUFFERED_RELIABLE), (LOSSY, MAX_BUFFERED_LOSSY)])
async def test_what_waits_for_a_client_is_bounded(pair, how, bound):
    await pair.start()
    await pair.channel(**how)
    pair.server.open = False
    outcomes = [pair.association.send(b"x" * 16_384, bool(how)) for _ in range(40)]
    assert outcomes == [SendOutcome.SENT] * (bound // 16_384) + [SendOutcome.FULL] * (40 - bound // 16_384)


async def test_a_message_that_the_client_does_not_take_is_not_sent():
    pair = Pair(DataLine(0, "d", "UDP/DTLS/SCTP", 5000, 1000))
    await pair.start()
    await pair.channel()
    assert pair.association.send("x" * 1001, False) is SendOutcome.FULL
    assert pair.association.send("x" * 1000, False) is SendOutcome.SENT
    await pair.stop()


async def test_a_closed_channel_is_not_sent_to(pair):
    await pair.start()
    channel, _ = await pair.channel()
    closed = asyncio.Event()
    channel.on("close", closed.set)
    channel.close()
    await asyncio.wait_for(closed.wait(), TIMEOUT)
    await pair.settle()
    assert pair.association.channels == 0
    assert pair.association.send("x", False) is SendOutcome.NO_CHANNEL


async def test_channels_are_bounded(pair):
    await pair.start()
    for _ in range(MAX_CHANNELS):
        await pair.channel()
    extra, _ = await pair.channel()
    closed = asyncio.Event()
    extra.on("close", closed.set)
    if extra.readyState != "closed":
        await asyncio.wait_for(closed.wait(), TIMEOUT)
    assert pair.association.channels == MAX_CHANNELS
    assert pair.malformed == 1


async def test_what_ends_dtls_ends_the_association_quietly(pair):
    await pair.start()
    await pair.channel()
    pair.server.broken = True
    assert pair.association.send("x", False) is SendOutcome.SENT
    await pair.settle()
    assert pair.association.channels == 0


def packet(tag, chunks):
    """SCTP's common header and checksum (RFC 9260 section 3.1) around any bytes."""
    header = struct.pack("!HHI", 5000, 5000, tag)
    body = b"".join(chunks)
    checksum = crc32c(header + bytes(4) + body)
    return header + struct.pack("<I", checksum) + body


CHUNKS = st.builds(
    lambda kind, flags, length, body: (
        struct.pack("!BBH", kind, flags, length or len(body) + 4) + body + bytes(-len(body) % 4)
    ),
    st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, 77]),
    st.integers(0, 255),
    st.one_of(st.none(), st.integers(0, 40)),
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda n: struct.pack("!IHHI", n, 0, 0, 50) + b"\x03" * 12, st.integers(0, 99)),
    ),
)


@given(st.lists(st.lists(CHUNKS, max_size=3), min_size=1, max_size=8), st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_packets_leave_dtls_alone(lists, noise):
    async def run():
        pair = Pair()
        await pair.start()
        await pair.channel()
        tag = pair.association._sctp._local_verification_tag
        for chunks in lists:
            await pair.association._sctp._handle_data(packet(tag, chunks))
        await pair.association._sctp._handle_data(noise)
        await pair.stop()

    asyncio.run(run())


async def test_who_ignores_the_window_is_aborted(pair):
    await pair.start()
    await pair.channel()
    sctp = pair.association._sctp
    first = sctp._last_received_tsn + 2
    for at in range(MAX_MISORDERED + 2):
        chunk = DataChunk()
        chunk.flags, chunk.tsn, chunk.stream_id, chunk.protocol, chunk.user_data = (
            3,
            first + 2 * at,
            9,
            51,
            b"x",
        )
        await sctp._handle_data(serialize_packet(5000, 5000, sctp._local_verification_tag, chunk))
    assert pair.malformed == 1
    assert pair.association.channels == 0


async def test_a_message_without_end_is_aborted(pair):
    await pair.start()
    await pair.channel()
    sctp = pair.association._sctp
    tsn = sctp._last_received_tsn
    for at in range(400):
        chunk = DataChunk()
        chunk.flags, chunk.tsn, chunk.stream_id, chunk.protocol = (2 if at == 0 else 0), tsn + 1 + at, 1, 51
        chunk.user_data = bytes(1100)
        await sctp._handle_data(serialize_packet(5000, 5000, sctp._local_verification_tag, chunk))
    assert pair.malformed == 1
    assert sum(len(stream.reassembly) for stream in sctp._inbound_streams.values()) == 0


async def test_an_init_among_other_chunks_is_counted(pair):
    await pair.start()
    chunk = InitChunk()
    chunk.initiate_tag = chunk.initial_tsn = 1
    chunk.advertised_rwnd = chunk.outbound_streams = chunk.inbound_streams = 9
    sctp = pair.association._sctp
    await sctp._handle_data(packet(0, [bytes(chunk), bytes(chunk)]))
    assert pair.malformed == 1
