"""Metrics of rows: which figure of a row is which metric, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Field(Generic[Row]):
    """One metric of a row. A counter's name gets `_total` when it is exposed."""

    kind: Literal["counter", "gauge"]
    name: str
    help: str
    read: Callable[[Row], float | None]
    """None: the row has no such figure now."""


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """The metrics of one kind of row."""

    labels: Sequence[str]
    identify: Callable[[Row], Sequence[str]]
    """The values of the labels."""
    fields: Sequence[Field[Row]]

    def families(self, rows: Iterable[Row]) -> Iterator[Metric]:
        """Yield the metric families of `rows`."""
        labelled = [(self.identify(row), row) for row in rows]
        for field in self.fields:
            family: CounterMetricFamily | GaugeMetricFamily = (
                CounterMetricFamily(field.name, field.help, labels=self.labels)
                if field.kind == "counter"
                else GaugeMetricFamily(field.name, field.help, labels=self.labels)
            )
            for labels, row in labelled:
                value = field.read(row)
                if value is not None:
                    family.add_metric(labels, value)
            yield family
