"""Pictures of a run, from the rows of its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import replacing

#: Files that ``draw`` writes.
FILES = ("loss.png", "ap.png")


def draw(folder: Path, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """``loss.png`` and ``ap.png`` in ``folder``; the names of the files, none without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return []
    steps = [row for row in rows if row["kind"] == "step"]
    scores = [row for row in rows if row["kind"] == "evaluation"]
    written = []

    def save(figure: Any, name: str) -> None:
        try:
            with replacing(folder / name) as temporary:
                figure.savefig(temporary, dpi=110)
        except OSError as error:
            raise InputError(f"{folder / name}: cannot be written: {error.strerror or error}") from None
        written.append(name)

    if steps:
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        x = [row["step"] for row in steps]
        axes.plot(x, [_nan(row["loss"]) for row in steps], color="0.8", linewidth=0.8)
        axes.plot(x, [_nan(v) for v in smooth([row["loss"] for row in steps])], color="C0", label="loss, smoothed")
        axes.set(xlabel="step", ylabel="loss", yscale="log")
        rate = axes.twinx()
        rate.plot(x, [row["lr"] for row in steps], color="C1", linewidth=0.8)
        rate.set_ylabel("learning rate", color="C1")
        axes.legend()
        save(figure, FILES[0])
    if scores:
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        x = [row["step"] for row in scores]
        for i, name in enumerate(names):
            axes.plot(x, [_nan(row["by_class"][i]) for row in scores], linewidth=0.8, label=name)
        axes.plot(x, [_nan(row["ap50"]) for row in scores], color="black", label="mean AP@.5")
        axes.plot(x, [_nan(row["ap"]) for row in scores], color="black", linestyle=":", label="mean AP@[.5:.95]")
        axes.set(xlabel="step", ylabel="average precision", ylim=(0, 1))
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
        save(figure, FILES[1])
    return written


def smooth(values: Sequence[float | None], share: float = 0.02) -> list[float | None]:
    """A running mean that forgets ``share`` of itself with each value; nulls change nothing."""
    found: list[float | None] = []
    last: float | None = None
    for value in values:
        if value is not None:
            last = value if last is None else last + share * (value - last)
        found.append(last)
    return found


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
