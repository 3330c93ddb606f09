"""A server, browsers and rooms for the tests with real processes."""

from __future__ import annotations

import asyncio
import secrets
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from bots.account import Account
from tests.system.browser import Person, launch_chromium, launch_firefox
from tests.system.conditions import until_equal
from tests.system.server import Server

LOG_LINES = 60
SERVERS = pytest.StashKey[list[Server]]()
FIGURES = pytest.StashKey[list[str]]()

MakeRoom = Callable[..., Awaitable[str]]
Arrive = Callable[..., Awaitable[Person]]
StartServer = Callable[..., Awaitable[Server]]
Figure = Callable[[str], None]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the servers' logs, and their media counters, with a failure."""
    report = yield
    if report.failed:
        for server in item.session.stash.get(SERVERS, []):
            lines = [line for line in server.log.splitlines() if '"chatter.access"' not in line][-LOG_LINES:]
            report.sections.append((f"log of {server.url}", "\n".join(lines)))
            report.sections.append((f"media of {server.url}", media_metrics(server)))
    return report


def media_metrics(server: Server) -> str:
    """Its counters and gauges of media that are not zero."""
    try:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=2) as reply:
            lines = reply.read().decode().splitlines()
    except OSError as error:
        return f"no answer: {error}"
    return "\n".join(line for line in lines if line.startswith("chatter_media") and not line.endswith(" 0.0"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the tests have measured."""
    figures = config.stash.get(FIGURES, [])
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Note a measurement, as a sentence; all are printed at the end."""
    return request.config.stash.setdefault(FIGURES, []).append


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def start_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StartServer]:
    """Start servers, which end with the session at the latest; then they must have no complaints."""
    servers: list[Server] = request.session.stash.setdefault(SERVERS, [])

    async def start(addr: str = "127.0.0.1:0", **settings: str) -> Server:
        folder: Path = tmp_path_factory.mktemp("server")
        server = Server(folder, settings, addr)
        servers.append(server)
        await server.start()
        return server

    yield start
    codes = await asyncio.gather(*(server.stop() for server in servers))
    assert codes == [0] * len(servers)
    assert [complaint for server in servers for complaint in server.complaints] == []


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def server(start_server: StartServer) -> Server:
    """The server that tests share which leave nothing behind; the compiled plane carries its media."""
    return await start_server(MEDIA_PLANE="fast")


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def host(server: Server) -> Account:
    """An account on the shared server."""
    return await Account.register(server.url, f"host-{secrets.token_hex(4)}", "correct horse")


@pytest_asyncio.fixture(loop_scope="session")
async def make_room(server: Server, host: Account) -> AsyncIterator[MakeRoom]:
    """Make rooms on the shared server, and hold that nothing of them stays when everybody has left."""
    yield host.create_room
    await until_equal(server.held, {}, "the server holds nothing any more", limit=10)
    assert server.complaints == []


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    browser = await launch_chromium(playwright)
    yield browser
    await browser.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def firefox(playwright: Playwright) -> AsyncIterator[Browser]:
    browser = await launch_firefox(playwright)
    yield browser
    await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def arrive(make_room: Any) -> AsyncIterator[Arrive]:
    """Let people come with browsers; at the end of the test they go, and their pages must not have failed.

    Before the rooms end: they see nobody stay behind.
    """
    people: list[Person] = []
    async with AsyncExitStack() as stack:

        async def come(browser: Browser, name: str, **options: Any) -> Person:
            person = await Person.arrive(browser, name, **options)
            people.append(person)
            stack.push_async_callback(person.context.close)
            return person

        yield come
    assert [failure for person in people for failure in person.failures] == []
