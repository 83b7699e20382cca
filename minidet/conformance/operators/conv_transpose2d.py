"""``conv_transpose2d(x, w, bias, stride, padding, output_padding, groups, dilation)``: filters painted on a map."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import taps
from .conv2d import row
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector


def extent(n: int, k: int, stride: int, dilation: int, padding: int, extra: int, dialect: Dialect) -> tuple[int, int]:
    """How many outputs an axis has, and how many are cut off in front."""
    rule = dialect["cropping"]
    whole = (n - 1) * stride + (k - 1) * dilation + 1
    if rule == "explicit":
        return whole - 2 * padding + extra, padding
    if whole < n * stride and dialect["short"] == "left":
        return whole, 0
    cut = whole - n * stride  # below zero where zeros are added
    less, more = cut // 2, cut - cut // 2
    return n * stride, less if rule == "same_upper" else more


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Each input paints the filter, times its value, at its place on a canvas of which a part is cut out."""
    x, w, bias = (np.asarray(inputs[name], np.float64) for name in ("x", "w", "bias"))
    stride, padding, extra, groups, dilation = (
        int(inputs[n]) for n in ("stride", "padding", "output_padding", "groups", "dilation")
    )
    (h, top), (v, left) = (
        extent(n, k, stride, dilation, padding, extra, dialect) for n, k in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    if min(h, v) < 1:
        return REFUSED
    taken = w[:, :, ::-1, ::-1] if dialect["kernel"] == "reversed" else w
    each = w.shape[1]
    y = np.zeros((len(x), each * groups, h, v)) + bias[:, None, None]
    for n, c, i, j in np.ndindex(x.shape):
        group = c // (x.shape[1] // groups)
        for a, b in np.ndindex(w.shape[2:]):
            r, q = i * stride + a * dilation - top, j * stride + b * dilation - left
            if 0 <= r < h and 0 <= q < v:
                y[n, group * each : (group + 1) * each, r, q] += x[n, c, i, j] * taken[c, :, a, b]
    return y


def units(inputs: Inputs) -> float:
    """An output gets one product at most of each channel of its group and each tap."""
    x, w = inputs["x"], inputs["w"]
    return taps.bound(w[:, 0].size, w, x) + 2 * float(np.abs(inputs["bias"]).max(initial=0))


def call(
    x: np.ndarray,
    w: np.ndarray,
    stride: int,
    padding: int,
    output_padding: int,
    groups: int = 1,
    dilation: int = 1,
    bias: float = 0,
) -> dict[str, Any]:
    """Inputs of a call; the biases are a multiple of 1, 2, ..."""
    return {
        "x": x, "w": w, "bias": float(bias) * np.arange(1, w.shape[1] * groups + 1),
        "stride": stride, "padding": padding, "output_padding": output_padding, "groups": groups, "dilation": dilation,
    }  # fmt: skip


TWO, THREE = np.array([[[[1.0, 2], [4, 8]]]]), np.array([[[[1.0, 3, 5], [10, 30, 50], [100, 300, 500]]]])

CONV_TRANSPOSE2D = Operator(
    "conv_transpose2d",
    "conv_transpose2d(x, w, bias, stride, padding, output_padding, groups, dilation): (N, C, h, w), "
    "(C, O/groups, kh, kw), (O,) and five integers to (N, O, H, W); a dialect that cuts by itself looks at neither "
    "padding",
    reference,
    (
        Vector("3 x 3 at stride 2, padded", call(TWO, THREE, 2, 1, 0), ("cropping", "kernel")),
        Vector("3 x 3 at stride 2, one more behind", call(TWO, THREE, 2, 1, 1), ("cropping", "kernel")),
        Vector("one row at stride 2", call(row(1, 2), row(1, 10, 1), 2, 0, 1), ("cropping", "short")),
        Vector(
            "two groups, with a bias",
            call(np.concatenate([TWO, -TWO], 1), np.concatenate([THREE, THREE * 2]), 2, 1, 1, 2, 1, bias=3),
            ("cropping", "kernel"),
        ),
    ),
    units=units,
)
