import asyncio
import logging
import threading
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry import baggage, trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry

from observability.export import CountedExporter, EndedSpans
from observability.tracing import SpanRecord, Tracing

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
async def traced(observed_app, exporter):
    tracing = Tracing("chatter-test", SimpleSpanProcessor(exporter))
    async with TestClient(TestServer(observed_app(tracing.middleware()))) as client:
        yield client
    tracing.close()


@pytest.mark.parametrize(
    ("path", "route", "target", "status", "outcome"),
    [
        ("/rooms/a?x=1", "/rooms/{room}", "/rooms/a?x=1", 200, StatusCode.UNSET),
        ("/rooms/a?token=abc", "/rooms/{room}", "/rooms/a?token=[redacted]", 200, StatusCode.UNSET),
        ("/refused", "/refused", "/refused", 403, StatusCode.UNSET),
        ("/nothing", "unmatched", "/nothing", 404, StatusCode.UNSET),
        ("/crash", "/crash", "/crash", 500, StatusCode.ERROR),
    ],
)
async def test_a_request_is_a_span(traced, exporter, path, route, target, status, outcome):
    await traced.get(path)
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes) == {
        "http.method": "GET",
        "http.route": route,
        "http.target": target,
        "http.status_code": status,
    }
    assert (span.name, span.kind, span.status.status_code) == (f"GET {route}", SpanKind.SERVER, outcome)
    assert span.resource.attributes["service.name"] == "chatter-test"


async def test_a_trace_goes_on_from_the_client(traced, exporter):
    await traced.get("/health", headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    (span,) = exporter.get_finished_spans()
    assert (span.context.trace_id, span.parent.span_id) == (int("1" * 32, 16), int("2" * 16, 16))


async def test_the_span_is_current_while_the_request_is_served(exporter, observed_app):
    tracing = Tracing("chatter", SimpleSpanProcessor(exporter))
    app = observed_app(tracing.middleware())
    seen = []

    async def look(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        seen.append(trace.get_current_span().get_span_context().span_id)
        return web.Response()

    app.router.add_get("/look", look)
    async with TestClient(TestServer(app)) as client:
        await client.get("/look")
    assert seen == [exporter.get_finished_spans()[0].context.span_id]


async def test_exports_to_an_endpoint(observed_app):
    received = asyncio.Queue()

    async def collect(request: web.Request) -> web.Response:
        received.put_nowait(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response()

    collector = web.Application()
    collector.router.add_post("/v1/traces", collect)
    async with TestServer(collector) as server:
        tracing = Tracing.to_endpoint("chatter", str(server.make_url("/")))
        async with TestClient(TestServer(observed_app(tracing.middleware()))) as client:
            await client.get("/rooms/a")
        await asyncio.to_thread(tracing.close)
    (resource,) = received.get_nowait().resource_spans
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["GET /rooms/{room}"]


async def test_a_collector_that_is_away_holds_nothing_up(observed_app, unused_tcp_port):
    tracing = Tracing.to_endpoint("chatter", f"http://127.0.0.1:{unused_tcp_port}")
    async with TestClient(TestServer(observed_app(tracing.middleware()))) as client:
        assert (await client.get("/rooms/a")).status == 200
    start = time.monotonic()
    await asyncio.to_thread(tracing.close)
    assert time.monotonic() - start < 7


@pytest.mark.parametrize(
    ("headers", "query", "trace_id"),
    [
        ({"Upgrade": "websocket"}, f"traceparent=00-{'1' * 32}-{'2' * 16}-01", "1" * 32),
        (
            {"Upgrade": "WebSocket", "traceparent": f"00-{'3' * 32}-{'2' * 16}-01"},
            f"traceparent=00-{'1' * 32}-{'2' * 16}-01",
            "3" * 32,
        ),
        # Only where headers cannot be had.
        ({}, f"traceparent=00-{'1' * 32}-{'2' * 16}-01", None),
        ({"Upgrade": "websocket"}, "traceparent=nonsense&baggage=%00%ff", None),
        ({"Upgrade": "websocket"}, f"traceparent={'0' * 4000}", None),
    ],
)
async def test_a_websocket_brings_its_trace_in_its_address(traced, exporter, headers, query, trace_id):
    await traced.get(f"/rooms/a?{query}", headers=headers)
    (span,) = exporter.get_finished_spans()
    if trace_id is None:
        assert span.parent is None
    else:
        assert f"{span.context.trace_id:032x}" == trace_id


async def test_baggage_is_there_while_the_request_is_served_and_not_afterwards(observed_app):
    tracing = Tracing("chatter")
    app = observed_app(tracing.middleware())
    seen = []

    async def look(request: web.Request) -> web.Response:
        seen.append(dict(baggage.get_all()))
        return web.Response()

    app.router.add_get("/look", look)
    async with TestClient(TestServer(app)) as client:
        await client.get("/look", headers={"baggage": "chatter.client=bot, x=1"})
        await client.get("/look")
    assert seen == [{"chatter.client": "bot", "x": "1"}, {}]


def test_what_is_over_is_recorded_with_its_own_times(exporter):
    tracing = Tracing("chatter", SimpleSpanProcessor(exporter))
    tracing.record(
        SpanRecord("outer", 10.0, 12.5, {"a": "b"}, failed=True, children=(SpanRecord("inner", 11.0, 12.0),)),
        trace.INVALID_SPAN_CONTEXT,
    )
    inner, outer = exporter.get_finished_spans()
    assert (outer.start_time, outer.end_time, outer.parent) == (10_000_000_000, 12_500_000_000, None)
    assert (inner.start_time, inner.parent.span_id) == (11_000_000_000, outer.context.span_id)
    assert (dict(outer.attributes), outer.status.status_code) == ({"a": "b"}, StatusCode.ERROR)


class Collector(SpanExporter):
    """Takes spans, refuses them, or hangs until it is let go."""

    def __init__(self):
        self.result = SpanExportResult.SUCCESS
        self.free = threading.Event()
        self.free.set()
        self.batches = []

    def export(self, spans):
        self.free.wait(10)
        self.batches.append(len(spans))
        return self.result

    def shutdown(self):
        self.free.set()


def test_a_collector_that_hangs_costs_neither_time_nor_memory():
    collector = Collector()
    collector.free.clear()
    ended, exporter = EndedSpans(), CountedExporter(collector, "http://tempo")
    processor = BatchSpanProcessor(
        exporter, max_queue_size=64, max_export_batch_size=16, schedule_delay_millis=1
    )
    tracing = Tracing("chatter", ended, processor)
    for number in range(1000):
        tracing.record(SpanRecord("s", number, number + 1), trace.INVALID_SPAN_CONTEXT)
    # None of the thousand waited: nothing has come through yet.
    assert (ended.count, collector.batches) == (1000, [])
    collector.free.set()
    tracing.close()
    # What the hanging export held, and what the queue had room for.
    assert exporter.exported == sum(collector.batches) <= 64 + 16


def test_a_collector_that_comes_and_goes_is_two_lines(caplog):
    caplog.set_level(logging.INFO)
    collector = Collector()
    exporter = CountedExporter(collector, "http://tempo")
    for result in (FAILURE, FAILURE, SUCCESS, SUCCESS, FAILURE):
        collector.result = result
        exporter.export([None, None])
    assert (exporter.exported, exporter.failed) == (4, 6)
    assert [record.message for record in caplog.records] == [
        "Traces cannot be exported and are dropped",
        "Traces are exported again",
        "Traces cannot be exported and are dropped",
    ]
    assert caplog.records[0].endpoint == "http://tempo"


def test_the_export_has_metrics():
    tracing = Tracing.to_endpoint("chatter", "http://127.0.0.1:9")
    registry = CollectorRegistry()
    registry.register(tracing.collector)
    for result in ("ended", "exported", "failed"):
        assert registry.get_sample_value("chatter_spans_total", {"result": result}) == 0
    tracing.close()
