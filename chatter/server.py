"""Runs the app until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket

from aiohttp import web

from api.address import PROXIES
from chatter.address import ListenAddress
from chatter.app import DRAIN, MEDIA, REGISTRY, create_app
from chatter.errors import StartError
from chatter.gate import Doorkeeper, Gate
from chatter.settings import Settings

# Seconds that open requests may take to end, and that everything together may take.
SHUTDOWN_TIMEOUT = 5.0
STOP_TIMEOUT = 20.0

LOG = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Serve until told to stop. Raise StartError.

    SIGTERM, or an operator, drains: running calls may go on for a while, and another signal ends them. SIGINT
    ends them at once. A signal while everything is being ended ends the process.
    """
    signals = Signals(asyncio.get_running_loop())
    listener = listen(settings.server.address)
    server: asyncio.Server | None = None
    try:
        # The app reports its requests itself.
        runner = web.AppRunner(create_app(settings), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
        try:
            await runner.setup()
            handlers = runner.server
            assert handlers is not None
            gate = Gate(
                settings.server.max_connections_per_address, runner.app[PROXIES], runner.app[REGISTRY]
            )
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: Doorkeeper(gate, handlers), sock=listener)
            announce(settings, listener.getsockname()[1], runner.app[MEDIA].server.port)
            drain = runner.app[DRAIN]
            await first_of(signals.asked, drain.started)
            # From here on a signal is the second one.
            signals.asked.set()
            if signals.gently or drain.begun:
                drain.begin()
                await drain.wait(signals.hurry)
            LOG.info("Stopping")
        finally:
            signals.ending = True
            if server is not None:
                server.close()
            await _clean_up(runner)
    finally:
        listener.close()


def listen(address: ListenAddress) -> socket.socket:
    """Return the listening socket. Raise StartError."""
    try:
        return address.listen()
    except OSError as exc:
        where = f"TCP port {address.port} (SERVER_ADDR, --addr)"
        if exc.errno == errno.EADDRINUSE:
            raise StartError(
                f"{where} is in use: stop the program that has it, or choose another one."
            ) from None
        raise StartError(
            f"{where} cannot be had on {address.host or 'all addresses'}: {exc.strerror or exc}."
        ) from None


def announce(settings: Settings, port: int, media_port: int) -> None:
    """Tell the operator where to go."""
    print(f"Chatter is ready: {settings.server.address.url(port)}", flush=True)
    print(f"Media: UDP port {media_port}", flush=True)


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class Signals:
    """What the operator has asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self.gently = False
        self.ending = False
        """Calls are being ended: there is nothing left to ask for but the end of the process."""
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._received, number)

    def _received(self, number: signal.Signals) -> None:
        if self.ending or self.hurry.is_set():
            os._exit(1)
        if self.asked.is_set() or number is signal.SIGINT:
            self.hurry.set()
        else:
            self.gently = True
        self.asked.set()


async def _clean_up(runner: web.AppRunner) -> None:
    try:
        await asyncio.wait_for(runner.cleanup(), STOP_TIMEOUT)
    except TimeoutError:
        LOG.error("Stopping took longer than %s s: ended at once", STOP_TIMEOUT)
        os._exit(1)
