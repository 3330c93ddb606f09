"""Pictures of what was measured, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over a common x axis, or bars where x is text."""

    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float | str, float]]]
    logarithmic: bool = False
    """The y axis."""


def draw(plots: Sequence[Plot], path: Path) -> None:
    """Write them side by side. Raises OSError."""
    # Only who wants a picture waits for it.
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(plots), figsize=(6.5 * len(plots), 4.5), squeeze=False)
    for plot, axis in zip(plots, axes[0], strict=True):
        bars = any(isinstance(x, str) for points in plot.series.values() for x, _ in points)
        labels = list(dict.fromkeys(str(x) for points in plot.series.values() for x, _ in points))
        width = 0.8 / max(1, len(plot.series))
        for number, (name, points) in enumerate(plot.series.items()):
            values = [y for _, y in points]
            if bars:
                at = [labels.index(str(x)) + (number + 0.5) * width - 0.4 for x, _ in points]
                axis.bar(at, values, width, label=name)
            else:
                axis.plot([float(x) for x, _ in points], values, marker="o", label=name)
        if bars:
            axis.set_xticks(range(len(labels)), labels)
        if plot.logarithmic:
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
        axis.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
        axis.grid(visible=True, alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
