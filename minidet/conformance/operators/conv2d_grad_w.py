"""``conv2d_grad_w(x, g, shape, stride, padding, dilation, groups)``: the gradient of a convolution by its filters."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import taps
from .conv2d import BOTH, RAMP
from .conv2d_grad_x import G
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Each tap gets the sum of all it met, times the gradient of the output for which it met it."""
    x, g = (np.asarray(inputs[name], np.float64) for name in ("x", "g"))
    stride, padding, dilation, groups = (int(inputs[n]) for n in ("stride", "padding", "dilation", "groups"))
    shape = tuple(inputs["shape"])
    found = taps.tables(x.shape, shape, stride, padding, dilation, dialect)
    if found is None or tuple(len(one) for one in found) != g.shape[2:]:
        return REFUSED
    under = taps.windows(x, *found, groups)
    return np.einsum("ngciujv,ngoij->gocuv", under, taps.grouped(g, groups)).reshape(shape)


def units(inputs: Inputs) -> float:
    """A tap meets an element of each image once for each output at most."""
    x, g = inputs["x"], inputs["g"]
    return taps.bound(g[:, 0].size, g, x)


def call(
    x: np.ndarray, g: np.ndarray, shape: tuple[int, ...], stride: int, padding: int, dilation: int = 1, groups: int = 1
) -> dict[str, Any]:
    """Inputs of a call."""
    return {
        "x": x, "g": g, "shape": shape, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups
    }  # fmt: skip


CONV2D_GRAD_W = Operator(
    "conv2d_grad_w",
    "conv2d_grad_w(x, g, shape, stride, padding, dilation, groups): (N, C, H, W), (N, O, oh, ow), the four sizes of "
    "the filters and four integers to (O, C/groups, kh, kw)",
    reference,
    (
        Vector("3 x 3 at stride 2", call(RAMP, G, (1, 1, 3, 3), 2, 1), BOTH),
        Vector("3 x 3 at stride 3, padded by 2", call(RAMP, G, (1, 1, 3, 3), 3, 2), BOTH),
        Vector("1 x 1 at stride 2, padded by 2", call(RAMP, G, (1, 1, 1, 1), 2, 2), ("padding",)),
        Vector(
            "two groups",
            call(np.concatenate([RAMP, -RAMP], 1), np.concatenate([G, 3 * G], 1), (2, 1, 3, 3), 2, 1, groups=2),
            BOTH,
        ),
    ),
    units=units,
)
