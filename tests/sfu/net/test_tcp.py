import asyncio
import socket
import struct

import pytest

from sfu.net import tcp
from sfu.net.tcp import HALF_OPEN_TIMEOUT, MAX_HALF_OPEN_PER_ADDRESS, SEND_BUFFER, TcpListener
from sfu.net.udp import UdpSocket
from sfu.plane.interface import Drop
from sfu.wire.framing import frame

TIMEOUT = 5.0
IDLE = 30.0
STUN = b"\x00\x01" + bytes(18)
ANSWER = b"\x01\x01" + bytes(30)
MEDIA = b"\x80media"


class Owner:
    """The control side: it knows those whose check says so."""

    def __init__(self):
        self.known = True
        self.checks = []
        self.closed = []
        self.drops = {}

    def check(self, datagram, path, peer):
        self.checks.append((path, peer))
        return ANSWER if self.known else None

    def path_closed(self, path):
        self.closed.append(path)

    def drop(self, reason, count=1):
        self.drops[reason] = self.drops.get(reason, 0) + count


class Site:
    """A listener, the UDP port beside it, and what came there."""

    def __init__(self, host):
        self.owner = Owner()
        self.came = asyncio.Queue()
        sock = tcp.bind(host, 0)
        self.port = sock.getsockname()[1]
        self.udp = UdpSocket(host, self.port, lambda batch: [self.came.put_nowait(each) for each in batch])
        self.listener = TcpListener(self.owner, sock, host, max_connections=100, idle_timeout=IDLE)
        self.writers = []

    async def client(self, host="127.0.0.1"):
        reader, writer = await asyncio.open_connection(host, self.port)
        self.writers.append(writer)
        return reader, writer

    async def verified(self, host="127.0.0.1"):
        reader, writer = await self.client(host)
        writer.write(frame(STUN))
        assert await datagram(reader) == ANSWER
        return reader, writer

    async def until(self, condition):
        async with asyncio.timeout(TIMEOUT):
            while not condition():  # noqa: ASYNC110 - sockets tell nothing
                await asyncio.sleep(0)


async def datagram(reader):
    async with asyncio.timeout(TIMEOUT):
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)


async def ended(reader):
    async with asyncio.timeout(TIMEOUT):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


@pytest.fixture
async def opened():
    sites = []

    async def open_site(host=""):
        site = Site(host)
        sites.append(site)
        await site.listener.start()
        return site

    yield open_site
    for site in sites:
        for writer in site.writers:
            writer.transport.abort()
        site.listener.close()
        site.udp.close()
        await site.until(
            lambda site=site: site.listener.sizes() == {"tcp_connections": 0, "tcp_half_open": 0}
        )


@pytest.mark.parametrize(
    ("host", "target"),
    [("", "127.0.0.1"), ("", "::1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.5", "127.0.0.5"), ("::1", "::1")],
)
async def test_media_goes_both_ways_through_the_udp_port(opened, host, target):
    site = await opened(host)
    reader, writer = await site.verified(target)
    path, peer = site.owner.checks[0]
    assert peer == writer.get_extra_info("sockname")[:2]
    writer.write(frame(MEDIA) + frame(b"\x14dtls"))
    async with asyncio.timeout(TIMEOUT):
        assert [await site.came.get() for _ in range(2)] == [(MEDIA, path), (b"\x14dtls", path)]
    assert site.udp.send(b"\x90back", path) is True
    assert await datagram(reader) == b"\x90back"


async def test_nobody_but_the_media_port_reaches_a_client(opened):
    site = await opened()
    reader, _ = await site.verified()
    path, _ = site.owner.checks[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"\x80forged", path)
    site.udp.send(MEDIA, path)
    assert await datagram(reader) == MEDIA


@pytest.mark.parametrize(
    "said", [frame(MEDIA), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" + bytes(400)]
)
async def test_who_does_not_begin_with_a_check_is_cut_off(opened, said):
    site = await opened()
    reader, writer = await site.client()
    writer.write(said)
    assert await ended(reader)
    assert site.owner.drops == {Drop.TCP_MALFORMED: 1}
    assert site.came.empty()


async def test_who_fails_the_first_check_is_cut_off_and_later_ones_are_let_go(opened):
    site = await opened()
    reader, writer = await site.verified()
    site.owner.known = False
    writer.write(frame(STUN) + frame(MEDIA))
    async with asyncio.timeout(TIMEOUT):
        assert (await site.came.get())[0] == MEDIA
    reader, writer = await site.client()
    writer.write(frame(STUN))
    assert await ended(reader)


async def test_the_end_of_a_connection_ends_its_path(opened):
    site = await opened()
    _, writer = await site.verified()
    path, _ = site.owner.checks[0]
    writer.close()
    await site.until(lambda: site.owner.closed)
    assert site.owner.closed == [path]
    assert site.listener.sizes() == {"tcp_connections": 0, "tcp_half_open": 0}


async def test_half_open_connections_are_bounded_and_do_not_keep_out_those_in_a_call(opened):
    site = await opened()
    reader, _ = await site.verified()
    for _ in range(MAX_HALF_OPEN_PER_ADDRESS):
        await site.client()
    extra, _ = await site.client()
    assert await ended(extra)
    assert site.owner.drops == {Drop.TCP_REFUSED: 1}
    await site.until(lambda: site.listener.sizes()["tcp_half_open"] == MAX_HALF_OPEN_PER_ADDRESS)
    # From elsewhere there is room.
    await site.verified("::1")
    assert not reader.at_eof()


async def test_who_stays_silent_is_cut_off(opened):
    site = await opened()
    half_open, _ = await site.client()
    await site.verified()
    now = asyncio.get_running_loop().time()
    site.listener.sweep(now + HALF_OPEN_TIMEOUT + 1)
    assert await ended(half_open)
    assert site.listener.sizes()["tcp_connections"] == 1
    site.listener.sweep(now + IDLE + 1)
    await site.until(lambda: site.listener.sizes()["tcp_connections"] == 0)


async def test_media_is_dropped_for_a_client_that_does_not_read_and_checks_go_on(opened):
    site = await opened()
    _, writer = await site.verified()
    path, _ = site.owner.checks[0]
    writer.transport.pause_reading()
    connection = next(iter(site.listener._connections))

    def full():
        for _ in range(32):
            site.udp.send(b"\x80" + bytes(1199), path)
        return site.owner.drops.get(Drop.SEND_WOULD_BLOCK, 0) > 100

    await site.until(full)
    waiting = connection._stream.get_write_buffer_size()
    assert SEND_BUFFER - 1300 < waiting <= SEND_BUFFER
    writer.write(frame(STUN))
    await site.until(lambda: connection._stream.get_write_buffer_size() > waiting)
