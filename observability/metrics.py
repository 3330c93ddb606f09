"""Prometheus metrics of HTTP requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from observability.exchange import Answer, method_of, route_of, when_answered

LABELS = ("method", "path", "status")


class HttpMetrics(Collector):
    """Counts requests, their duration and the size of their answers, in a registry of the app's own."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` gives seconds."""
        self._registry = registry
        self._clock = clock
        self._texts: list[Callable[[], str]] = []
        # Requests, milliseconds and bytes by labels: methods, routes and statuses are few.
        self._sums: dict[tuple[str, str, str], tuple[int, float, int]] = {}
        registry.register(self)

    def middleware(self) -> Middleware:
        """Return the middleware that counts."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            start = self._clock()

            def observe(answer: Answer) -> None:
                self._add(request, answer, self._clock() - start)

            try:
                response = await handler(request)
            except web.HTTPException:
                when_answered(request, None, observe)
                raise
            when_answered(request, response, observe)
            return response

        return count

    async def expose(self, _request: web.Request) -> web.Response:
        """Answer GET /metrics."""
        body = generate_latest(self._registry) + "".join(text() for text in self._texts).encode()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def add_text(self, text: Callable[[], str]) -> None:
        """Expose also what `text` returns, in the text format."""
        self._texts.append(text)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the sums. The names end in _total when they are exposed."""
        requests = CounterMetricFamily("http_requests", "HTTP requests", labels=LABELS)
        duration = CounterMetricFamily(
            "http_request_duration_ms", "Milliseconds that HTTP requests took, summed up", labels=LABELS
        )
        size = CounterMetricFamily(
            "http_response_size_bytes", "Bytes of HTTP responses' bodies, summed up", labels=LABELS
        )
        for labels, (count, milliseconds, size_bytes) in self._sums.items():
            requests.add_metric(labels, count)
            duration.add_metric(labels, milliseconds)
            size.add_metric(labels, size_bytes)
        yield from (requests, duration, size)

    def _add(self, request: web.Request, answer: Answer, duration: float) -> None:
        labels = (method_of(request), route_of(request), str(answer.status))
        count, milliseconds, size = self._sums.get(labels, (0, 0.0, 0))
        self._sums[labels] = (count + 1, milliseconds + duration * 1000, size + answer.size)
