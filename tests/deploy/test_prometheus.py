"""A real call is watched: a Prometheus scrapes it, and a collector gets its traces.

No panel of the dashboards is empty, no rule is nonsense, and a join is one trace.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import bots
from bots import media
from bots.account import Account
from tests.deploy.test_dashboards import FILES, load, targets
from tests.postgres import free_port
from tests.system.conditions import until
from tests.system.server import Server

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yaml"

# What Grafana puts in for them with a scrape every second.
INTERVALS = {"$__rate_interval": "20s", "$__interval": "1s"}


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an expression now, without those that are no number."""
        async with self._session.get(f"{self._url}/api/v1/query", params={"query": expr}) as reply:
            body = await reply.json()
        assert body["status"] == "success", f"{expr}: {body.get('error')}"
        found: list[dict[str, Any]] = body["data"]["result"]
        return [series for series in found if not math.isnan(float(series["value"][1]))]

    async def values(self, selector: str, label: str) -> list[str]:
        """The values of a label."""
        return sorted({series["metric"][label] for series in await self.query(selector)})


async def in_the_call(url: str, name: str, there: asyncio.Barrier, end: asyncio.Event) -> None:
    tracks = {"camera": media.pattern(160, 90, 10), "microphone": media.tone()}
    async with bots.Room.join(url, display_name=name, publish=tracks) as room:
        await room.wait_for_track(kind="video")
        await there.wait()
        await end.wait()


class Watched:
    """A call of three bots: what Prometheus has, the spans that came to the collector, and the server."""

    def __init__(self, prometheus: Prometheus, spans: list[Span], server: Server) -> None:
        self.prometheus = prometheus
        self.spans = spans
        self.server = server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """A call that has been watched from before it began, and goes on."""
    folder = tmp_path_factory.mktemp("prometheus")
    spans: list[Span] = []

    async def collect(request: web.Request) -> web.Response:
        body = ExportTraceServiceRequest.FromString(await request.read())
        for resource in body.resource_spans:
            for scope in resource.scope_spans:
                spans.extend(scope.spans)
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", collect)
    async with AsyncExitStack() as stack:
        collector = await stack.enter_async_context(TestServer(app))
        server = Server(
            folder,
            {"METRICS_INTERVAL": "1s", "OTEL_EXPORTER_OTLP_ENDPOINT": str(collector.make_url("/"))},
        )
        await server.start()
        stack.push_async_callback(server.stop)
        config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
        config["global"] |= {"scrape_interval": "1s"}
        config["rule_files"] = [str(RULES)]
        config["scrape_configs"] = [
            {
                "job_name": "chatter",
                "static_configs": [{"targets": [server.url.removeprefix("http://")]}],
            }
        ]
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={folder}/prometheus.yaml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        async def stop() -> None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)

        stack.push_async_callback(stop)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        found = Prometheus(f"http://127.0.0.1:{port}", session)

        async def scraped() -> bool:
            try:
                return bool(await found.query("chatter_joins_total"))
            except (aiohttp.ClientError, ValueError):
                return False

        await until(scraped, "Prometheus has scraped the server", limit=30)
        host = await Account.register(server.url, f"host-{secrets.token_hex(4)}", "correct horse")
        room = await host.create_room("sfu")
        end, there = asyncio.Event(), asyncio.Barrier(4)
        async with asyncio.TaskGroup() as group:
            for name in ("Ann", "Ben", "Cid"):
                group.create_task(in_the_call(room, name, there, end))
            async with asyncio.timeout(30):
                await there.wait()

            async def measured() -> bool:
                # Receiver reports have come, and two scrapes lie between them and now.
                return len(await found.query("rate(chatter_subscription_rtt_seconds[3s]) * 0 + 1")) >= 3

            await until(measured, "the call has been measured", limit=30)
            yield Watched(found, spans, server)
            end.set()


async def test_no_panel_is_empty(watched: Watched) -> None:
    prometheus = watched.prometheus
    (room,) = await prometheus.values("chatter_room_participants", "room")
    participant = (await prometheus.values("chatter_subscription_packets_total", "participant"))[0]
    track = next(t for t in await prometheus.values("chatter_track_packets_total", "track") if "camera" in t)
    chosen = {"$room": room, "$track": track}
    asked, empty = 0, []
    for path in FILES:
        # On the dashboard of a track the participants are all who get it.
        chosen["$participant"] = ".*" if path.stem == "track" else participant
        dashboard = load(path)
        for variable in dashboard["templating"]["list"]:
            selector = variable["definition"].removeprefix("label_values(").rpartition(",")[0]
            assert await prometheus.query(filled(selector, chosen)), variable["name"]
        for title, target in targets(dashboard):
            if target["datasource"]["type"] == "prometheus":
                asked += 1
                if not await prometheus.query(filled(target["expr"], chosen)):
                    empty.append(f"{path.stem}: {title}: {filled(target['expr'], chosen)}")
    assert empty == []
    assert asked > 80


async def test_every_alert_is_understood_and_none_cries_wolf(watched: Watched) -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    crying = {rule["alert"] for rule in rules if await watched.prometheus.query(rule["expr"])}
    # Where everything shares two cores, what is late may be the machine's doing.
    late = {"ChatterJoinsSlow", "ChatterLoopLate", "ChatterPlaneLate"}
    assert crying - late == set()


def attributes_of(span: Span) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


STAGES = {"websocket", "negotiation", "ice", "dtls", "first_packet", "first_keyframe"}


async def test_a_join_is_one_trace_on_all_its_log_lines(watched: Watched) -> None:
    async def exported() -> list[Span]:
        # Who came first may have been alone.
        joins = [span for span in watched.spans if span.name == "join"]
        return [join for join in joins if attributes_of(join)["chatter.outcome"] == "complete"]

    for join in await until(exported, "joins have been exported", limit=15):
        inside = [span for span in watched.spans if span.parent_span_id == join.span_id]
        assert {span.trace_id for span in inside} == {join.trace_id}
        assert {span.name.removeprefix("join.") for span in inside} - {"token"} == STAGES
        attributes = attributes_of(join)
        assert attributes["chatter.client"] == "bot"
        lines = [json.loads(line) for line in watched.server.log.splitlines() if line.startswith("{")]
        of_it = [line for line in lines if line.get("client") == attributes["chatter.client_id"]]
        assert {"A participant joined", "Media is connected", "A join is over"} <= {
            line["message"] for line in of_it
        }
        assert {line["trace_id"] for line in of_it} == {join.trace_id.hex()}
        assert {line["room"] for line in of_it} == {attributes["chatter.room"]}


def filled(expr: str, chosen: dict[str, str]) -> str:
    for name, value in (INTERVALS | chosen).items():
        expr = expr.replace(name, value)
    return expr


def promtool(*arguments: str) -> None:
    run = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


async def test_the_files_are_valid() -> None:
    promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yaml"))
    promtool("check", "rules", str(RULES))


async def test_the_alerts_come_when_they_should() -> None:
    promtool("test", "rules", str(DEPLOY / "prometheus" / "alerts.test.yaml"))
