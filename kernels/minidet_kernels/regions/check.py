"""The arguments of RoIAlign and RoIPool: what is refused, in one line, and what each implementation does not take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index as whole
from typing import Any

import numpy as np

from ..arrays import Array, is_array, library, namespace
from .geometry import OUTSIDE, Pair, axes, pair
from .whole import BINS, END, ROUNDING

#: More samples than this per bin and axis are refused: a box of astronomical size would take all memory and time.
MOST_SAMPLES = 1 << 14


def array(where: str, name: str, x: Array, layout: str) -> None:
    """Refuse what is no array of float32 or float64 of as many axes as ``layout`` names."""
    if not is_array(x):
        raise TypeError(f"{where}: {name} must be a NumPy or CuPy array, not {type(x).__name__}")
    if x.dtype.char not in "fd":
        raise TypeError(f"{where}: {name} must be float32 or float64, not {x.dtype}; use {name}.astype(np.float32)")
    if x.ndim != layout.count(",") + 1:
        raise ValueError(f"{where}: {name} must have shape {layout}, not {x.shape}")


def sizes(where: str, name: str, value: Any, layout: str) -> tuple[int, ...]:
    """``value`` as the integers that ``layout`` names, the last two at least 1."""
    try:
        numbers = tuple(map(whole, value))
    except TypeError:
        raise TypeError(f"{where}: {name} must be integers {layout}, not {value!r}") from None
    if len(numbers) != layout.count(",") + 1 or min(numbers) < 0 or min(numbers[-2:]) < 1:
        raise ValueError(f"{where}: {name} must be {layout}, of at least one element each way, not {numbers}")
    return numbers


def output(where: str, output_size: Any) -> None:
    """Refuse an ``output_size`` that is neither a positive integer nor a pair of them."""
    pair = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
    sizes(where, "output_size", pair, "(oh, ow)")


def choice(where: str, name: str, value: Any, allowed: Sequence[str]) -> None:
    """Refuse a word that is not among those allowed."""
    if value not in allowed:
        raise ValueError(f"{where}: {name} is one of {', '.join(map(repr, allowed))}, not {value!r}")


def regions(where: str, x: Array, rois: Array, images: int, inverted: str) -> None:
    """Refuse regions of another shape or dtype, not finite, or of an image that is not there."""
    array(where, "rois", rois, "(K, 5)")
    if library(x) != library(rois):
        raise TypeError(f"{where}: rois are on {library(rois)} and the map on {library(x)}; move them to one device")
    if rois.shape[1] != 5:
        raise ValueError(f"{where}: rois must have shape (K, 5): batch index, x1, y1, x2, y2; not {rois.shape}")
    xp = namespace(rois)
    image = rois[:, 0]
    for bad, what in (
        (~xp.isfinite(rois).all(axis=1), "every number must be finite"),
        ((image < 0) | (image >= images) | (image != xp.floor(image)), f"the batch index must be 0 to {images - 1}"),
    ):
        if bool(bad.any()):
            k = int(bad.argmax())
            raise ValueError(f"{where}: rois[{k}] is {[float(v) for v in rois[k]]}; {what}")
    choice(where, "inverted", inverted, ("keep", "raise"))
    bad = (rois[:, 3:] < rois[:, 1:3]).any(axis=1)
    if inverted == "raise" and bool(bad.any()):
        k = int(bad.argmax())
        raise ValueError(f"{where}: rois[{k}] is {[float(v) for v in rois[k]]}; x2 < x1 or y2 < y1")


def scale(where: str, spatial_scale: Any) -> None:
    """Refuse a scale that is not a positive finite number."""
    if not isinstance(spatial_scale, int | float) or not 0 < spatial_scale < math.inf:
        raise ValueError(f"{where}: spatial_scale must be a positive number, such as 1/16, not {spatial_scale!r}")


def _options(where: str, sampling_ratio: Any, min_size: Any, outside: str, mode: str, max_of: str) -> None:
    try:
        ratio = whole(sampling_ratio)
    except TypeError:
        raise TypeError(f"{where}: sampling_ratio must be an integer, not {sampling_ratio!r}") from None
    if not -1 <= ratio <= MOST_SAMPLES:
        raise ValueError(f"{where}: sampling_ratio is 1 to {MOST_SAMPLES}, or 0 or -1 for adaptive, not {ratio}")
    if min_size is not None and not (isinstance(min_size, int | float) and min_size < math.inf):
        raise ValueError(f"{where}: min_size must be a number (-inf for none) or None, not {min_size!r}")
    choice(where, "outside", outside, OUTSIDE)
    choice(where, "mode", mode, ("avg", "max"))
    choice(where, "max_of", max_of, ("samples", "corners"))
    if mode == "avg" and max_of != "samples":
        raise ValueError(f"{where}: max_of {max_of!r} is for mode 'max'")


def _grid(where: str, rois: Array, *options: Any) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        for axis in axes(rois, *options):
            if len(rois) and not float(axis.bin.max()) <= MOST_SAMPLES:
                k = int(axis.bin.argmax())
                raise ValueError(
                    f"{where}: rois[{k}] is {[float(v) for v in rois[k]]}, whose bins of {float(axis.bin[k]):.3g} "
                    f"elements need more than {MOST_SAMPLES} samples a side; clip the boxes or give a sampling_ratio"
                )


def roi_align(
    x: Array,
    rois: Array,
    *,
    output_size: Pair,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    min_size: float | None = None,
    outside: str = "margin",
    mode: str = "avg",
    max_of: str = "samples",
    inverted: str = "keep",
) -> None:
    """Check the arguments of ``roi_align``."""
    where = "roi_align"
    array(where, "x", x, "(N, C, H, W)")
    sizes(where, "the shape of x", x.shape, "(N, C, H, W)")
    output(where, output_size)
    scale(where, spatial_scale)
    _options(where, sampling_ratio, min_size, outside, mode, max_of)
    regions(where, x, rois, x.shape[0], inverted)
    if sampling_ratio <= 0:
        _grid(where, rois, output_size, spatial_scale, sampling_ratio, aligned, min_size)


def roi_align_grad_x(
    g: Array,
    rois: Array,
    x: Array | None = None,
    *,
    shape: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    min_size: float | None = None,
    outside: str = "margin",
    mode: str = "avg",
    max_of: str = "samples",
    inverted: str = "keep",
) -> None:
    """Check the arguments of ``roi_align_grad_x``."""
    where = "roi_align_grad_x"
    gradient(where, g, rois, sizes(where, "shape", shape, "(N, C, H, W)"))
    scale(where, spatial_scale)
    _options(where, sampling_ratio, min_size, outside, mode, max_of)
    regions(where, g, rois, shape[0], inverted)
    if mode == "max" and (x is None or x.shape != tuple(shape) or library(x) != library(g)):
        found = "none" if x is None else f"one of shape {x.shape} on {library(x)}"
        raise ValueError(f"{where}: mode 'max' needs the map x, of shape {tuple(shape)} on {library(g)}, not {found}")
    if sampling_ratio <= 0:
        _grid(where, rois, g.shape[2:], spatial_scale, sampling_ratio, aligned, min_size)


def gradient(where: str, g: Array, rois: Array, shape: tuple[int, ...]) -> None:
    """Refuse a ``g`` that does not fit the regions and the map."""
    array(where, "g", g, "(K, C, oh, ow)")
    sizes(where, "the shape of g", g.shape, "(K, C, oh, ow)")
    if is_array(rois) and rois.ndim and g.shape[:2] != (len(rois), shape[1]):
        raise ValueError(
            f"{where}: {len(rois)} rois of {shape[1]} channels need g of shape ({len(rois)}, {shape[1]}, oh, ow), "
            f"not {g.shape}"
        )


def roi_pool(
    x: Array,
    rois: Array,
    *,
    output_size: Pair,
    spatial_scale: float = 1.0,
    rounding: str = "half_away",
    end: str = "inclusive",
    bins: str = "exact",
    inverted: str = "keep",
) -> None:
    """Check the arguments of ``roi_pool``."""
    where = "roi_pool"
    array(where, "x", x, "(N, C, H, W)")
    sizes(where, "the shape of x", x.shape, "(N, C, H, W)")
    if x.shape[2] * x.shape[3] >= 1 << 31:
        raise ValueError(f"{where}: x of shape {x.shape} has maps of 2**31 elements or more, too many for an index")
    output(where, output_size)
    scale(where, spatial_scale)
    choice(where, "rounding", rounding, ROUNDING)
    choice(where, "end", end, END)
    choice(where, "bins", bins, BINS)
    regions(where, x, rois, x.shape[0], inverted)


def roi_pool_grad_x(g: Array, index: Array, rois: Array, *, shape: Sequence[int]) -> None:
    """Check the arguments of ``roi_pool_grad_x``."""
    where = "roi_pool_grad_x"
    N, _, H, W = sizes(where, "shape", shape, "(N, C, H, W)")
    gradient(where, g, rois, tuple(shape))
    regions(where, g, rois, N, "keep")
    if library(index) != library(g) or index.shape != g.shape or index.dtype != np.int64:
        raise ValueError(
            f"{where}: index must be int64 of g's shape {g.shape}, as roi_pool returns it, "
            f"not {getattr(index, 'dtype', type(index).__name__)} of shape {getattr(index, 'shape', None)}"
        )
    if index.size and (int(index.min()) < -1 or int(index.max()) >= H * W):
        raise ValueError(f"{where}: index points outside {H} x {W}; it belongs to another x")


#: Elements of the maps for each bin, above which a copy of the maps with the channels last does not pay, as measured
#: on maps of 200 x 304: in the gradient the copy is filled with zeros and read back.
PAYS, PAYS_GRAD = 16, 5


def mean_only(x: Array, rois: Array, *, mode: str = "avg", **options: Any) -> str | None:
    """Limit of the implementations that add the samples before they have them all."""
    return None if mode == "avg" else f"takes mode 'avg', not {mode!r}"


def mean_only_grad(g: Array, rois: Array, x: Array | None = None, *, mode: str = "avg", **options: Any) -> str | None:
    """The same limit in the gradient."""
    return mean_only(g, rois, mode=mode)


def greatest_only(x: Array, rois: Array, *, mode: str = "avg", **options: Any) -> str | None:
    """Limit of the implementation that takes maxima."""
    return None if mode == "max" else f"takes mode 'max', not {mode!r}"


def greatest_only_grad(
    g: Array, rois: Array, x: Array | None = None, *, mode: str = "avg", **options: Any
) -> str | None:
    """The same limit in the gradient."""
    return greatest_only(g, rois, mode=mode)


def _many(maps: int, bins: int, most: int) -> str | None:
    if maps <= most * bins:
        return None
    return f"pays from one bin per {most} elements of the maps, not {bins} bins for {maps} elements"


def many(x: Array, rois: Array, *, output_size: Pair, mode: str = "avg", **options: Any) -> str | None:
    """Limit of ``numba_channels``."""
    oh, ow = pair(output_size)
    return mean_only(x, rois, mode=mode) or _many(x.shape[0] * x.shape[2] * x.shape[3], len(rois) * oh * ow, PAYS)


def many_grad(
    g: Array, rois: Array, x: Array | None = None, *, shape: Sequence[int], mode: str = "avg", **options: Any
) -> str | None:
    """Limit of ``numba_channels`` in the gradient."""
    bins = len(rois) * g.shape[2] * g.shape[3]
    return mean_only(g, rois, mode=mode) or _many(shape[0] * shape[2] * shape[3], bins, PAYS_GRAD)
