"""Puts what a log line belongs to on it: the trace, and whatever the task has bound (room, client)."""

from __future__ import annotations

from typing import Any

import structlog
from opentelemetry import trace


def trace_fields() -> dict[str, str]:
    """Return `trace_id` and `span_id` (hexadecimal) of the span that runs; nothing where none does."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(span.trace_id),
        "span_id": trace.format_span_id(span.span_id),
    }


def correlate(_logger: Any, _name: str, event: Any) -> Any:
    """Return `event` with what is bound to the task and the trace, where it does not say so itself."""
    return {**structlog.contextvars.get_contextvars(), **trace_fields(), **event}
