"""``resize(x, size)``: an image on another grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector
from .sampling import weights


def resized(x: np.ndarray, size: tuple[int, int], sampling: str) -> np.ndarray:
    """Rows and columns, each by its weights: (..., H, W) to (..., height, width), float64."""
    shrinks = all(n >= m for n, m in zip(x.shape[-2:], size, strict=True))
    rows, columns = (weights(n, m, sampling, shrinks=shrinks) for n, m in zip(x.shape[-2:], size, strict=True))
    answer: np.ndarray = rows @ np.asarray(x, np.float64) @ columns.T
    return answer


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The places are rational, the sums float64."""
    return resized(inputs["x"], tuple(inputs["size"]), dialect["sampling"])


def units(inputs: Inputs) -> float:
    """Sums of at most H and W elements, and places of which each is off by as much as n roundings."""
    x = inputs["x"]
    return 4.0 * (sum(x.shape[2:]) + sum(inputs["size"])) * float(np.abs(x).max())


def _row(values: list[float], width: int) -> dict[str, Any]:
    return {"x": np.array(values, np.float64).reshape(1, 1, 1, -1), "size": (1, width)}


RESIZE = Operator(
    "resize",
    "resize(x, size): (N, C, H, W) and (height, width) to (N, C, height, width)",
    reference,
    (
        Vector("0 1 2 3 to 3", _row([0, 1, 2, 3], 3), ("sampling",)),
        Vector("0 10 to 5", _row([0, 10], 5), ("sampling",)),
        Vector("0 1 4 to 1", _row([0, 1, 4], 1), ("sampling",)),
        Vector("0 1 2 3 4 to 3", _row([0, 1, 2, 3, 4], 3), ("sampling",)),
    ),
    units=units,
)
