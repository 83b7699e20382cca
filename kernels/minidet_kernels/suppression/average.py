"""The averages of ``weighted_boxes_fusion``, in float64 and in the order of the boxes, as running sums are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array


def per_model(models: Array, weights: Any) -> Array:
    """The weight of each model (T,); without ``weights``, 1 for each number up to the greatest of ``models``."""
    if weights is None:
        return np.ones(int(models.max()) + 1 if len(models) else 0)
    return np.asarray(weights, np.float64)


def weighted_mean(x: Array, s: Array) -> Array:
    """The average of boxes ``x`` (N, 4) weighted by ``s`` (N,): (4,)."""
    return np.cumsum(s[:, None] * x, axis=0)[-1] / np.cumsum(s)[-1]


def fused_score(s: Array, share: Array, *, conf: str, count: str) -> float:
    """The score of a cluster whose boxes have the weighted scores ``s`` (N,), of models weighted by ``share`` (T,)."""
    if conf == "max":
        return float(s.max() / share.max())
    models = min(len(share), len(s)) if count == "capped" else len(s)
    return float(np.cumsum(s)[-1] / len(s) * models / share.sum())
