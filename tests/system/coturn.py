"""A real TURN server: coturn with the settings of deploy/, on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.system.conditions import until

SETTINGS = Path(__file__).parents[2] / "deploy" / "coturn" / "turnserver.conf"
STOP_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Coturn:
    """Where it is, and the secret that it shares with Chatter."""

    port: int
    secret: str
    log: Path

    @property
    def urls(self) -> str:
        """For TURN_URLS."""
        return ",".join(f"turn:127.0.0.1:{self.port}?transport={way}" for way in ("udp", "tcp"))


@asynccontextmanager
async def coturn(folder: Path, secret: str) -> AsyncIterator[Coturn]:
    """Run it; what it logs is in the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "coturn.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "turnserver",
            *("-c", str(SETTINGS), "--static-auth-secret", secret),
            *("--listening-port", str(port), "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"),
            # On loopback, which it refuses by itself otherwise.
            *("--allow-loopback-peers", "--no-tls", "--no-dtls", "--verbose"),
            *("--pidfile", str(folder / "coturn.pid"), "--db", str(folder / "turndb")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    async def listens() -> bool:
        assert process.returncode is None, log.read_text(errors="replace")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await until(listens, "coturn listens")
        yield Coturn(port, secret, log)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
