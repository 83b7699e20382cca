"""Small arguments for every operator: enough of them that every compiled function of every implementation runs once.

``EXAMPLES[operator]`` takes a dtype and gives pairs of positional arguments and options.  ``warm.py`` runs them to
compile ahead; a test runs them against the definitions.  What counts is the types, since Numba compiles a function anew
for each: shapes are as small as the implementations' limits allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Call = tuple[tuple[Any, ...], dict[str, Any]]
EXAMPLES: dict[str, Callable[[Any], Iterator[Call]]] = {}

#: Bytes of a matrix of overlaps that is written past the caches; as in ``overlap/streams.py``, which needs Numba.
LARGE = 1 << 24
#: The side of a map that is shared among threads; as in ``pooling/`` and ``resampling/numba_cpu.py``.
SIDE = 400


def example(*operators: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function of a dtype and the operator's name for these operators."""

    def register(make: Callable[..., Any]) -> Callable[..., Any]:
        for name in operators:
            assert name not in EXAMPLES, f"two examples for {name!r}"
            EXAMPLES[name] = lambda dtype, name=name: make(dtype, name)  # type: ignore[misc]
        return make

    return register


def _ramp(dtype: Any, *shape: int) -> Any:
    return (np.arange(np.prod(shape), dtype=dtype) % 7 - 3).reshape(shape)


def _boxes(dtype: Any, n: int) -> Any:
    corner = np.arange(n, dtype=dtype)[:, None] % 5
    return np.concatenate([corner, corner, corner + 4, corner + 3], axis=1)


@example("conv2d", "conv2d_grad_x", "conv2d_grad_w")
def _convolution(dtype: Any, name: str) -> Iterator[Call]:
    # depthwise (on one thread, and on all), plain (few and many channels, long rows), and 1 x 1
    kinds = ((4, 4, 3, 12), (64, 64, 3, 72), (16, 1, 3, 12), (48, 1, 3, 12), (2, 1, 3, 40), (16, 1, 1, 12))
    for channels, groups, size, side in kinds:
        x, w = _ramp(dtype, 1, channels, side, side), _ramp(dtype, channels, channels // groups, size, size)
        options = {"padding": size // 2, "groups": groups}
        if name == "conv2d":
            yield (x, w, _ramp(dtype, channels)), options
        elif name == "conv2d_grad_x":
            yield (x, w), options | {"shape": x.shape}
            if groups > 1:
                yield (x[:, :, ::2, ::2].copy(), w), options | {"shape": x.shape, "stride": 2}
        else:
            yield (x, x), options | {"shape": w.shape}


@example("conv2d_fused")
def _fused(dtype: Any, name: str) -> Iterator[Call]:
    x, w = _ramp(dtype, 1, 16, 12, 12), _ramp(dtype, 32, 16, 3, 3)
    yield (x, w, _ramp(dtype, 32), _ramp(dtype, 1, 32, 12, 12)), {"padding": 1, "activation": "mish"}
    yield (x, w, _ramp(dtype, 32)), {"padding": 1, "stride": 2}
    yield (x, x.reshape(16, 1, 12, 12)[:, :, :3, :3]), {"groups": 16}


@example("batch_norm_train", "batch_norm_grad")
def _batch_norm(dtype: Any, name: str) -> Iterator[Call]:
    x, c, options = _ramp(dtype, 2, 3, 4, 4), _ramp(dtype, 3), {"eps": 1e-5, "epsilon": "inside", "variance": "biased"}
    if name == "batch_norm_train":
        yield (x, c, c), options
    else:
        yield (x, x, c, np.zeros(3), np.ones(3)), options


@example("leaky_relu", "leaky_relu_grad")
def _leaky_relu(dtype: Any, name: str) -> Iterator[Call]:
    x = _ramp(dtype, 2, 3, 4, 4)
    yield ((x,) if name == "leaky_relu" else (x, x)), {"slope": 0.1}


@example("max_pool2d", "avg_pool2d")
def _pooling(dtype: Any, name: str) -> Iterator[Call]:
    yield (_ramp(dtype, 1, 2, 6, 6),), {"size": 2}
    yield (_ramp(dtype, 1, 2, 6, 6),), {"size": 3, "stride": 1, "padding": 1}
    yield (_ramp(dtype, 1, 2, SIDE, SIDE),), {"size": 2}


@example("max_pool2d_grad_x")
def _max_pool_grad(dtype: Any, name: str) -> Iterator[Call]:
    index = np.arange(9, dtype=np.int64).reshape(1, 1, 3, 3)
    yield (_ramp(dtype, 1, 1, 3, 3), index), {"shape": (1, 1, 6, 6)}
    yield (_ramp(dtype, 1, 1, 3, 3), index), {"shape": (1, 1, SIDE, SIDE)}


@example("avg_pool2d_grad_x")
def _avg_pool_grad(dtype: Any, name: str) -> Iterator[Call]:
    yield (_ramp(dtype, 1, 2, 3, 3),), {"shape": (1, 2, 6, 6), "size": 2}
    yield (_ramp(dtype, 1, 2, 6, 6),), {"shape": (1, 2, 6, 6), "size": 3, "stride": 1, "padding": 1}


@example("resize", "resize_grad_x")
def _resampling(dtype: Any, name: str) -> Iterator[Call]:
    for mode, (n, m) in (("nearest", (3, 6)), ("bilinear", (3, 6)), ("bilinear", (6, 3)), ("nearest", (6, SIDE))):
        options: dict[str, Any] = {"mode": mode, "antialias": m < n}
        if name == "resize":
            yield (_ramp(dtype, 1, 2, n, n),), options | {"size": (m, m)}
        else:
            yield (_ramp(dtype, 1, 2, m, m),), options | {"shape": (1, 2, n, n)}


@example("iou_matrix")
def _iou_matrix(dtype: Any, name: str) -> Iterator[Call]:
    yield (_boxes(dtype, 3), _boxes(dtype, 2)), {}
    side = 1 + int((LARGE / np.dtype(dtype).itemsize) ** 0.5)
    yield (_boxes(dtype, side), _boxes(dtype, side)), {}
    yield (_boxes(dtype, side), _boxes(dtype, side)), {"out": np.zeros((side, side), dtype)}


@example("giou_matrix", "diou_matrix", "ciou_matrix", "match")
def _two_sets(dtype: Any, name: str) -> Iterator[Call]:
    yield (_boxes(dtype, 3), _boxes(dtype, 2)), {}


@example("iou_pairs", "giou_pairs", "diou_pairs", "ciou_pairs")
def _pairs(dtype: Any, name: str) -> Iterator[Call]:
    yield (_boxes(dtype, 3), _boxes(dtype, 3)[::-1]), {}


@example("crowd_iou_matrix")
def _crowd(dtype: Any, name: str) -> Iterator[Call]:
    yield (_boxes(dtype, 3), _boxes(dtype, 2), np.array([True, False])), {}


@example("mask_iou")
def _mask_iou(dtype: Any, name: str) -> Iterator[Call]:
    counts, splits = np.array([3, 2, 4, 0, 4, 5], np.int64), np.array([0, 3, 6], np.int64)
    yield (counts, splits, counts, splits, np.array([True, False])), {"size": (3, 3)}


@example("diou_nms", "fast_nms", "soft_nms", "matrix_nms", "matrix_nms_of", "weighted_boxes_fusion")
def _more_suppression(dtype: Any, name: str) -> Iterator[Call]:
    boxes, scores, classes = _boxes(dtype, 5), np.linspace(0.1, 0.9, 5).astype(dtype), np.array([0, 1, 0, 1, 0])
    if name == "matrix_nms_of":
        yield (np.eye(5, dtype=dtype), scores), {}
    elif name == "weighted_boxes_fusion":
        yield (boxes, scores, classes, classes), {}
    elif name in ("diou_nms", "fast_nms"):
        yield (boxes, scores, classes), {"threshold": 0.5}
    else:
        for kernel in ("gaussian", "linear"):
            yield (boxes, scores, classes), {"kernel": kernel}


@example("nms", "batched_nms")
def _suppression(dtype: Any, name: str) -> Iterator[Call]:
    classes = (np.array([0, 1, 0, 1, 0]),) if name == "batched_nms" else ()
    yield (_boxes(dtype, 5), _ramp(dtype, 5), *classes), {"threshold": 0.5}


def _rois(dtype: Any) -> Any:
    return np.array([[0, 0, 0, 4, 4], [0, 1, 2, 3, 5]], dtype)


@example("roi_align")
def _roi_align(dtype: Any, name: str) -> Iterator[Call]:
    for options in ({}, {"mode": "max"}, {"mode": "max", "max_of": "corners"}):
        yield (_ramp(dtype, 1, 3, 6, 6), _rois(dtype)), {"output_size": 2, "sampling_ratio": 2} | options


@example("roi_align_grad_x")
def _roi_align_grad(dtype: Any, name: str) -> Iterator[Call]:
    g, x = _ramp(dtype, 2, 3, 2, 2), _ramp(dtype, 1, 3, 6, 6)
    yield (g, _rois(dtype)), {"shape": x.shape, "sampling_ratio": 2}
    for max_of in ("samples", "corners"):
        yield (g, _rois(dtype), x), {"shape": x.shape, "sampling_ratio": 2, "mode": "max", "max_of": max_of}


@example("roi_pool")
def _roi_pool(dtype: Any, name: str) -> Iterator[Call]:
    yield (_ramp(dtype, 1, 3, 6, 6), _rois(dtype)), {"output_size": 2}


@example("roi_pool_grad_x")
def _roi_pool_grad(dtype: Any, name: str) -> Iterator[Call]:
    index = np.arange(24, dtype=np.int64).reshape(2, 3, 2, 2)
    yield (_ramp(dtype, 2, 3, 2, 2), index, _rois(dtype)), {"shape": (1, 3, 6, 6)}


@example("crop_and_resize", "crop_and_resize_grad_x", "crop_and_resize_grad_boxes")
def _crop(dtype: Any, name: str) -> Iterator[Call]:
    x, boxes, index = _ramp(dtype, 1, 3, 6, 6), np.array([[0, 0, 1, 1], [0.5, 1, 0, 1.5]], dtype), np.array([0, 0])
    g = _ramp(dtype, 2, 3, 4, 4)
    if name == "crop_and_resize":
        yield (x, boxes, index), {"size": 4}
    elif name == "crop_and_resize_grad_x":
        yield (g, boxes, index), {"shape": x.shape}
    else:
        yield (g, x, boxes, index), {}
