"""Pictures of an evaluation: precision against recall, and the confusion matrix.  Needs the extra ``plots``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidet.errors import InputError
from minidet.files import replacing

from .report import Report


def need_matplotlib() -> None:
    """Raise ``InputError`` when matplotlib is not there."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("plots need matplotlib: pip install 'minidet[plots]', or do without with --no-plots") from None


def save_curves(report: Report, names: Sequence[str], path: str | os.PathLike[str]) -> None:
    """Precision against recall of each class that has a truth, at the first threshold, as a PNG file.

    The thin line is what was counted, the thick one what AP integrates, the best precision at that recall or later.
    """
    figure, axes = _figure(7.5, 5.0)
    some = [k for k in range(report.classes) if report.curve(k).truths]
    colours = _colours(len(some))
    threshold = report.rules.thresholds[0]
    for colour, k in zip(colours, some, strict=True):
        curve = report.curve(k)
        recall = np.concatenate(([0.0], curve.recall))
        top = np.maximum.accumulate(curve.precision[::-1])[::-1]
        top = np.concatenate((top[:1], top)) if len(top) else np.zeros(1)
        label = f"{report.ap(threshold, label=k):.3f}  {_plain(names[k])}" if len(some) <= 20 else None
        axes.plot(recall[1:], curve.precision, color=colour, linewidth=0.7, alpha=0.6)
        axes.step(recall, top, color=colour, linewidth=1.8, where="pre", label=label)
    axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.set_title(f"IoU {threshold:g}: mean AP {report.ap(threshold):.3f}")
    if 0 < len(some) <= 20:
        axes.legend(loc="lower left", fontsize="small", framealpha=0.8)
    _save(figure, path)


def save_confusion(table: np.ndarray, names: Sequence[str], path: str | os.PathLike[str], *, title: str = "") -> None:
    """The matrix of ``counts.confusion`` as a PNG file: shades are shares of each row, numbers are counts."""
    size = len(table)
    side = min(3.0 + 0.45 * size, 20.0)
    figure, axes = _figure(side, side)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    labels = [*map(_plain, names), "background"]
    axes.set_xticks(range(size), labels, rotation=90, fontsize="small")
    axes.set_yticks(range(size), labels, fontsize="small")
    axes.set(xlabel="found as", ylabel="truth", title=title)
    if size <= 30:
        for y, x in np.argwhere(table > 0).tolist():
            colour = "white" if shares[y, x] > 0.5 else "black"
            axes.text(x, y, str(table[y, x]), ha="center", va="center", color=colour, fontsize="small")
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    need_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width, height), layout="constrained"
    )  # not pyplot, which keeps figures and asks for screens
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _plain(name: str) -> str:
    """A name as matplotlib shows it as it is: a dollar would begin a formula."""
    return name.replace("$", r"\$")


def _colours(n: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["tab10"](i) if n <= 10 else colormaps["turbo"]((i + 0.5) / n) for i in range(n)]


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, metadata={"Software": None})
