"""What a benchmark found: tables for people, one line for machines, and JSON with everything."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table as RichTable

from benchmarks.plot import Plot


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text, the first column named and the others numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(slots=True)
class Report:
    """The outcome of one benchmark."""

    name: str
    parameters: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    line: dict[str, float | bool] = field(default_factory=dict)
    """The few figures that are compared from run to run."""
    data: dict[str, Any] = field(default_factory=dict)
    """Everything else, for the JSON file."""
    plots: list[Plot] = field(default_factory=list)

    def machine_line(self) -> str:
        """`BENCHMARK <name> <JSON of the figures>`."""
        return f"BENCHMARK {self.name} {json.dumps(self.line, separators=(',', ':'))}"

    def to_json(self, now: datetime) -> str:
        """All of it, with the machine that it was measured on; `now` in UTC."""
        return json.dumps(
            {
                "benchmark": self.name,
                "at": now.isoformat(timespec="seconds"),
                "machine": machine(),
                "parameters": self.parameters,
                "figures": self.line,
                "notes": self.notes,
                "data": self.data,
            },
            indent=2,
        )


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_average": list(os.getloadavg()),
    }


class Progress:
    """Shows how far a benchmark is, where a person looks at it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Callable[[], None]]:
        """A part of the work of `total` pieces; what it yields says that one is done."""
        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Bar(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)


def show(report: Report, console: Console) -> None:
    """Print the tables, the notes, and the line for machines, last."""
    for table in report.tables:
        shown = RichTable(title=table.title, title_justify="left", title_style="bold")
        for i, column in enumerate(table.columns):
            shown.add_column(column, justify="left" if i == 0 else "right")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    for note in report.notes:
        console.print(note, highlight=False, markup=False)
    console.print(report.machine_line(), soft_wrap=True, highlight=False, markup=False)


def save(report: Report, path: Path) -> None:
    """Write the JSON file. Raises OSError."""
    path.write_text(report.to_json(datetime.now(UTC)) + "\n")
