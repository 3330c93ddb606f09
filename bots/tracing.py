"""The trace that a bot's join belongs to (W3C Trace Context and Baggage)."""

from __future__ import annotations

import secrets
import time

from opentelemetry import trace


def trace_parameters(began: float) -> dict[str, str]:
    """Return the parameters `traceparent` and `baggage` of a join that the caller began at `began` (seconds
    of time.monotonic()).

    A span of OpenTelemetry that runs is continued; otherwise the join is a trace of its own.
    """
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        parent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    else:
        parent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    elapsed = round((time.monotonic() - began) * 1000)
    return {"traceparent": parent, "baggage": f"chatter.client=bot,chatter.elapsed_ms={elapsed}"}
