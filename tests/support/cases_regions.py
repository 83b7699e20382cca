"""Arguments for the room of regions: boxes on whole and half elements, outside, inverted, empty and of one point."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from minidet_kernels import (
    crop_and_resize,
    crop_and_resize_grad_x,
    roi_align,
    roi_align_grad_x,
    roi_pool,
    roi_pool_grad_x,
)
from support.cases_boxes import view
from support.cases_convolution import array, dtypes
from support.cases_maps import tied
from support.cases_registry import EXACT, case

Shape = tuple[int, ...]


def rois(draw: Any, shape: Shape, scale: float) -> np.ndarray:
    """Up to six regions of a map of this shape, as boxes of an image that the map is ``scale`` times."""
    N, _, H, W = shape
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    K = draw(st.integers(0, 6)) if N else 0
    corners = rng.uniform(-3, max(H, W) + 3, (K, 4))
    kind = draw(st.sampled_from(["grid", "halves", "general", "points", "far"]))
    if kind in ("grid", "halves", "points"):
        corners = np.round(corners * 2) / 2 if kind == "halves" else np.round(corners)
    if kind == "points":
        corners[:, 2:] = corners[:, :2]
    if kind == "far":
        corners[: K // 2 + 1] += rng.choice([-40, 40])
    if draw(st.booleans()):  # not inverted
        corners = np.concatenate(
            [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], axis=1
        )
    image = rng.integers(0, max(N, 1), (K, 1))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return view(draw, np.concatenate([image, corners / scale], axis=1).astype(dtype))


def aligning(draw: Any, mode: Any = None) -> tuple[Shape, np.ndarray, tuple[int, int], dict[str, Any]]:
    """The map's shape, regions, the size of the output, and options."""
    channels = draw(st.sampled_from([0, 1, 2, 3, 3, 35]))  # 35: more than are worked on at once
    shape = (draw(st.integers(0, 3)), channels, draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    mode = mode or draw(st.sampled_from(["avg", "avg", "max"]))
    options: dict[str, Any] = {
        "spatial_scale": draw(st.sampled_from([1.0, 0.5, 1 / 16, 0.3, 2.0])),
        "sampling_ratio": draw(st.sampled_from([0, -1, 1, 2, 3])),
        "aligned": draw(st.booleans()),
        "min_size": draw(st.sampled_from([None, None, 1.0, 0.0, -np.inf, 2.5])),
        "outside": draw(st.sampled_from(["margin", "margin", "zero", "border"])),
        "mode": mode,
    }
    if mode == "max":
        options["max_of"] = draw(st.sampled_from(["samples", "corners"]))
    out = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    return shape, rois(draw, shape, options["spatial_scale"]), out, options


def _bound(y: Any, x: np.ndarray, r: np.ndarray, **o: Any) -> Any:
    """``eps (m + 8) sum|terms|`` for m rows and columns; each weight is a sum of at most as many samples."""
    wide = np.abs(x).astype(np.float64)
    return np.finfo(x.dtype).eps * (x.shape[2] + x.shape[3] + 8) * roi_align.definition(wide, r, **o)


def _bound_grad(y: Any, g: np.ndarray, r: np.ndarray, x: Any = None, **o: Any) -> Any:
    """The same, where the bins of all regions may add up in one element."""
    m = g.shape[0] * g.shape[2] * g.shape[3] + 8
    return np.finfo(g.dtype).eps * m * roi_align_grad_x.definition(np.abs(g).astype(np.float64), r, x, **o)


@case("roi_align", compare=_bound, implementations={"numba_max": EXACT})
def _roi_align(draw: Any) -> Any:
    shape, r, out, options = aligning(draw)
    return (array(draw, shape, dtypes(draw)), r), options | {"output_size": out}


@case("roi_align_grad_x", compare=_bound_grad)
def _roi_align_grad_x(draw: Any) -> Any:
    shape, r, out, options = aligning(draw)
    dtype = dtypes(draw)
    g = array(draw, (len(r), shape[1], *out), dtype)
    if options["mode"] == "max":
        return (g, r, array(draw, shape, dtype)), options | {"shape": shape}
    return (g, r), options | {"shape": shape}


def pooling(draw: Any) -> tuple[Shape, np.ndarray, dict[str, Any]]:
    """The map's shape, regions, and options."""
    channels = draw(st.sampled_from([0, 1, 2, 3, 3, 35]))
    shape = (draw(st.integers(0, 3)), channels, draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    options = {
        "output_size": (draw(st.integers(1, 5)), draw(st.integers(1, 5))),
        "spatial_scale": draw(st.sampled_from([1.0, 0.5, 1 / 16, 0.3, 2.0])),
        "rounding": draw(st.sampled_from(["half_away", "half_away", "half_even"])),
        "end": draw(st.sampled_from(["inclusive", "inclusive", "exclusive"])),
        "bins": draw(st.sampled_from(["exact", "rounded"])),
    }
    return shape, rois(draw, shape, options["spatial_scale"]), options


def _pool_bound(y: Any, g: np.ndarray, index: np.ndarray, r: np.ndarray, *, shape: Shape) -> Any:
    """``eps m sum|g|``, where m bins share an element."""
    m = roi_pool_grad_x.definition(np.ones(g.shape), index, r, shape=shape)
    return np.finfo(g.dtype).eps * m * roi_pool_grad_x.definition(np.abs(g).astype(np.float64), index, r, shape=shape)


@case("roi_pool", compare=(EXACT, EXACT))
def _roi_pool(draw: Any) -> Any:
    shape, r, options = pooling(draw)
    return (tied(draw, shape, dtypes(draw)), r), options


@case("roi_pool_grad_x", compare=_pool_bound)
def _roi_pool_grad_x(draw: Any) -> Any:
    shape, r, options = pooling(draw)
    _, index = roi_pool.definition(tied(draw, shape, np.float32), r, **options)
    return (array(draw, index.shape, dtypes(draw)), index, r), {"shape": shape}


def cropping(draw: Any) -> tuple[Shape, np.ndarray, np.ndarray, dict[str, Any]]:
    """The map's shape, boxes on elements, between, outside, turned over and of one point, their images; options."""
    channels = draw(st.sampled_from([0, 1, 2, 3, 3, 35]))
    shape = (draw(st.integers(0, 3)), channels, draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    K = draw(st.integers(0, 6)) if shape[0] else 0
    unit = draw(st.sampled_from(["last", "last", "size", "element"]))
    kind = draw(st.sampled_from(["whole", "elements", "halves", "general", "points", "far"]))
    boxes = rng.uniform(-2, 10, (K, 4))
    if kind in ("elements", "halves", "points"):
        boxes = np.round(boxes * 2) / 2 if kind == "halves" else np.round(boxes)
    if kind == "points":
        boxes[:, 2:] = boxes[:, :2]
    if kind == "far":
        boxes[: K // 2 + 1] += rng.choice([-40, 40])
    if kind == "whole":
        boxes[:] = [0, 0, shape[2] - 1, shape[3] - 1]
    lengths = {"last": (shape[2] - 1, shape[3] - 1), "size": shape[2:], "element": (1, 1)}[unit]
    boxes = boxes / np.maximum(np.tile(lengths, 2), 1)
    boxes = view(draw, boxes.astype(draw(st.sampled_from([np.float32, np.float64]))))
    index = rng.integers(0, max(shape[0], 1), K).astype(draw(st.sampled_from([np.int64, np.int32])))
    return shape, boxes, index, {"unit": unit}


def _crop_bound(y: Any, x: np.ndarray, *args: Any, **o: Any) -> Any:
    """``eps 12 sum|terms|``: four products of three roundings each, and three additions; outside exact."""
    wide = np.abs(x).astype(np.float64)
    return np.finfo(x.dtype).eps * 12 * np.nan_to_num(crop_and_resize.definition(wide, *args, **o))


def _crop_bound_grad(y: Any, g: np.ndarray, *args: Any, **o: Any) -> Any:
    """The same, where the samples of all boxes may add up in one element."""
    m = g.shape[0] * g.shape[2] * g.shape[3] + 12
    return np.finfo(g.dtype).eps * m * crop_and_resize_grad_x.definition(np.abs(g).astype(np.float64), *args, **o)


def _crop_bound_boxes(y: Any, g: np.ndarray, x: np.ndarray, boxes: np.ndarray, index: Any, **o: Any) -> Any:
    """``eps64 (m + 12)`` of m terms, each at most ``2 max|x| n |g|``; and the rounding to the boxes' dtype."""
    if not g.size:
        return 0.0
    m, n = g[0].size + 12, max(x.shape[2:])
    terms = 2 * n * np.abs(x).max(initial=0).astype(np.float64) * np.abs(g).astype(np.float64).sum(axis=(1, 2, 3))
    return (np.finfo(np.float64).eps * m * terms)[:, None] + np.finfo(boxes.dtype).eps * np.abs(y)


@case("crop_and_resize", compare=_crop_bound)
def _crop_and_resize(draw: Any) -> Any:
    shape, boxes, index, options = cropping(draw)
    options |= {
        "size": (draw(st.integers(1, 5)), draw(st.integers(1, 5))),
        "method": draw(st.sampled_from(["bilinear", "bilinear", "nearest"])),
        "extrapolation": draw(st.sampled_from([0.0, 0.5, np.nan])),
    }
    return (array(draw, shape, dtypes(draw)), boxes, index), options


@case("crop_and_resize_grad_x", compare=_crop_bound_grad)
def _crop_and_resize_grad_x(draw: Any) -> Any:
    shape, boxes, index, options = cropping(draw)
    options |= {"shape": shape, "method": draw(st.sampled_from(["bilinear", "nearest"]))}
    g = array(draw, (len(boxes), shape[1], draw(st.integers(1, 5)), draw(st.integers(1, 5))), dtypes(draw))
    return (g, boxes, index), options


@case("crop_and_resize_grad_boxes", compare=_crop_bound_boxes)
def _crop_and_resize_grad_boxes(draw: Any) -> Any:
    shape, boxes, index, options = cropping(draw)
    dtype = dtypes(draw)
    g = array(draw, (len(boxes), shape[1], draw(st.integers(1, 5)), draw(st.integers(1, 5))), dtype)
    return (g, array(draw, shape, dtype), boxes, index), options
