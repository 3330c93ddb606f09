"""Panels of Grafana as values: enough of its JSON model for Chatter's dashboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
LOKI = {"type": "loki", "uid": "loki"}
TEMPO = {"type": "tempo", "uid": "tempo"}

WIDTH = 24

RED, AMBER, YELLOW, GREEN = "red", "orange", "yellow", "green"


@dataclass(frozen=True)
class Query:
    """PromQL and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel; `make` gives Grafana's form of it."""

    title: str
    queries: Sequence[Query]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    help: str = ""
    steps: Sequence[tuple[float | None, str]] = ()
    """Thresholds: from which value on which colour."""
    maximum: float | None = None
    stacked: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[Mapping[str, Any]] = ()
    datasource: Mapping[str, str] = field(default_factory=lambda: PROMETHEUS)

    def make(self, identifier: int, x: int, y: int) -> dict[str, Any]:
        """Return the panel at a place of the grid."""
        return {
            "id": identifier,
            "type": self.kind,
            "title": self.title,
            "description": self.help,
            "datasource": dict(self.datasource),
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": {**OPTIONS.get(self.kind, {}), **self.options},
            "targets": [self._target(query, chr(ord("A") + at)) for at, query in enumerate(self.queries)],
            **({"transformations": TABLE} if self.kind == "table" else {}),
        }

    def _target(self, query: Query, name: str) -> dict[str, Any]:
        target: dict[str, Any] = {"refId": name, "datasource": dict(self.datasource)}
        if self.datasource == TEMPO:
            return {**target, "queryType": "traceql", "query": query.expr, "limit": 20}
        target["expr"] = query.expr
        if self.kind == "table":
            return {**target, "instant": True, "format": "table"}
        if self.datasource == PROMETHEUS:
            target |= {"legendFormat": query.legend or "__auto", "range": self.kind != "stat"}
            target |= {"instant": self.kind == "stat"}
        return target

    def _defaults(self) -> dict[str, Any]:
        defaults: dict[str, Any] = {"unit": self.unit, "links": list(self.links)}
        if self.steps:
            defaults["thresholds"] = {
                "mode": "absolute",
                "steps": [{"value": value, "color": color} for value, color in self.steps],
            }
            defaults["color"] = {"mode": "thresholds" if self.kind != "timeseries" else "palette-classic"}
        if self.maximum is not None:
            defaults |= {"min": 0, "max": self.maximum}
        if self.kind == "timeseries":
            defaults["custom"] = {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 30 if self.stacked else 8,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none"},
                "thresholdsStyle": {"mode": "dashed" if self.steps else "off"},
            }
        return defaults


OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "value",
    },
    "logs": {"showTime": True, "wrapLogMessage": True, "sortOrder": "Descending", "enableLogDetails": True},
    "table": {"showHeader": True, "cellHeight": "sm"},
}

TABLE = [{"id": "organize", "options": {"excludeByName": {"Time": True, "instance": True, "job": True}}}]


def stat(title: str, expr: str, unit: str = "short", **more: Any) -> Panel:
    """One number."""
    return Panel(title, [Query(expr)], kind="stat", unit=unit, **{"width": 4, "height": 4, **more})


def graph(title: str, unit: str, *queries: tuple[str, str], **more: Any) -> Panel:
    """Lines over time; `queries` are PromQL and legend."""
    return Panel(title, [Query(expr, legend) for expr, legend in queries], unit=unit, **more)


def table(title: str, expr: str, unit: str = "short", **more: Any) -> Panel:
    """The rows of one query at the end of the range."""
    return Panel(title, [Query(expr)], kind="table", unit=unit, **{"width": 12, **more})


def logs(title: str, expr: str, **more: Any) -> Panel:
    """Lines of Loki."""
    return Panel(title, [Query(expr)], kind="logs", datasource=LOKI, **{"width": 12, "height": 10, **more})


def traces(title: str, query: str, **more: Any) -> Panel:
    """Traces of Tempo, by TraceQL."""
    panel = {"width": 12, "height": 10, **more}
    return Panel(title, [Query(query)], kind="table", datasource=TEMPO, **panel)


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard: the values of a label."""

    name: str
    label: str
    metric: str
    """A selector whose label `label_name` gives the values."""
    label_name: str
    all_values: bool = False

    def make(self) -> dict[str, Any]:
        """Return Grafana's form."""
        query = f"label_values({self.metric}, {self.label_name})"
        return {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": dict(PROMETHEUS),
            "definition": query,
            "query": {"query": query, "refId": "values"},
            "refresh": 2,
            "sort": 1,
            "includeAll": self.all_values,
            **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if self.all_values else {}),
        }


def dashboard(
    uid: str, title: str, description: str, panels: Sequence[Panel], variables: Sequence[Variable] = ()
) -> dict[str, Any]:
    """Return a dashboard with its panels placed from left to right, row by row."""
    placed, x, y, height = [], 0, 0, 0
    for identifier, panel in enumerate(panels, 1):
        if x + panel.width > WIDTH:
            x, y, height = 0, y + height, 0
        placed.append(panel.make(identifier, x, y))
        x, height = x + panel.width, max(height, panel.height)
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["chatter"],
        "schemaVersion": 39,
        "editable": True,
        # One cross-hair over all panels: what happened at the same time is seen at once.
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "title": "Chatter",
                "tags": ["chatter"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [variable.make() for variable in variables]},
        "panels": placed,
    }
