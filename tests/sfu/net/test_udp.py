import asyncio
import socket

import pytest

from sfu.net.udp import UdpSocket

STUN = b"\x00\x01" + bytes(18)
TIMEOUT = 5.0


class Peer:
    """A client that talks to one address of the server and, connected, hears only that one."""

    def __init__(self, family, server):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect(server)

    async def receive(self):
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 2000), TIMEOUT)


@pytest.fixture
async def opened():
    """Open a UdpSocket on a host; its datagrams arrive in a queue."""
    sockets = []

    def open_socket(host):
        queue = asyncio.Queue()
        sockets.append(UdpSocket(host, 0, lambda batch: [queue.put_nowait(each) for each in batch]))
        return sockets[-1], queue

    yield open_socket
    for each in sockets:
        each.close()


@pytest.mark.parametrize(
    ("host", "family", "target"),
    [
        ("", socket.AF_INET, "127.0.0.1"),
        # Not the address that the kernel would answer from.
        ("", socket.AF_INET, "127.0.0.5"),
        ("0.0.0.0", socket.AF_INET, "127.0.0.5"),
        ("", socket.AF_INET6, "::1"),
        ("127.0.0.5", socket.AF_INET, "127.0.0.5"),
    ],
)
async def test_a_client_is_answered_from_where_it_asked(opened, host, family, target):
    server, queue = opened(host)
    peer = Peer(family, (target, server.port))
    peer.socket.send(STUN)
    data, address = await asyncio.wait_for(queue.get(), TIMEOUT)
    assert data == STUN
    assert address == peer.socket.getsockname()[:2]
    assert server.send(b"answer", address) is True
    assert await peer.receive() == b"answer"
    peer.socket.close()


async def test_media_does_not_move_the_path(opened):
    server, queue = opened("")
    peer = Peer(socket.AF_INET, ("127.0.0.5", server.port))
    peer.socket.send(STUN)
    await queue.get()
    # The same client's media to another of our addresses: its checks alone say where it listens.
    peer.socket.connect(("127.0.0.6", server.port))
    peer.socket.send(b"\x80media")
    _, address = await asyncio.wait_for(queue.get(), TIMEOUT)
    peer.socket.connect(("127.0.0.5", server.port))
    assert server.send(b"answer", address) is True
    assert await peer.receive() == b"answer"
    peer.socket.close()


async def test_what_cannot_be_sent_is_told(opened):
    server, _ = opened("127.0.0.1")
    assert server.send(bytes(70_000), ("127.0.0.1", 9)) is None
