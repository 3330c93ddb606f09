"""The container's health check: ask /health of the server that SERVER_ADDR says. Standard library alone."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

TIMEOUT = 4.0

# Addresses to listen on that are none to call.
UNSPECIFIED = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104


def health_url(server_addr: str) -> str:
    """Return the URL to ask, for a SERVER_ADDR such as `:8080` or `[::1]:9000`."""
    host, _, port = server_addr.rpartition(":")
    return f"http://{'127.0.0.1' if host in UNSPECIFIED else host}:{port}/health"


def main() -> int:
    """Return 0 where the server is well, else 1 with a sentence."""
    url = health_url(os.environ.get("SERVER_ADDR") or ":8080")
    # No proxy: it is this container that is asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT):
            return 0
    except (urllib.error.URLError, OSError) as exc:
        print(f"{url} does not answer: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
