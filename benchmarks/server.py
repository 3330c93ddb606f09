"""Processes that a benchmark runs against: a server of its own, and somebody who sends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

START_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
_POLL = 0.05


class ProcessFailed(RuntimeError):  # noqa: N818
    """A process of the benchmark did not start; the message ends with what it printed."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    """http://host:port, without a path."""
    pid: int | None
    """Of the server process; None when it is not ours."""


def free_port(kind: socket.SocketKind) -> int:
    """A port of 127.0.0.1 that was free just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serve(
    settings: Mapping[str, str] | None = None, program: Sequence[str] | None = None
) -> AsyncIterator[Server]:
    """Run `chatter serve` on free ports and an empty data folder, and stop it at the end; `settings` are
    variables of its environment, `program` what is run in its place.

    Raises ProcessFailed.
    """
    port = free_port(socket.SOCK_STREAM)
    with tempfile.TemporaryDirectory(prefix="chatter-benchmark-") as folder:
        # Not the settings that may lie where the benchmark is started.
        file = Path(folder) / "settings.yaml"
        file.write_text("{}\n")
        environment = {
            "SERVER_ADDR": f"127.0.0.1:{port}",
            "MEDIA_PORT": str(free_port(socket.SOCK_DGRAM)),
            "DATA_DIR": folder,
            "CONFIG_PATH": str(file),
            "LOG_LEVEL": "warning",
            **(settings or {}),
        }
        async with process(program or chatter("serve"), environment, Path(folder) / "server.log") as (
            running,
            log,
        ):
            url = f"http://127.0.0.1:{port}"
            await _answers(f"{url}/health", running, log)
            yield Server(url, running.pid)


@asynccontextmanager
async def publisher(room: str, token: str) -> AsyncIterator[None]:
    """Run `chatter bot` with its test picture and tone in the room, in a process of its own.

    Raises ProcessFailed.
    """
    with tempfile.TemporaryDirectory(prefix="chatter-benchmark-") as folder:
        arguments = chatter("bot", room, "--token", token, "--pattern", "--name", "Publisher")
        async with process(arguments, {}, Path(folder) / "bot.log") as (running, log):
            await _prints("connected to the media server", running, log)
            yield


def chatter(*arguments: str) -> list[str]:
    """The command line of `chatter` with the interpreter that runs the benchmark."""
    return [sys.executable, "-m", "chatter.cli", *arguments]


@asynccontextmanager
async def process(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    """Run a program, with what it prints in `log`, and end it by its process id."""
    with log.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            *arguments,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield running, log
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await running.wait()
        except TimeoutError:
            running.kill()
            await running.wait()


async def _answers(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http, _patience(log):
        while True:
            _still_runs(process, log)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(url) as response:
                    if response.ok:
                        return
            await asyncio.sleep(_POLL)


async def _prints(line: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with _patience(log):
        while line not in _printed(log):
            _still_runs(process, log)
            await asyncio.sleep(_POLL)


@asynccontextmanager
async def _patience(log: Path) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(START_TIMEOUT):
            yield
    except TimeoutError:
        raise ProcessFailed(f"not ready within {START_TIMEOUT:g} s:\n{_printed(log)}") from None


def _still_runs(process: asyncio.subprocess.Process, log: Path) -> None:
    if process.returncode is not None:
        raise ProcessFailed(f"ended with {process.returncode}:\n{_printed(log)}")


def _printed(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
