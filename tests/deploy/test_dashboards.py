"""Grafana's files: the dashboards are those of their source, and name only what exists."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.deploy.test_operations_document import documented

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b(?:chatter|http|process)_[a-z_]+\b")
VARIABLE = re.compile(r"\$(\w+)")
# Grafana's own.
BUILT_IN = {"__rate_interval", "__all", "__url_time_range", "__data"}


def load(path: Path) -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads(path.read_text())
    return dashboard


def targets(dashboard: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the title of the panel and the query, for every query."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target


@pytest.fixture(scope="module")
def source() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("dashboards_source", GRAFANA / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = sys.path[:]
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    del sys.modules["panels"]


def test_the_files_are_those_of_the_source(source: ModuleType) -> None:
    assert {path.stem for path in FILES} == set(source.DASHBOARDS)
    for path in FILES:
        assert path.read_text() == source.text_of(path.stem), "run python deploy/grafana/generate.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_what_there_is(path: Path) -> None:
    dashboard = load(path)
    variables = {variable["name"] for variable in dashboard["templating"]["list"]} | BUILT_IN
    known = documented() | {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    known |= {"process_open_fds", "process_max_fds"}
    queries = [variable["definition"] for variable in dashboard["templating"]["list"]]
    for title, target in targets(dashboard):
        text = target.get("expr") or target["query"]
        assert set(VARIABLE.findall(text)) <= variables, title
        if target["datasource"]["type"] == "prometheus":
            queries.append(text)
    for query in queries:
        for name in METRIC.findall(query):
            assert re.sub(r"_(bucket|sum|count)$", "", name) in known or name in known, query


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_have_a_place_and_links_lead_somewhere(path: Path) -> None:
    dashboard = load(path)
    uids = {load(other)["uid"]: load(other) for other in FILES}
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
        for link in panel["fieldConfig"]["defaults"]["links"]:
            uid = re.match(r"/d/([\w-]+)\?", link["url"])
            assert uid is not None
            names = {variable["name"] for variable in uids[uid[1]]["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", link["url"])) <= names


def test_data_sources_are_linked_to_each_other() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "chatter.yaml").read_text())
    by_uid = {source["uid"]: source for source in sources["datasources"]}
    used = {target["datasource"]["uid"] for path in FILES for _, target in targets(load(path))}
    assert used == set(by_uid) == {"prometheus", "loki", "tempo"}
    (field,) = by_uid["loki"]["jsonData"]["derivedFields"]
    assert field["datasourceUid"] == "tempo"
    line = '{"message": "request", "trace_id": "' + "ab" * 16 + '"}'
    assert re.search(field["matcherRegex"], line)[1] == "ab" * 16  # type: ignore[index]
    tempo = by_uid["tempo"]["jsonData"]
    assert tempo["tracesToLogsV2"]["datasourceUid"] == "loki"
    assert tempo["tracesToMetrics"]["datasourceUid"] == "prometheus"


def test_every_alert_says_what_to_do() -> None:
    rules = yaml.safe_load((GRAFANA.parent / "prometheus" / "alerts.yaml").read_text())
    names = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    document = (GRAFANA.parents[1] / "docs" / "operations.md").read_text()
    table = re.findall(r"^\| `(Chatter\w+)` \|", document, re.MULTILINE)
    assert table == names
