"""Errors that a client is told, as JSON."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from auth.database import DatabaseUnavailableError

LOG = logging.getLogger(__name__)

HTTP_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    426: "upgrade_required",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}

# What is logged and counted when nobody is there to be answered any more (as nginx does).
CLIENT_GONE = 499


class ApiError(Exception):
    """A request that is refused with `status` and `{"error": {"code": …, "message": …}}`.

    `message` is a sentence that names what was wrong and what would be right.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """Return the JSON response that tells the client."""
        body = {"error": {"code": self.code, "message": self.message}}
        return web.json_response(body, status=self.status, headers=self.headers)


def wants_html(request: web.Request) -> bool:
    """Whether the client is a person's browser that opens a page, by its Accept header."""
    return "text/html" in request.headers.get("Accept", "")


def describe(request: web.Request, exc: web.HTTPException) -> ApiError:
    """Return aiohttp's own refusal of `request` as one of ours."""
    code = HTTP_CODES.get(exc.status, "request_failed")
    headers: dict[str, str] = {}
    match exc:
        case web.HTTPNotFound():
            message = f"There is nothing at {request.path}."
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(exc.allowed_methods))
            message = f"{request.path} takes {allowed}, not {request.method}."
            headers["Allow"] = allowed
        case web.HTTPRequestEntityTooLarge():
            message = "The body is too large."
        case _:
            message = f"{exc.reason}."
    return ApiError(exc.status, code, message, headers)


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal and every crash into a JSON answer; pages for people are rendered elsewhere."""
    try:
        return await handler(request)
    except ApiError as exc:
        return exc.response()
    except web.HTTPException as exc:
        if exc.status < 400 or wants_html(request):
            raise
        return describe(request, exc).response()
    except DatabaseUnavailableError as exc:
        LOG.error("The database is unavailable", extra={"reason": str(exc), "path": request.path})
        message = "The server cannot reach its database; try again in a few seconds."
        return ApiError(503, "database_unavailable", message, {"Retry-After": "5"}).response()
    except Exception as exc:
        if isinstance(exc, ConnectionError) and _is_gone(request):
            LOG.debug("The client went away", extra={"reason": str(exc), "path": request.path})
            return ApiError(CLIENT_GONE, "client_gone", "The client went away.").response()
        LOG.exception("The request failed", extra={"method": request.method, "path": request.path})
        message = "Something went wrong on the server; try again later."
        return ApiError(500, "internal_error", message).response()


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
