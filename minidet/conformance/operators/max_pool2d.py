"""``max_pool2d(x, size, stride, padding)``: the greatest element of each window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector


def windows(n: int, k: int, s: int, p: int, rule: str) -> tuple[int, int]:
    """How many windows, and how much padding stands in front."""
    if rule == "darknet":
        return (n + p - k) // s + 1, p // 2
    if rule == "floor":
        return (n + 2 * p - k) // s + 1, p
    count = math.ceil((n + 2 * p - k) / s) + 1
    if rule == "ceil_dropped" and (count - 1) * s >= n + p:
        count -= 1
    return count, p


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Window by window."""
    x = np.asarray(inputs["x"], np.float64)
    k, s, p = (int(inputs[name]) for name in ("size", "stride", "padding"))
    (oh, top), (ow, left) = (windows(n, k, s, p, dialect["windows"]) for n in x.shape[2:])
    outside = 0.0 if dialect["padding_value"] == "zero" else -math.inf
    out = np.empty((*x.shape[:2], oh, ow))
    for at in np.ndindex(out.shape):
        rows, columns = (
            range(i * s - before, i * s - before + k) for i, before in zip(at[2:], (top, left), strict=True)
        )
        values = [
            x[at[0], at[1], r, c] if 0 <= r < x.shape[2] and 0 <= c < x.shape[3] else outside
            for r in rows
            for c in columns
        ]
        if dialect["nan"] == "skipped":
            values = [v for v in values if not math.isnan(v)]
        out[at] = max(values, default=-math.inf) if not any(map(math.isnan, values)) else math.nan
    return out


def _call(x: np.ndarray, size: int, stride: int, padding: int) -> dict[str, Any]:
    return {"x": x, "size": size, "stride": stride, "padding": padding}


def _ramp(n: int) -> np.ndarray:
    return np.arange(1.0, n * n + 1).reshape(1, 1, n, n)


NAN = np.array([[1, math.nan], [2, 3]])[None, None]

MAX_POOL2D = Operator(
    "max_pool2d",
    "max_pool2d(x, size, stride, padding): (N, C, H, W) and three integers to (N, C, oh, ow)",
    reference,
    (
        Vector("5 by 2 and 2", _call(_ramp(5), 2, 2, 0), ("windows",)),
        Vector("2 by 2 and 3, padded", _call(_ramp(2), 2, 3, 1), ("windows", "padding_value")),
        Vector("5 by 2 and 2, padded", _call(_ramp(5), 2, 2, 1), ("windows", "padding_value")),
        Vector("all below zero, padded", _call(np.full((1, 1, 4, 4), -1.0), 3, 1, 1), ("padding_value", "windows")),
        Vector("a NaN", _call(NAN, 2, 2, 0), ("nan",)),
    ),
)
