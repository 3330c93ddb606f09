"""Structured logs: one JSON object per line, or a readable console."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from observability.correlation import correlate, trace_fields
from observability.exchange import Answer, when_answered
from observability.redaction import redact

LogFormat = Literal["auto", "json", "console"]

ACCESS = logging.getLogger("chatter.access")

# Asked for every few seconds by machines.
QUIET_PATHS = frozenset({"/health", "/metrics"})

# Talkative about what is normal.
QUIET_LOGGERS = (
    "alembic",
    "asyncio",
    "sqlalchemy",
    "aioice",
    "aiortc",
    "opentelemetry",
    "urllib3",
    "aiosqlite",
)

Identify = Callable[[web.Request], tuple[int, str] | None]
Locate = Callable[[web.Request], str | None]


def configure_logging(level: str, log_format: LogFormat, stream: TextIO) -> None:
    """Send the logs of the whole process to `stream`; `auto` is console on a terminal, else JSON."""
    console = log_format == "console" or (log_format == "auto" and stream.isatty())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(make_formatter(console, stream.isatty()))
    root.addHandler(handler)
    root.setLevel(level.upper())
    server = logging.getLogger("aiohttp.server")
    if not any(isinstance(known, MalformedRequests) for known in server.filters):
        server.addFilter(MalformedRequests())
    # Loggers of structlog go the same way.
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            correlate,
            structlog.processors.TimeStamper(fmt="iso", utc=not console),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    _quieten(root.level)
    # It says with every batch what observability.export says once.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)


def set_level(level: str) -> None:
    """Change the level of the whole process: debug, info, warning or error."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    _quieten(root.level)


def _quieten(level: int) -> None:
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, level))


def get_level() -> str:
    """Return the level of the whole process, in lower case."""
    return logging.getLevelName(logging.getLogger().level).lower()


class MalformedRequests(logging.Filter):
    """Says in a line what aiohttp says in a traceback: that somebody sent what is not HTTP."""

    def filter(self, record: logging.LogRecord) -> bool:
        exc = record.exc_info[1] if record.exc_info else None
        if isinstance(exc, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = "A request was not HTTP", None
            record.reason = " ".join(exc.message.split())[:200]
            record.exc_info = None
            return logging.getLogger().isEnabledFor(logging.INFO)
        return True


def make_formatter(console: bool, colors: bool = False) -> logging.Formatter:
    """Return a formatter of standard log records; fields given as `extra` become fields of the line."""
    before: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        correlate,
        structlog.processors.TimeStamper(fmt="iso", utc=not console),
    ]
    if console:
        render: list[Any] = [_redact_event, structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)]
    else:
        render = [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            _redact_event,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


def logging_middleware(
    identify: Identify,
    clock: Callable[[], float] = time.perf_counter,
    address: Locate = lambda request: request.remote,
) -> Middleware:
    """Return a middleware that logs every answered request.

    `identify` tells the user, if one is known, and `address` where the client is: behind a proxy it is not
    who connected.
    """

    @web.middleware
    async def log(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in QUIET_PATHS:
            return await handler(request)
        start = clock()
        # The answer is observed when the span is no longer the current one.
        traced = trace_fields()

        def observe(answer: Answer) -> None:
            _log_request(request, answer, clock() - start, identify(request), address(request), traced)

        try:
            response = await handler(request)
        except web.HTTPException:
            when_answered(request, None, observe)
            raise
        when_answered(request, response, observe)
        return response

    return log


def _log_request(
    request: web.Request,
    answer: Answer,
    duration: float,
    user: tuple[int, str] | None,
    address: str | None,
    traced: dict[str, str],
) -> None:
    fields: dict[str, Any] = {
        "method": request.method,
        "path": request.path_qs,
        "status": answer.status,
        "bytes": answer.size,
        # Milliseconds.
        "duration": round(duration * 1000, 3),
        "remote_addr": address,
        **traced,
    }
    if user is not None:
        fields["userID"], fields["username"] = user
    level = logging.ERROR if answer.status >= 500 else logging.INFO
    ACCESS.log(level, "request", extra=redact(fields))


def _redact_event(_logger: Any, _name: str, event: Any) -> Any:
    return {
        key: value if key.startswith("_") or key == "exc_info" else redact({key: value})[key]
        for key, value in event.items()
    }
