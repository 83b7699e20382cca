"""Launchers of the resampling room's CUDA kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4, too_large
from .axis import resolve
from .lines import line, most_taps, reach, rounded

TILE = 128
#: Planes that a thread works on, at least, where there are enough: what it finds out about its place pays for them all.
PLANES = 8
C = {"f": "float", "d": "double"}

NEAREST = Source(__file__, "nearest.cu", TILE=TILE)
PLACES = Source(
    __file__,
    "places.cu",
    TILE=TILE,
    instances=[f"resize_places<{t}, {v}>" for t, widths in (("float", (1, 2, 4)), ("double", (1, 2))) for v in widths],
)
NEAREST_BACK = Source(
    __file__, "nearest_back.cu", TILE=TILE, instances=[f"resize_nearest_back<{t}>" for t in C.values()]
)
BILINEAR = Source(__file__, "bilinear.cu", TILE=TILE, instances=[f"resize_bilinear<{t}>" for t in C.values()])
TAPS = Source(
    __file__, "taps.cu", TILE=TILE, instances=[f"resize_{k}<{t}>" for k in ("axis", "taps") for t in C.values()]
)


def _fits(x: Array, shape: Sequence[int]) -> str | None:
    if max(*x.shape[2:], *shape[2:]) >= 1 << 30:
        return "takes sides below 2^30"
    return too_large(x=x.size, y=int(np.prod(shape)))


def takes_nearest(x: Array, *, size: Sequence[int], mode: str = "nearest", **options: Any) -> str | None:
    """Why ``places.cu`` refuses, or ``None``."""
    return _fits(x, (*x.shape[:2], *size)) if mode == "nearest" else f"takes mode 'nearest', not {mode!r}"


def takes_columns(
    x: Array, *, size: Sequence[int], coordinates: str | None = None, rounding: str = "floor", **options: Any
) -> str | None:
    """Why ``nearest.cu`` refuses, or ``None``."""
    if why := takes_nearest(x, size=size, **options):
        return why
    if resolve("nearest", coordinates) != "asymmetric" or rounding != "floor":
        return f"takes coordinates 'asymmetric' rounded by 'floor', not {coordinates!r} by {rounding!r}"
    return None if x.dtype.char == "f" else f"takes float32, not {x.dtype}"


def takes_bilinear(
    x: Array, *, size: Sequence[int], mode: str = "nearest", antialias: bool = False, **options: Any
) -> str | None:
    """Why ``bilinear.cu`` refuses, or ``None``."""
    if mode != "bilinear" or antialias:
        return "takes mode 'bilinear' without antialias"
    return _fits(x, (*x.shape[:2], *size))


def takes_linear(x: Array, *, size: Sequence[int], mode: str = "nearest", **options: Any) -> str | None:
    """Why ``taps.cu`` refuses, or ``None``."""
    return _fits(x, (*x.shape[:2], *size)) if mode == "bilinear" else f"takes mode 'bilinear', not {mode!r}"


def takes_nearest_grad(g: Array, *, shape: Sequence[int], mode: str = "nearest", **options: Any) -> str | None:
    """Why ``nearest_back.cu`` refuses, or ``None``."""
    return _fits(g, shape) if mode == "nearest" else f"takes mode 'nearest', not {mode!r}"


def takes_linear_grad(g: Array, *, shape: Sequence[int], mode: str = "nearest", **options: Any) -> str | None:
    """Why the gradient by ``taps.cu`` refuses, or ``None``."""
    return _fits(g, shape) if mode == "bilinear" else f"takes mode 'bilinear', not {mode!r}"


def _by_planes(
    source: Source, kernel: str, x: Array, shape: Sequence[int], args: Sequence[Any], width: int = 1
) -> Array:
    """Launch ``kernel``, whose threads make ``width`` elements of one plane after another; the output of ``shape``."""
    N, c, oh, ow = (int(s) for s in shape)
    y = namespace(x).empty((N, c, oh, ow), x.dtype)
    grid = (cover(oh * ow // width, TILE), min(cover(N * c, PLANES), 65535))
    source(kernel, grid, TILE, (dense(x), y, i4(N * c), *args))
    return y


def _sides(*pairs: Sequence[int]) -> list[Any]:
    return [i4(side) for pair in pairs for side in pair]


def resize_columns(x: Array, *, size: Sequence[int], **options: Any) -> Array:
    """As ``minidet_kernels.resize`` by ``nearest.cu``: mode ``"nearest"``, ``"asymmetric"``, ``"floor"``."""
    (N, c, H, W), (oh, ow) = x.shape, size
    y = namespace(x).empty((N, c, oh, ow), x.dtype)
    grid = (cover(ow, TILE), min(cover(N * c * oh, PLANES), 65535))
    NEAREST("resize_nearest", grid, TILE, (dense(x), y, i4(N * c), *_sides((H, W), (oh, ow))))
    return y


def resize_nearest(
    x: Array, *, size: Sequence[int], coordinates: str | None = None, rounding: str = "floor", **options: Any
) -> Array:
    """As ``minidet_kernels.resize`` by ``places.cu``: mode ``"nearest"``."""
    where, inputs = resolve("nearest", coordinates), x.shape[2:]
    axes = (rounded(n, m, where, rounding) for n, m in zip(inputs, size, strict=True))
    width = next(v for v in (16 // x.itemsize, 2, 1) if size[0] * size[1] % v == 0)
    args = (*_sides(inputs, size), *(np.int64(number) for axis in axes for number in axis))
    return _by_planes(PLACES, f"resize_places<{C[x.dtype.char]}, {width}>", x, (*x.shape[:2], *size), args, width)


def resize_grad_x_nearest(
    g: Array, *, shape: Sequence[int], coordinates: str | None = None, rounding: str = "floor", **options: Any
) -> Array:
    """As ``minidet_kernels.resize_grad_x`` by ``nearest_back.cu``, summed in the dtype of ``g``, row by row."""
    where, outputs = resolve("nearest", coordinates), g.shape[2:]
    axes = (rounded(n, m, where, rounding) for n, m in zip(shape[2:], outputs, strict=True))
    args = (*_sides(shape[2:], outputs), *(np.int64(number) for axis in axes for number in axis))
    return _by_planes(NEAREST_BACK, f"resize_nearest_back<{C[g.dtype.char]}>", g, shape, args)


def resize_bilinear(x: Array, *, size: Sequence[int], coordinates: str | None = None, **options: Any) -> Array:
    """As ``minidet_kernels.resize`` by ``bilinear.cu``: mode ``"bilinear"``, weights and sums in the dtype of ``x``."""
    where, inputs = resolve("bilinear", coordinates), x.shape[2:]
    axes = (line(n, m, where) for n, m in zip(inputs, size, strict=True))
    args = (*_sides(inputs, size), *(np.int64(number) for axis in axes for number in axis))
    return _by_planes(BILINEAR, f"resize_bilinear<{C[x.dtype.char]}>", x, (*x.shape[:2], *size), args)


def _linear(
    x: Array, shape: Sequence[int], large: Sequence[int], small: Sequence[int], where: str, antialias: bool, back: bool
) -> Array:
    """The map from sides ``large`` to sides ``small``, or back."""
    xp, kind, tables = namespace(x), C[x.dtype.char], []
    for n, m in zip(large, small, strict=True):
        count, taps = (n if back else m), most_taps(n, m, where, antialias, back)
        triangle, wide = antialias and n > 1, reach(n, m, antialias)
        first, weights = xp.empty(count, xp.int32), xp.empty((taps, count), x.dtype)
        numbers = [np.int64(number) for number in (*line(n, m, where), wide)]
        flags = (np.float64(max(n / m, 1)), np.bool_(triangle), np.bool_(back))
        TAPS(
            f"resize_axis<{kind}>", cover(count, TILE), TILE, (first, weights, i4(n), i4(m), i4(taps), *numbers, *flags)
        )
        tables += [first, weights, i4(taps)]
    return _by_planes(TAPS, f"resize_taps<{kind}>", x, shape, (*_sides(x.shape[2:], shape[2:]), *tables))


def resize_linear(
    x: Array, *, size: Sequence[int], coordinates: str | None = None, antialias: bool = False, **options: Any
) -> Array:
    """As ``minidet_kernels.resize`` by ``taps.cu``: mode ``"bilinear"``, antialiased or not."""
    where = resolve("bilinear", coordinates)
    return _linear(x, (*x.shape[:2], *size), x.shape[2:], size, where, antialias, False)


def resize_grad_x_linear(
    g: Array, *, shape: Sequence[int], coordinates: str | None = None, antialias: bool = False, **options: Any
) -> Array:
    """As ``minidet_kernels.resize_grad_x`` by ``taps.cu``: mode ``"bilinear"``, a gather."""
    return _linear(g, shape, shape[2:], g.shape[2:], resolve("bilinear", coordinates), antialias, True)
