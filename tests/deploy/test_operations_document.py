"""docs/operations.md names every metric, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from chatter.app import REGISTRY
from chatter.monitoring.room_metrics import RoomMetrics
from observability.tracing import Tracing
from tests.chatter.monitoring.figures import snapshot

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
NAME = re.compile(r"`((?:http|chatter)_\w+)`")
# Of the client library, not of Chatter.
FOREIGN = ("process_", "python_")


def documented() -> set[str]:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    return {name for row in rows for name in NAME.findall(row.split("|")[1])}


def exposed(registry: CollectorRegistry, rows: str = "") -> set[str]:
    families = text_string_to_metric_families(generate_latest(registry).decode() + rows)
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families
        if not family.name.startswith(FOREIGN) and not family.name.endswith("_created")
    }


async def test_every_metric_is_documented_and_the_other_way_round(client: TestClient) -> None:
    await client.get("/health")
    metrics, registry = RoomMetrics(10, 10), CollectorRegistry()
    metrics.update(snapshot())
    registry.register(metrics)
    tracing = Tracing.to_endpoint("chatter", "http://127.0.0.1:9")
    assert tracing.collector is not None
    registry.register(tracing.collector)
    tracing.close()
    assert client.app is not None
    assert exposed(client.app[REGISTRY]) | exposed(registry, metrics.text()) == documented()


@pytest.mark.parametrize("name", ["chatter_rooms", "http_requests_total"])
def test_finds_names(name: str) -> None:
    assert name in documented()
