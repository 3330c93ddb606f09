"""Metrics of rows: which figure of a row is which metric, as a table.

They are written as text here and not by the client library, whose samples cost ten times as much: rows are
many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Row = TypeVar("Row")

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclass(frozen=True, slots=True)
class Field(Generic[Row]):
    """One metric of a row. A counter's name gets `_total` when it is exposed."""

    kind: Literal["counter", "gauge"]
    name: str
    help: str
    read: Callable[[Row], float | None]
    """None: the row has no such figure now."""

    @property
    def exposed_name(self) -> str:
        """With the ending of its kind."""
        return f"{self.name}_total" if self.kind == "counter" else self.name

    def text(self, values: Iterable[tuple[str, float | None]]) -> str:
        """Return the lines of the metric; `values` are labels, as `labels_text` gives them, and figures."""
        name = self.exposed_name
        lines = [f"# HELP {name} {self.help}\n# TYPE {name} {self.kind}\n"]
        # The plus makes a number of what is true or false.
        lines += [f"{name}{labels} {+value}\n" for labels, value in values if value is not None]
        return "".join(lines)


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """The metrics of one kind of row."""

    labels: Sequence[str]
    identify: Callable[[Row], Sequence[str]]
    """The values of the labels."""
    fields: Sequence[Field[Row]]

    def text(self, rows: Iterable[Row]) -> str:
        """Return the lines of all metrics of `rows`, in Prometheus' text format 0.0.4."""
        labelled = [(labels_text(self.labels, self.identify(row)), row) for row in rows]
        return "".join(
            field.text([(labels, field.read(row)) for labels, row in labelled]) for field in self.fields
        )


def labels_text(names: Sequence[str], values: Sequence[str]) -> str:
    """Return labels as they stand behind a metric's name."""
    pairs = ",".join(
        f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True)
    )
    return f"{{{pairs}}}"
