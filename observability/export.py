"""What became of spans on their way to the collector."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

LOG = logging.getLogger(__name__)


class CountedExporter(SpanExporter):
    """Passes spans on, counts them, and says once when the collector goes and when it is back."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        """`endpoint` is what the log names."""
        self._exporter = exporter
        self._endpoint = endpoint
        self._failing = False
        self.exported = 0
        self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export on the exporter's own thread; what fails is gone."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
            if self._failing:
                LOG.info("Traces are exported again", extra={"endpoint": self._endpoint})
            self._failing = False
            return result
        self.failed += len(spans)
        if not self._failing:
            LOG.warning("Traces cannot be exported and are dropped", extra={"endpoint": self._endpoint})
        self._failing = True
        return result

    def shutdown(self) -> None:
        """Stop waiting for the collector."""
        self._exporter.shutdown()


class EndedSpans(SpanProcessor):
    """Counts spans that were to be exported."""

    def __init__(self) -> None:
        self.count = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: it has no end yet."""

    def on_end(self, span: ReadableSpan) -> None:
        """Count it."""
        self.count += 1


class ExportMetrics(Collector):
    """`ended` less `exported` less `failed` wait in the queue or were dropped from it when it was full."""

    def __init__(self, ended: EndedSpans, exporter: CountedExporter) -> None:
        self._ended = ended
        self._exporter = exporter

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Yield the family without figures."""
        yield CounterMetricFamily(
            "chatter_spans", "Spans of traces by what became of them", labels=["result"]
        )

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counts."""
        family = CounterMetricFamily(
            "chatter_spans", "Spans of traces by what became of them", labels=["result"]
        )
        family.add_metric(["ended"], self._ended.count)
        family.add_metric(["exported"], self._exporter.exported)
        family.add_metric(["failed"], self._exporter.failed)
        yield family
