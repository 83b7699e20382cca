"""``conv2d(x, w, bias, stride, padding, dilation, groups)``: filters slid over maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import taps
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The sum over the taps that lie on the map, and the bias."""
    x, w, bias = (np.asarray(inputs[name], np.float64) for name in ("x", "w", "bias"))
    stride, padding, dilation, groups = (int(inputs[n]) for n in ("stride", "padding", "dilation", "groups"))
    found = taps.tables(x.shape, w.shape, stride, padding, dilation, dialect)
    if found is None:
        return REFUSED
    under = taps.windows(x, *found, groups)
    y = np.einsum("ngciujv,gocuv->ngoij", under, taps.filters(w, groups))
    return y.reshape(len(x), len(w), *y.shape[3:]) + bias[:, None, None]


def units(inputs: Inputs) -> np.ndarray:
    """By output channel (O, 1, 1): as many products are summed as a filter has taps, and the bias is added."""
    x, w, bias = inputs["x"], inputs["w"], np.abs(inputs["bias"])
    each = [taps.bound(w[0].size, one, x) for one in w]
    return (np.array(each) + 2 * bias)[:, None, None]


def call(
    x: np.ndarray, w: np.ndarray, stride: int, padding: int, dilation: int = 1, groups: int = 1, bias: float = 0
) -> dict[str, Any]:
    """Inputs of a call; the biases are a multiple of 1, 2, ..."""
    sizes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return {"x": x, "w": w, "bias": float(bias) * np.arange(1, len(w) + 1), **sizes}


def row(*values: float) -> np.ndarray:
    """A map, or a filter, of one row."""
    return np.array(values, np.float64).reshape(1, 1, 1, -1)


def column(*values: float) -> np.ndarray:
    """One of one column."""
    return row(*values).reshape(1, 1, -1, 1)


RAMP = np.arange(1.0, 17).reshape(1, 1, 4, 4)
BOTH = ("padding", "kernel")

CONV2D = Operator(
    "conv2d",
    "conv2d(x, w, bias, stride, padding, dilation, groups): (N, C, H, W), (O, C/groups, kh, kw), (O,) and four "
    "integers to (N, O, oh, ow); a dialect that pads by itself does not look at padding",
    reference,
    (
        Vector("an even filter, unlike from behind", call(RAMP, np.array([[[[0.0, 1], [0, 0]]]]), 1, 0), BOTH),
        Vector("3 x 3 ones at stride 2", call(RAMP, np.ones((1, 1, 3, 3)), 2, 1), ("padding",)),
        Vector("3 x 3 ones at stride 3, padded by 2", call(RAMP, np.ones((1, 1, 3, 3)), 3, 2), ("padding",)),
        Vector(
            "rows and columns unlike, in two groups, with a bias",
            call(
                np.stack([RAMP[0, 0], -RAMP[0, 0].T])[None],
                np.array([[[[1.0, 2], [3, 4]]], [[[5.0, 6], [7, 8]]]]),
                1,
                1,
                groups=2,
                bias=3,
            ),
            BOTH,
        ),
    ),
    units=units,
)
