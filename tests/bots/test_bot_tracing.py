import re
import time

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from bots.tracing import trace_parameters


def test_a_join_is_a_trace_of_its_own():
    first, second = trace_parameters(time.monotonic()), trace_parameters(time.monotonic())
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first["traceparent"])
    assert first["traceparent"] != second["traceparent"]
    assert re.fullmatch(r"chatter\.client=bot,chatter\.elapsed_ms=\d{1,3}", first["baggage"])


def test_a_span_that_runs_is_continued():
    span = NonRecordingSpan(SpanContext(0xAB, 0xCD, is_remote=False, trace_flags=TraceFlags(1)))
    with trace.use_span(span):
        parent = trace_parameters(0.0)["traceparent"]
    assert parent == f"00-{0xAB:032x}-{0xCD:016x}-01"
