"""OpenTelemetry: a span for every request and for what is recorded afterwards, exported by OTLP over HTTP
where an endpoint is configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client.registry import Collector

from observability.exchange import Answer, method_of, route_of, when_answered
from observability.export import CountedExporter, EndedSpans, ExportMetrics
from observability.redaction import redact_text

# Spans waiting for export; more are dropped, as a collector that is away must not fill the memory.
MAX_QUEUE = 2048
MAX_BATCH = 512
EXPORT_TIMEOUT_SECONDS = 5
SCHEDULE_MS = 2000

# A browser cannot set headers of a WebSocket's request: there the address carries them.
PARAMETERS = ("traceparent", "tracestate", "baggage")
MAX_PARAMETER = 512


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span that is over, with those inside it. Times are seconds since 1970."""

    name: str
    begin: float
    end: float
    attributes: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False
    children: tuple[SpanRecord, ...] = ()


class Tracing:
    """The tracer of one app."""

    def __init__(self, service_name: str, *processors: SpanProcessor) -> None:
        """Without `processors` the spans go nowhere."""
        self.collector: Collector | None = None
        """Metrics of the export, where there is one."""
        # The exit is ours to time: see `close`.
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service_name}), shutdown_on_exit=False
        )
        for processor in processors:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("chatter")
        self._propagator = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])

    @classmethod
    def to_endpoint(cls, service_name: str, endpoint: str) -> Tracing:
        """Export to the OTLP/HTTP collector at `endpoint`, for instance http://tempo:4318.

        A thread of its own exports; what the collector does not take in time is dropped.
        """
        address = endpoint.rstrip("/") + "/v1/traces"
        exporter = CountedExporter(
            OTLPSpanExporter(endpoint=address, timeout=EXPORT_TIMEOUT_SECONDS), address
        )
        processor = BatchSpanProcessor(
            exporter,
            max_queue_size=MAX_QUEUE,
            max_export_batch_size=MAX_BATCH,
            schedule_delay_millis=SCHEDULE_MS,
            export_timeout_millis=EXPORT_TIMEOUT_SECONDS * 1000,
        )
        ended = EndedSpans()
        tracing = cls(service_name, ended, processor)
        tracing.collector = ExportMetrics(ended, exporter)
        return tracing

    def middleware(self) -> Middleware:
        """Return the middleware that makes a span for every request.

        The request continues the trace that its headers `traceparent` and `tracestate` name (W3C Trace
        Context) and carries the `baggage` (W3C Baggage); a request for a WebSocket may have them as
        parameters of its address.
        """

        @web.middleware
        async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = route_of(request)
            parent = self._propagator.extract(_carrier(request))
            span = self._tracer.start_span(
                f"{method_of(request)} {route}",
                context=parent,
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

            token = context.attach(trace.set_span_in_context(span, parent))
            try:
                response = await handler(request)
            except web.HTTPException:
                when_answered(request, None, observe)
                raise
            except BaseException:
                span.end()
                raise
            finally:
                context.detach(token)
            when_answered(request, response, observe)
            return response

        return trace_request

    def record(self, record: SpanRecord, parent: SpanContext) -> None:
        """Make a span, and those inside it, of what is over. Below `parent`, where it is valid."""
        within = (
            trace.set_span_in_context(NonRecordingSpan(parent), context.Context())
            if parent.is_valid
            else context.Context()
        )
        self._record(record, within)

    def _record(self, record: SpanRecord, within: context.Context) -> None:
        span = self._tracer.start_span(
            record.name, context=within, attributes=record.attributes, start_time=_nanoseconds(record.begin)
        )
        inside = trace.set_span_in_context(span, within)
        for child in record.children:
            self._record(child, inside)
        if record.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(record.end))

    def close(self) -> None:
        """Export what is waiting and stop. It blocks for as long as the export takes."""
        self._provider.shutdown()


def _carrier(request: web.Request) -> Mapping[str, str]:
    carrier = {name: value for name in PARAMETERS if (value := request.headers.get(name))}
    if not carrier and request.headers.get("Upgrade", "").lower() == "websocket":
        carrier = {name: value[:MAX_PARAMETER] for name in PARAMETERS if (value := request.query.get(name))}
    return carrier


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
