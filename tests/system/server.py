"""A Chatter server in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.system.conditions import until

START_LIMIT = 30.0
STOP_LIMIT = 25.0

_READY = re.compile(r"^Chatter is ready: (\S+)$", re.MULTILINE)
_MEDIA = re.compile(r"^Media: UDP port (\d+)$", re.MULTILINE)

# Of whoever runs the tests: none of it is for the server.
_FOREIGN = re.compile(r"(SERVER|AUTH|DATABASE|POSTGRES|REDIS|DATA|MEDIA|ROOMS|WEBHOOKS|LOG|OTEL|CONFIG)_.*")


class Server:
    """`chatter serve` on free ports of loopback with a data folder of its own."""

    def __init__(self, folder: Path, settings: Mapping[str, str], addr: str = "127.0.0.1:0") -> None:
        """`settings` are environment variables."""
        self.folder = folder
        self.url = ""
        self.media_port = 0
        self._addr = addr
        self._port = "0"
        self._settings = dict(settings)
        self._starts = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What all processes of this server wrote."""
        paths = sorted(self.folder.glob("server-*.log"))
        return "\n".join(path.read_text(errors="replace") for path in paths)

    @property
    def complaints(self) -> list[str]:
        """What the server logged as errors, and what was no log line at all."""
        lines = [line for line in self.log.splitlines() if line and not line.startswith(("Chatter", "Media"))]
        return [line for line in lines if _level(line) not in ("debug", "info", "warning")]

    async def start(self) -> None:
        """Start it; again, it gets the ports that it had."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "settings.yaml"
        settings.write_text("{}\n")
        environment = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
        environment |= {
            "CONFIG_PATH": str(settings),
            "DATA_DIR": str(self.folder / "data"),
            "AUTH_BCRYPT_ROUNDS": "4",
            "LOG_FORMAT": "json",
            **self._settings,
        }
        self._starts += 1
        path = self.folder / f"server-{self._starts}.log"
        arguments = ["serve", "--addr", self._addr, "--media-port", self._port]
        with path.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "chatter.cli",
                *arguments,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

        async def announced() -> tuple[str, str] | None:
            text = path.read_text(errors="replace")
            assert self._process is not None
            assert self._process.returncode is None, f"the server ended:\n{text}"
            ready, media = _READY.search(text), _MEDIA.search(text)
            return (ready[1], media[1]) if ready and media else None

        self.url, self._port = await until(announced, "the server is ready", limit=START_LIMIT)
        self.media_port = int(self._port)
        self._addr = self.url.removeprefix("http://")

    async def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it without asking."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_LIMIT):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    async def metrics(self) -> dict[str, float]:
        """What /metrics says: name, or name:label of the last label → value."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as reply:
            text = await reply.text()
        return {
            ":".join((sample.name, *list(sample.labels.values())[-1:])): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def held(self) -> dict[str, float]:
        """What is held for people at the moment, in rooms and in the media server; empty where nothing is."""
        return {
            name: value
            for name, value in (await self.metrics()).items()
            if value and (name == "chatter_participants" or name.startswith("chatter_media_held:"))
        }

    async def drops(self) -> dict[str, float]:
        """Datagrams and packets that went no further, by reason."""
        prefix = "chatter_media_drops_total:"
        return {n.removeprefix(prefix): v for n, v in (await self.metrics()).items() if n.startswith(prefix)}


def _level(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return "unreadable"
    return str(entry.get("level", "unknown")).lower() if isinstance(entry, dict) else "unreadable"
