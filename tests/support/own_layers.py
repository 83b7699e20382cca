"""Our layers as functions of the inputs of the suite's operators, where the table does not take them as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from minidet_kernels import OPS, pin

import minidet.functions as F
from minidet import Tensor
from minidet.data.letterbox import letterbox, place

SLOPE = 0.01


def rungs(name: str, **options: Any) -> dict[str, Callable[..., Any]]:
    """Each implementation of an operator of the table, with options that the suite's call does not have."""
    return {rung: partial(OPS[name].using(rung), **options) for rung in OPS[name].rungs("numpy")}


def conv_transpose2d(**inputs: Any) -> Any:
    return F.conv_transpose2d(**inputs).data


def batch_norm(**inputs: Any) -> Any:
    return F.batch_norm(**inputs).data


def batch_norm_train(rung: str, running_mean: Any, running_var: Any, **inputs: Any) -> Any:
    """The running statistics are changed in place, so copies are given."""
    kept = {"running_mean": running_mean.copy(), "running_var": running_var.copy()}
    with pin(batch_norm_train=rung):
        y = F.batch_norm(**inputs, **kept, training=True)
    return y.data, kept["running_mean"], kept["running_var"]


def relu_grad(g: Any, x: Any) -> Any:
    leaf = Tensor(x, requires_grad=True)
    F.relu(leaf).backward(g)
    return leaf.grad


def boxes_back(boxes: Any, image: tuple[int, int], network: tuple[int, int], **options: Any) -> Any:
    return place(image, network, **options).to_image(boxes)


FUNCTIONS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "conv_transpose2d": {"functions": conv_transpose2d},
    "batch_norm": {"functions": batch_norm},
    "batch_norm_train": {rung: partial(batch_norm_train, rung) for rung in OPS["batch_norm_train"].rungs("numpy")},
    "leaky_relu": rungs("leaky_relu", slope=SLOPE),
    "leaky_relu_grad": rungs("leaky_relu_grad", slope=SLOPE),
    "relu_grad": {"functions": relu_grad},
    "gelu": {"functions": lambda x: F.gelu(x).data},
    "softplus": {"functions": lambda x: F.softplus(x).data},
    "letterbox": {"data": lambda image, size: letterbox(image, size)[0]},
    "letterbox_boxes": {"data": boxes_back},
}
TABLE: Mapping[str, tuple[str, int]] = {
    "conv2d": ("conv2d", 3),
    "conv2d_grad_x": ("conv2d_grad_x", 2),
    "conv2d_grad_w": ("conv2d_grad_w", 2),
    "roi_pool": ("roi_pool", 2),
    "mish": ("mish", 1),
    "mish_grad": ("mish_grad", 2),
    "silu": ("silu", 1),
    "silu_grad": ("silu_grad", 2),
}
