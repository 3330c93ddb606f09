"""Errors that a client is told, as problem details (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

LOG = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

# Where each code is explained, on this server.
DOCUMENTATION = "/docs#error-"

# What is logged and counted when nobody is there to be answered any more (as nginx does).
CLIENT_GONE = 499


@dataclass(frozen=True, slots=True)
class FieldError:
    """One part of a request that is wrong."""

    pointer: str
    """Where: a JSON pointer into the body (`#/username`), or `query:limit`, `header:X-Device-ID`,
    `path:roomId`."""
    detail: str
    """A sentence that names what was wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A kind of refusal, made once as a constant; called with a sentence it gives what is raised.

    raise USERNAME_TAKEN(f'The username "{name}" is taken; choose another one.')
    """

    status: int
    code: str
    """What programs tell it by; it never changes."""
    title: str
    """The same for all of its kind (RFC 9457 section 3.1.3)."""

    def __call__(
        self,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> ApiError:
        """Return the error of this kind. `detail` is a sentence that says what would be right."""
        return ApiError(self, detail, headers, errors)


class ApiError(Exception):
    """A request that is refused."""

    def __init__(
        self,
        kind: ErrorKind,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = tuple(errors)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status

    @property
    def code(self) -> str:
        """The code of its kind."""
        return self.kind.code

    def body(self) -> dict[str, object]:
        """Return the problem. `error` is the older form of the same, which clients may go on reading."""
        body: dict[str, object] = {
            "type": f"{DOCUMENTATION}{self.code}",
            "title": self.kind.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "error": {"code": self.code, "message": self.detail},
        }
        if self.errors:
            body["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in self.errors]
        return body

    def response(self) -> web.Response:
        """Return the answer that tells the client."""
        response = web.json_response(self.body(), status=self.status, headers=self.headers)
        response.content_type = PROBLEM_JSON
        # It may depend on who asks, and on what is true for now only.
        response.headers.setdefault("Cache-Control", "no-store")
        return response


BAD_REQUEST = ErrorKind(400, "bad_request", "The request cannot be understood")
INVALID_JSON = ErrorKind(400, "invalid_json", "The body is not JSON")
INVALID_BODY = ErrorKind(400, "invalid_body", "The body is not a JSON object")
INVALID_REQUEST = ErrorKind(400, "invalid_request", "A part of the request is not allowed")
INVALID_CURSOR = ErrorKind(400, "invalid_cursor", "The cursor is not one of this list")
FORBIDDEN = ErrorKind(403, "forbidden", "Not allowed")
ORIGIN_NOT_ALLOWED = ErrorKind(403, "origin_not_allowed", "Pages of this site may not call the server")
CROSS_SITE_REQUEST = ErrorKind(403, "cross_site_request", "The page of another site sent this")
NOT_FOUND = ErrorKind(404, "not_found", "There is nothing here")
METHOD_NOT_ALLOWED = ErrorKind(405, "method_not_allowed", "The address does not take this method")
BODY_TOO_SLOW = ErrorKind(408, "body_too_slow", "The body did not come in time")
BODY_TOO_LARGE = ErrorKind(413, "body_too_large", "The body is too large")
UNSUPPORTED_MEDIA_TYPE = ErrorKind(415, "unsupported_media_type", "The body is of another type")
UPGRADE_REQUIRED = ErrorKind(426, "upgrade_required", "This is a WebSocket")
RATE_LIMITED = ErrorKind(429, "rate_limited", "Too many requests")
GONE = ErrorKind(CLIENT_GONE, "client_gone", "The client went away")
INTERNAL_ERROR = ErrorKind(500, "internal_error", "Something went wrong on the server")
UNAVAILABLE = ErrorKind(503, "unavailable", "The server cannot do this for now")

# What any address may answer; the others are named by the routes that raise them.
GENERAL = (
    BAD_REQUEST,
    ORIGIN_NOT_ALLOWED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    BODY_TOO_LARGE,
    INTERNAL_ERROR,
)

_OF_AIOHTTP = {
    kind.status: kind
    for kind in (
        BAD_REQUEST,
        FORBIDDEN,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        UPGRADE_REQUIRED,
        RATE_LIMITED,
        INTERNAL_ERROR,
        UNAVAILABLE,
    )
}


def wants_html(request: web.Request) -> bool:
    """Whether the client is a person's browser that opens a page, by its Accept header."""
    return "text/html" in request.headers.get("Accept", "")


def describe(request: web.Request, exc: web.HTTPException) -> ApiError:
    """Return aiohttp's own refusal of `request` as one of ours."""
    kind = _OF_AIOHTTP.get(exc.status)
    if kind is None:
        kind = ErrorKind(exc.status, "request_failed", "The request was refused")
    match exc:
        case web.HTTPNotFound():
            return kind(f"There is nothing at {request.path}.")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(exc.allowed_methods))
            return kind(f"{request.path} takes {allowed}, not {request.method}.", {"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            return kind("The body is too large.")
    return kind(f"{exc.reason or HTTPStatus(exc.status).phrase}.")


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal and every crash into a problem; pages for people are rendered elsewhere."""
    try:
        return await handler(request)
    except ApiError as exc:
        return exc.response()
    except web.HTTPException as exc:
        if exc.status < 400 or wants_html(request):
            raise
        return describe(request, exc).response()
    except Exception as exc:
        if isinstance(exc, ConnectionError) and _is_gone(request):
            LOG.debug("The client went away", extra={"reason": str(exc), "path": request.path})
            return GONE("The client went away.").response()
        LOG.exception("The request failed", extra={"method": request.method, "path": request.path})
        return INTERNAL_ERROR("Something went wrong on the server; try again later.").response()


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
