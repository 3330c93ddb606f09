"""Cross-origin requests (the Fetch standard, section 3.3): which other sites' pages may call the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from api.errors import ORIGIN_NOT_ALLOWED

METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Device-ID"
# Seconds that a browser may remember the answer to a preflight.
MAX_AGE = "600"


class Cors:
    """The allowed origins. `*` allows every page, but without cookies."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.lower() for origin in origins)

    def allows(self, origin: str) -> bool:
        """Whether pages of `origin` may call."""
        return "*" in self._origins or origin.lower() in self._origins

    def middleware(self) -> Middleware:
        """Return the middleware that answers preflights."""

        @web.middleware
        async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
            origin = request.headers.get("Origin")
            if (
                request.method != "OPTIONS"
                or not origin
                or "Access-Control-Request-Method" not in request.headers
            ):
                return await handler(request)
            if not self.allows(origin):
                message = f"Pages of {origin[:200]} may not call this server; add it to SERVER_CORS_ORIGINS."
                return ORIGIN_NOT_ALLOWED(message).response()
            return web.Response(
                status=204,
                headers={
                    "Access-Control-Allow-Methods": METHODS,
                    "Access-Control-Allow-Headers": HEADERS,
                    "Access-Control-Max-Age": MAX_AGE,
                },
            )

        return answer_preflight

    def on_prepare(self) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
        """Return the signal receiver that marks every answer, refusals included."""

        async def allow(request: web.Request, response: web.StreamResponse) -> None:
            response.headers.add("Vary", "Origin")
            origin = request.headers.get("Origin")
            if not origin or not self.allows(origin):
                return
            if origin.lower() in self._origins:
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Allow-Credentials"] = "true"
            else:
                response.headers["Access-Control-Allow-Origin"] = "*"

        return allow
