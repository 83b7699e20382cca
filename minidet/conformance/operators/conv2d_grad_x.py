"""``conv2d_grad_x(g, w, shape, stride, padding, dilation, groups)``: the gradient of a convolution by its maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import taps
from .conv2d import BOTH
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Every output's gradient, times each tap, goes to the element under that tap."""
    g, w = (np.asarray(inputs[name], np.float64) for name in ("g", "w"))
    stride, padding, dilation, groups = (int(inputs[n]) for n in ("stride", "padding", "dilation", "groups"))
    found = taps.tables(tuple(inputs["shape"]), w.shape, stride, padding, dilation, dialect)
    if found is None or tuple(len(one) for one in found) != g.shape[2:]:
        return REFUSED  # no such convolution has this many outputs
    under = np.einsum("ngoij,gocuv->ngciujv", taps.grouped(g, groups), taps.filters(w, groups))
    return taps.spread(under, *found)


def units(inputs: Inputs) -> float:
    """An element lies under each tap of each filter of its group once at most."""
    g, w = inputs["g"], inputs["w"]
    return taps.bound(w[:, 0].size, w, g)


def call(
    g: np.ndarray, w: np.ndarray, shape: tuple[int, ...], stride: int, padding: int, dilation: int = 1, groups: int = 1
) -> dict[str, Any]:
    """Inputs of a call."""
    return {
        "g": g, "w": w, "shape": shape, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups
    }  # fmt: skip


G = np.array([[[[1.0, 10], [100, 1000]]]])
NINE = np.arange(1.0, 10).reshape(1, 1, 3, 3)

CONV2D_GRAD_X = Operator(
    "conv2d_grad_x",
    "conv2d_grad_x(g, w, shape, stride, padding, dilation, groups): (N, O, oh, ow), (O, C/groups, kh, kw), the four "
    "sizes of the maps and four integers to (N, C, H, W)",
    reference,
    (
        Vector("3 x 3 at stride 2", call(G, NINE, (1, 1, 4, 4), 2, 1), BOTH),
        Vector("3 x 3 at stride 3, padded by 2", call(G, NINE, (1, 1, 4, 4), 3, 2), BOTH),
        Vector("3 x 3 ones at stride 2", call(G, np.ones((1, 1, 3, 3)), (1, 1, 4, 4), 2, 1), ("padding",)),
        Vector(
            "two groups",
            call(np.concatenate([G, -2 * G], 1), np.concatenate([NINE, NINE + 10]), (1, 2, 4, 4), 2, 1, groups=2),
            BOTH,
        ),
    ),
    units=units,
)
