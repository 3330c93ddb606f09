import socket

import pytest

from chatter.address import ListenAddress


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        (":8080", "", 8080, "http://localhost:8080"),
        ("127.0.0.1:80", "127.0.0.1", 80, "http://127.0.0.1:80"),
        ("chatter.example:1", "chatter.example", 1, "http://chatter.example:1"),
        ("[::1]:8080", "::1", 8080, "http://[::1]:8080"),
        ("0.0.0.0:8080", "0.0.0.0", 8080, "http://localhost:8080"),
        ("[::]:8080", "::", 8080, "http://localhost:8080"),
        (":0", "", 0, "http://localhost:0"),
    ],
)
def test_reads_addresses_as_go_writes_them(text, host, port, url):
    address = ListenAddress.parse(text)
    assert (address.host, address.port, address.url(port)) == (host, port, url)


@pytest.mark.parametrize(
    "text", ["", "8080", "localhost", "::1:8080", ":65536", ":-1", ":80 ", "a b:80", "[::1]"]
)
def test_refuses_what_is_no_address(text):
    with pytest.raises(ValueError, match="not host:port or :port"):
        ListenAddress.parse(text)


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        (":0", ["127.0.0.1", "::1"]),
        ("[::]:0", ["::1"]),
        ("127.0.0.1:0", ["127.0.0.1"]),
        ("localhost:0", ["localhost"]),
        ("[::1]:0", ["::1"]),
    ],
)
def test_listens_where_it_says(text, reached):
    with ListenAddress.parse(text).listen() as listener:
        for host in reached:
            socket.create_connection((host, listener.getsockname()[1]), timeout=5).close()


def test_a_port_in_use_is_refused():
    with ListenAddress.parse(":0").listen() as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            ListenAddress.parse(f":{port}").listen()
