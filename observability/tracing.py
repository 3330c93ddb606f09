"""OpenTelemetry: a span for every request, exported by OTLP over HTTP where an endpoint is configured."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from observability.exchange import Answer, method_of, route_of, when_answered
from observability.redaction import redact_text

# Spans waiting for export; more are dropped, as a collector that is away must not fill the memory.
MAX_QUEUE = 2048
MAX_BATCH = 512
EXPORT_TIMEOUT_SECONDS = 5
SCHEDULE_MS = 2000


class Tracing:
    """The tracer of one app."""

    def __init__(self, service_name: str, processor: SpanProcessor | None = None) -> None:
        """Without `processor` the spans go nowhere."""
        # The exit is ours to time: see `close`.
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service_name}), shutdown_on_exit=False
        )
        if processor is not None:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("chatter.http")
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def to_endpoint(cls, service_name: str, endpoint: str) -> Tracing:
        """Export to the OTLP/HTTP collector at `endpoint`, for instance http://tempo:4318."""
        exporter = OTLPSpanExporter(
            endpoint=endpoint.rstrip("/") + "/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS
        )
        processor = BatchSpanProcessor(
            exporter,
            max_queue_size=MAX_QUEUE,
            max_export_batch_size=MAX_BATCH,
            schedule_delay_millis=SCHEDULE_MS,
            export_timeout_millis=EXPORT_TIMEOUT_SECONDS * 1000,
        )
        return cls(service_name, processor)

    def middleware(self) -> Middleware:
        """Return the middleware that makes a span for every request."""

        @web.middleware
        async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = route_of(request)
            span = self._tracer.start_span(
                f"{method_of(request)} {route}",
                context=self._propagator.extract(request.headers),
                kind=SpanKind.SERVER,
                attributes={
                    "http.method": request.method,
                    "http.route": route,
                    "http.target": redact_text(request.path_qs),
                },
            )

            def observe(answer: Answer) -> None:
                span.set_attribute("http.status_code", answer.status)
                if answer.status >= 500:
                    span.set_status(Status(StatusCode.ERROR))
                span.end()

            try:
                with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                    response = await handler(request)
            except web.HTTPException:
                when_answered(request, None, observe)
                raise
            except BaseException:
                span.end()
                raise
            when_answered(request, response, observe)
            return response

        return trace_request

    def close(self) -> None:
        """Export what is waiting and stop. It blocks for as long as the export takes."""
        self._provider.shutdown()
