"""Bugs of convolutions, normalisation, activations, RoIPool and letterboxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import erf, erfc, sqrt
from typing import Any

import numpy as np

from minidet.conformance.operators import Answer, Inputs

from . import layers_base as base

Run = Callable[[Inputs], Answer]


def named(function: Any, *bugs: str) -> dict[str, Run]:
    """An implementation with each of its bugs."""
    return {bug: partial(function, bug=bug) for bug in bugs}


def logistic(x: Any) -> Any:
    return np.exp(-np.logaddexp(0, -x))


def mish(x: Any) -> Any:
    return x * np.tanh(np.logaddexp(0, x))


def mish_grad(x: Any, g: Any) -> Any:
    s = np.logaddexp(0, x)
    return g * (np.tanh(s) + x * logistic(x) / np.cosh(s) ** 2)


def leaky(x: Any) -> Any:
    return np.where(x > 0, x, 0.01 * x)


def leaky_grad(x: Any, g: Any) -> Any:
    return np.where(x > 0, g, 0.01 * g)


def relu_grad(x: Any, g: Any) -> Any:
    return g * (x > 0)


def silu(x: Any) -> Any:
    return x * logistic(x)


def silu_grad(x: Any, g: Any) -> Any:
    return g * (logistic(x) + x * logistic(x) * logistic(-x))


def gelu(x: Any) -> Any:
    return x * np.vectorize(erfc)(-x / sqrt(2)) / 2


def softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


POINTWISE: Mapping[str, Callable[..., Any]] = {
    "leaky_relu": leaky,
    "leaky_relu_grad": leaky_grad,
    "relu_grad": relu_grad,
    "mish": mish,
    "mish_grad": mish_grad,
    "silu": silu,
    "silu_grad": silu_grad,
    "gelu": gelu,
    "softplus": softplus,
}
WRONG: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "leaky_relu": {
        "the slope above zero too": lambda x: 0.01 * x,
        "the greater of both, of the absolute": lambda x: np.maximum(np.abs(x), 0.01 * x),
        "the slope is taken off": lambda x: np.where(x > 0, x, -0.01 * x),
        "zero below": lambda x: np.maximum(x, 0),
        "the slope twice": lambda x: np.where(x > 0, x, 0.01 * 0.01 * x),
    },
    "leaky_relu_grad": {
        "without the gradient of the result": lambda x, g: np.where(x > 0, 1, 0.01),
        "by the sign of the gradient": lambda x, g: np.where(g > 0, g, 0.01 * g),
        "the function in place of its slope": lambda x, g: g * leaky(x),
        "zero below": lambda x, g: g * (x > 0),
        "the slope of the first number for all": lambda x, g: g * np.where(x.flat[0] > 0, 1, 0.01),
    },
    "relu_grad": {
        "without the gradient of the result": lambda x, g: 1.0 * (x > 0),
        "by the sign of the gradient": lambda x, g: g * (g > 0),
        "the function in place of its slope": lambda x, g: g * np.maximum(x, 0),
        "passes all": lambda x, g: g,
        "from below zero": lambda x, g: g * (x < 0),
    },
    "mish": {
        "silu": silu,
        "without the logarithm": lambda x: x * np.tanh(np.exp(np.minimum(x, 30))),
        "the logarithm of base 2": lambda x: x * np.tanh(np.logaddexp(0, x) / np.log(2)),
        "the logistic function for tanh": lambda x: x * logistic(np.logaddexp(0, x)),
        "softplus": softplus,
        "of the absolute": lambda x: mish(np.abs(x)),
    },
    "mish_grad": {
        "without the gradient of the result": lambda x, g: mish_grad(x, 1),
        "the second term is left out": lambda x, g: g * np.tanh(np.logaddexp(0, x)),
        "cosh is not squared": lambda x, g: (
            g * (np.tanh(np.logaddexp(0, x)) + x * logistic(x) / np.cosh(np.logaddexp(0, x)))
        ),
        "the slope of softplus is left out": lambda x, g: (
            g * (np.tanh(np.logaddexp(0, x)) + x / np.cosh(np.logaddexp(0, x)) ** 2)
        ),
        "the function in place of its slope": lambda x, g: g * mish(x),
    },
    "silu": {
        "the logistic function alone": logistic,
        "with 1.702": lambda x: x * logistic(1.702 * x),
        "relu": lambda x: np.maximum(x, 0),
        "of -x": lambda x: x * logistic(-x),
        "the hard form": lambda x: x * np.clip(x + 3, 0, 6) / 6,
        "clipped at 6": lambda x: np.minimum(silu(x), 6),
    },
    "silu_grad": {
        "without the gradient of the result": lambda x, g: silu_grad(x, 1),
        "the logistic function alone": lambda x, g: g * logistic(x),
        "a sign is wrong": lambda x, g: g * (logistic(x) - x * logistic(x) * logistic(-x)),
        "s squared for s (1 - s)": lambda x, g: g * (logistic(x) + x * logistic(x) ** 2),
        "of the result in place of the input": lambda x, g: silu_grad(silu(x), g),
    },
    "gelu": {
        "with 1.702": lambda x: x * logistic(1.702 * x),
        "without the root of 2": lambda x: x * (1 + np.vectorize(erf)(x)) / 2,
        "not halved": lambda x: 2 * gelu(x),
        "of the absolute": lambda x: np.abs(gelu(x)),
        "the distribution alone": lambda x: (1 + np.vectorize(erf)(x / sqrt(2))) / 2,
    },
    "softplus": {
        "relu": lambda x: np.maximum(x, 0),
        "the logarithm of base 2": lambda x: np.logaddexp(0, x) / np.log(2),
        "of -x": lambda x: np.logaddexp(0, -x),
        "linear above 2": lambda x: np.where(x > 2, x, np.logaddexp(0, x)),
        "less log 2": lambda x: np.logaddexp(0, x) - np.log(2),
    },
}


def activations() -> dict[str, dict[str, Run]]:
    """Each function, wrong; and right, but over its input."""
    return {
        name: {
            "over its input": partial(base.in_place, POINTWISE[name]),
            **{bug: partial(base.pointwise, POINTWISE[name], bug=run) for bug, run in wrong.items()},
        }
        for name, wrong in WRONG.items()
    }


SHARED = (
    "stride 1",
    "no dilation",
    "no padding in front",
    "the last tap is left out",
    "groups interleaved",
    "every filter on the first group",
    "taps transposed",
    "rows from behind",
    "the border is repeated",
    "wraps around",
    "bounds of columns by rows",
)
BUGS: Mapping[str, Mapping[str, Run]] = {
    "conv2d": named(base.conv2d, *SHARED, "the last output is left out", "no bias", "the bias for each channel"),
    "conv2d_grad_x": named(base.conv2d_grad_x, *SHARED, "the last output is left out", "written, not added"),
    "conv2d_grad_w": named(
        base.conv2d_grad_w, *SHARED, "the last output is left out", "the first image alone", "the mean over the batch"
    ),
    "conv_transpose2d": named(
        base.conv_transpose2d,
        "what is added is in front",
        "what is added is zero",
        "groups interleaved",
        "taps transposed",
        "written, not added",
        "no bias",
    ),
    "batch_norm": named(
        base.batch_norm,
        "the batch's own statistics",
        "the first channel's mean for all",
        "the bias before the weight",
        "divided by the variance",
        "the mean is added",
        "no weight",
        "no epsilon",
    ),
    "batch_norm_train": named(
        base.batch_norm_train,
        "each image by itself",
        "the square of the mean is forgotten",
        "the deviation is kept",
        "running statistics are not kept",
        "normalised by the running statistics",
        "running statistics are changed in place",
    ),
    "roi_pool": named(
        base.roi_pool,
        "corners are cut",
        "x and y exchanged",
        "the end of columns is exclusive",
        "the first image for all",
        "bins end where the next begins",
        "the maximum starts at 0",
        "an empty bin is very small",
        "the mean",
    ),
    "letterbox": named(
        base.letterbox,
        "height and width exchanged",
        "the greater ratio",
        "in the corner",
        "the rest is rounded up",
        "filled with black",
        "colours from behind",
        "nearest neighbours",
        "levels are not divided",
    ),
    "letterbox_boxes": named(
        base.letterbox_boxes,
        "the rest is not taken off",
        "the rest is taken off corners alone",
        "x and y exchanged",
        "one ratio for both sides",
        "cut to whole numbers",
        "ratios are inverted",
        "the input is overwritten",
    ),
    **activations(),
}
RIGHT: Mapping[str, Run] = {
    "conv2d": base.conv2d,
    "conv2d_grad_x": base.conv2d_grad_x,
    "conv2d_grad_w": base.conv2d_grad_w,
    "conv_transpose2d": base.conv_transpose2d,
    "batch_norm": base.batch_norm,
    "batch_norm_train": base.batch_norm_train,
    "roi_pool": base.roi_pool,
    "letterbox": base.letterbox,
    "letterbox_boxes": base.letterbox_boxes,
    **{name: partial(base.pointwise, function) for name, function in POINTWISE.items()},
}
