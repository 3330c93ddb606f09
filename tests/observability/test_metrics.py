import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from observability.metrics import HttpMetrics


@pytest.fixture
async def metered(observed_app, clock):
    metrics = HttpMetrics(CollectorRegistry(), clock)
    app = observed_app(metrics.middleware())
    app.router.add_get("/metrics", metrics.expose)
    async with TestClient(TestServer(app)) as client:
        yield client


async def samples(client):
    """The samples that GET /metrics has, by name and labels, without its own."""
    response = await client.get("/metrics")
    assert response.content_type == "text/plain"
    return {
        (sample.name, *(sample.labels[label] for label in ("method", "path", "status"))): sample.value
        for family in text_string_to_metric_families(await response.text())
        for sample in family.samples
        if sample.labels["path"] != "/metrics"
    }


async def test_sums_up_requests_durations_and_sizes(metered):
    for room in ("a", "b", "c"):
        await metered.get(f"/rooms/{room}")
    assert await samples(metered) == {
        ("http_requests_total", "GET", "/rooms/{room}", "200"): 3,
        ("http_request_duration_ms_total", "GET", "/rooms/{room}", "200"): 750,
        ("http_response_size_bytes_total", "GET", "/rooms/{room}", "200"): 15,
    }


@pytest.mark.parametrize(
    ("method", "path", "headers", "labels", "size"),
    [
        ("GET", "/refused", {}, ("GET", "/refused", "403"), len("403: Forbidden")),
        ("GET", "/crash", {}, ("GET", "/crash", "500"), 5),
        ("GET", "/nothing/here", {}, ("GET", "unmatched", "404"), len("404: Not Found")),
        ("GET", "/other/nothing", {}, ("GET", "unmatched", "404"), len("404: Not Found")),
        ("PROPFIND", "/health", {}, ("OTHER", "unmatched", "405"), len("405: Method Not Allowed")),
        ("HEAD", "/rooms/a", {}, ("HEAD", "/rooms/{room}", "200"), 0),
        ("GET", "/file", {}, ("GET", "/file", "200"), 1000),
        ("GET", "/file", {"Range": "bytes=0-9"}, ("GET", "/file", "206"), 10),
        ("GET", "/file", {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, ("GET", "/file", "304"), 0),
    ],
)
async def test_labels_are_few(metered, method, path, headers, labels, size):
    await metered.request(method, path, headers=headers)
    found = await samples(metered)
    assert found["http_requests_total", *labels] == 1
    assert found["http_response_size_bytes_total", *labels] == size
    assert len(found) == 3


async def test_a_websocket_counts_when_it_ends(metered):
    async with metered.ws_connect("/ws/a") as ws:
        await ws.receive()
        assert await samples(metered) == {}
    async with asyncio.timeout(5):
        while (found := await samples(metered)) == {}:
            pass
    assert found["http_requests_total", "GET", "/ws/{room}", "101"] == 1


async def test_each_app_has_counters_of_its_own(metered, observed_app):
    other = HttpMetrics(CollectorRegistry())
    async with TestClient(TestServer(observed_app(other.middleware()))) as client:
        await client.get("/rooms/a")
    assert await samples(metered) == {}
