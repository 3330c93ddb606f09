"""Where to listen, as Go writes it: `:8080`, `127.0.0.1:8080`, `[::1]:8080`."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.\-_]*)):(?P<port>\d{1,5})", re.ASCII)

# All addresses of the machine.
UNSPECIFIED = frozenset({"", "0.0.0.0", "::"})  # noqa: S104


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host (empty for all addresses) and a TCP port (0 for a free one)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """Read `[host]:port`. Raise ValueError."""
        match = ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError(f"{text!r} is not host:port or :port")
        return cls(match["v6"] or match["host"], int(match["port"]))

    def listen(self) -> socket.socket:
        """Return a socket that listens here, on IPv6 and IPv4 if no host is given. Raise OSError."""
        if not self.host and socket.has_dualstack_ipv6():
            return socket.create_server(
                ("::", self.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
            )
        info = socket.getaddrinfo(self.host or "0.0.0.0", self.port, type=socket.SOCK_STREAM)  # noqa: S104
        family, *_, address = info[0]
        return socket.create_server(address[:2], family=family, backlog=128)

    def url(self, port: int) -> str:
        """Return the URL to open when the socket has `port`."""
        host = "localhost" if self.host in UNSPECIFIED else self.host
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
