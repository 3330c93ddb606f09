"""What is known of a request once it is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

# Anything else is counted as one, so that a client cannot make up label values without end.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

UNMATCHED = "unmatched"

# Answers without a body, whatever their headers say (RFC 9110 section 6.4.1).
BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request was answered."""

    status: int
    size: int
    """Bytes of the body."""


Observer = Callable[[Answer], None]
OBSERVERS = web.RequestKey("answer_observers", list[Observer])


def setup_answers(app: web.Application) -> None:
    """Make `when_answered` work in `app`."""
    app.on_response_prepare.append(_on_prepare)


def when_answered(request: web.Request, response: web.StreamResponse | None, observer: Observer) -> None:
    """Call `observer` once the answer is known.

    A stream or WebSocket that has been sent by its route is known now. Any other answer gets its status and
    length only when its headers are made (a file may turn out unmodified or absent), after all middlewares.
    """
    if response is not None and response.prepared:
        observer(Answer(response.status, response.body_length))
        return
    request.setdefault(OBSERVERS, []).append(observer)


async def _on_prepare(request: web.Request, response: web.StreamResponse) -> None:
    observers = request.get(OBSERVERS)
    if observers:
        bodiless = request.method == "HEAD" or response.status in BODILESS
        answer = Answer(response.status, 0 if bodiless else response.content_length or 0)
        request[OBSERVERS] = []
        for observer in observers:
            observer(answer)


def method_of(request: web.Request) -> str:
    """Return the request's method, or OTHER for one that HTTP does not have."""
    return request.method if request.method in METHODS else "OTHER"


def route_of(request: web.Request) -> str:
    """Return the pattern of the route that serves the request, such as /ws/{roomId}."""
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical
