import asyncio
import io
import json
import logging
import sys

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer

from observability.logs import (
    ACCESS,
    configure_logging,
    get_level,
    logging_middleware,
    make_formatter,
    set_level,
)
from observability.tracing import Tracing


@pytest.fixture
def lines():
    """Attach JSON handlers, and return what is written so far as objects."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(make_formatter(console=False))
    logger = logging.getLogger("chatter")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
async def logged(observed_app, clock):
    app = observed_app(
        logging_middleware(lambda request: (7, "alice") if "X-User" in request.headers else None, clock)
    )
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_request_is_one_line_of_json(logged, lines):
    await logged.get("/rooms/a?token=secret&resume=secret&x=1", headers={"X-User": "1"})
    (line,) = lines()
    assert line.pop("timestamp")
    assert line == {
        "level": "info",
        "logger": "chatter.access",
        "message": "request",
        "method": "GET",
        "path": "/rooms/a?token=[redacted]&resume=[redacted]&x=1",
        "status": 200,
        "bytes": 5,
        "duration": 250,
        "remote_addr": "127.0.0.1",
        "userID": 7,
        "username": "alice",
    }


async def test_a_request_of_nobody_names_nobody(logged, lines):
    await logged.get("/rooms/a")
    (line,) = lines()
    assert "userID" not in line
    assert "username" not in line


@pytest.mark.parametrize("path", ["/health", "/metrics"])
async def test_machines_are_not_logged(logged, lines, path):
    await logged.get(path)
    assert lines() == []


@pytest.mark.parametrize(
    ("path", "status", "level"),
    [("/refused", 403, "info"), ("/nothing", 404, "info"), ("/crash", 500, "error"), ("/file", 200, "info")],
)
async def test_refusals_and_crashes_are_logged(logged, lines, path, status, level):
    await logged.get(path)
    (line,) = lines()
    assert (line["path"], line["status"], line["level"]) == (path, status, level)


async def test_a_websocket_is_logged_when_it_ends(logged, lines):
    async with logged.ws_connect("/ws/a?token=secret") as ws:
        await ws.receive()
        assert lines() == []
    async with asyncio.timeout(5):
        while not lines():
            await logged.get("/health")
    (line,) = lines()
    assert (line["path"], line["status"]) == ("/ws/a?token=[redacted]", 101)


def format_one(console, message, exc_info=None, **extra):
    record = ACCESS.makeRecord("chatter", logging.ERROR, "f", 1, message, (), exc_info, extra=extra)
    return make_formatter(console).format(record)


def test_a_traceback_is_one_field_without_secrets():
    try:
        raise ValueError("no good: /ws/a?token=secret")
    except ValueError:
        line = format_one(False, "It broke", sys.exc_info())
    parsed = json.loads(line)
    assert parsed["message"] == "It broke"
    assert parsed["exception"].endswith("ValueError: no good: /ws/a?token=[redacted]")


@pytest.fixture
def process_logs():
    """Logging of the whole process into a text, put back at the end."""
    root, server, access = map(logging.getLogger, (None, "aiohttp.server", "aiohttp.access"))
    handlers, level, filters = root.handlers[:], root.level, (server.filters[:], access.filters[:])
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    server.filters[:], access.filters[:] = filters
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(("level", "count"), [("info", 1), ("warning", 0)])
@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"],
)
async def test_what_is_not_http_costs_a_line_at_most(logged, process_logs, level, count, sent):
    configure_logging(level, "json", process_logs)
    # The test server's own.
    logging.getLogger("aiohttp.access").addFilter(lambda record: False)
    reader, writer = await asyncio.open_connection(logged.host, logged.port)
    writer.write(sent)
    assert (await asyncio.wait_for(reader.read(100), 10)).startswith(b"HTTP/1.0 400")
    writer.close()
    written = [json.loads(line) for line in process_logs.getvalue().splitlines()]
    assert [(line["level"], line["message"]) for line in written] == [
        ("info", "A request was not HTTP")
    ] * count
    assert all(len(line["reason"]) <= 200 for line in written)


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_loggers_of_both_kinds_go_the_same_way(process_logs, log_format):
    configure_logging("info", log_format, process_logs)
    logging.getLogger("chatter").info("one", extra={"room": "a"})
    structlog.get_logger("sfu").warning("two", room="b", token="secret")
    structlog.get_logger("sfu").debug("three")
    written = [json.loads(line) for line in process_logs.getvalue().splitlines()]
    assert [(line["level"], line["logger"], line["message"], line["room"]) for line in written] == [
        ("info", "chatter", "one", "a"),
        ("warning", "sfu", "two", "b"),
    ]
    assert written[1]["token"] == "[redacted]"


def test_the_console_is_readable_and_keeps_secrets_too():
    line = format_one(True, "request", path="/ws/a?token=secret", authorization="Bearer x", status=200)
    assert "request" in line
    assert "status=200" in line
    assert "secret" not in line
    assert "Bearer x" not in line


async def test_a_request_is_logged_with_its_trace(observed_app, lines):
    tracing = Tracing("chatter")
    app = observed_app(tracing.middleware(), logging_middleware(lambda request: None))
    async with TestClient(TestServer(app)) as client:
        await client.get("/rooms/a", headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
        await client.get("/nothing", headers={"traceparent": f"00-{'3' * 32}-{'2' * 16}-01"})
    first, second = lines()
    assert (first["trace_id"], second["trace_id"]) == ("1" * 32, "3" * 32)
    assert len(first["span_id"]) == 16


def test_what_a_task_is_about_is_on_every_line(process_logs):
    configure_logging("info", "json", process_logs)
    with structlog.contextvars.bound_contextvars(room="a", client="ann"):
        logging.getLogger("signaling").info("one")
        structlog.get_logger("sfu").info("two", client="bob")
    logging.getLogger("signaling").info("three")
    one, two, three = [json.loads(line) for line in process_logs.getvalue().splitlines()]
    assert (one["room"], one["client"]) == ("a", "ann")
    # What a line says itself goes before.
    assert (two["room"], two["client"]) == ("a", "bob")
    assert "room" not in three


def test_the_level_changes_while_it_runs(process_logs):
    configure_logging("warning", "json", process_logs)
    assert get_level() == "warning"
    set_level("debug")
    logging.getLogger("chatter").debug("seen")
    structlog.get_logger("sfu").debug("seen too")
    logging.getLogger("aiortc").debug("still too talkative")
    assert get_level() == "debug"
    assert [json.loads(line)["message"] for line in process_logs.getvalue().splitlines()] == [
        "seen",
        "seen too",
    ]
