import asyncio
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from observability.tracing import Tracing


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
