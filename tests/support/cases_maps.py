"""Arguments for pooling and resampling: every convention, windows that overhang, one-pixel maps, ties and NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from minidet_kernels import avg_pool2d, avg_pool2d_grad_x, max_pool2d, max_pool2d_grad_x, resize, resize_grad_x
from minidet_kernels.pooling.windows import axes
from minidet_kernels.resampling.axis import resolve, weights
from support.cases_convolution import array, dtypes, either
from support.cases_registry import EXACT, case

Shape = tuple[int, ...]


def windows(draw: Any, conventions: list[str], check: Any, largest: int = 14) -> tuple[Shape, dict[str, Any]]:
    """The shape of x and the options of a pooling whose windows fit."""
    convention = draw(st.sampled_from(conventions))
    options: dict[str, Any] = {
        "size": draw(either(st.integers(1, 5)) | st.sampled_from([9, 13])),
        "convention": convention,
    }
    halves = draw(st.integers(0, 4)) == 0  # the usual windows, which some implementation may take by themselves
    if halves:
        options["size"] = 2
    elif draw(st.booleans()):
        options["stride"] = draw(either(st.integers(1, 6)))
    if not halves and draw(st.booleans()):
        size = options["size"]
        most = {"torch": lambda k: k // 2, "caffe": lambda k: k - 1, "darknet": lambda k: 2 * (k - 1)}[convention]
        if isinstance(size, int):
            options["padding"] = draw(st.integers(0, most(size)))
        else:
            options["padding"] = tuple(draw(st.integers(0, most(k))) for k in size)
    shape = (draw(st.integers(0, 2)), draw(st.integers(0, 3)), *(draw(st.integers(1, largest)) for _ in "HW"))
    try:
        check(np.empty(shape), **options)
    except ValueError:
        assume(False)
    return shape, options


def tied(draw: Any, shape: Shape, dtype: Any) -> np.ndarray:
    """An array with ties, sometimes with NaN and infinities, sometimes minus infinity throughout."""
    x = array(draw, shape, dtype).copy(order="K")
    kind = draw(st.sampled_from(["plain", "ties", "ties", "special", "minus infinity", "signed zeros"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "ties":
        x[...] = np.round(x)
    if kind == "special":
        x[...] = rng.choice([0, 1, 1, np.nan, np.inf, -np.inf], shape)
    if kind == "minus infinity":
        x[...] = -np.inf
    if kind == "signed zeros":
        x[...] = rng.choice([0.0, -0.0], shape)
    return x


def outputs(shape: Shape, options: dict[str, Any]) -> Shape:
    """The shape of the pooled map."""
    o = {"stride": None, "padding": None} | options
    return (*shape[:2], *(v.out for v in axes(shape, o["size"], o["stride"], o["padding"], o["convention"])))


def eps(x: np.ndarray) -> float:
    """The distance from 1 to the next number of this dtype."""
    return float(np.finfo(x.dtype).eps)


def hits(y: Any, g: np.ndarray, index: np.ndarray, *, shape: Shape) -> Any:
    """``eps m sum|g|`` where m windows share an element: m - 1 additions, and the definition's rounding."""
    m = max_pool2d_grad_x.definition(np.ones(g.shape), index, shape=shape)
    return eps(g) * m * max_pool2d_grad_x.definition(np.abs(g).astype(np.float64), index, shape=shape)


def means(op: Any, x: np.ndarray, **kwargs: Any) -> Any:
    """``eps (m + 4) sum|terms|`` for at most m = kh kw terms, the division and the definition's rounding."""
    size = kwargs["size"]
    m = size * size if isinstance(size, int) else size[0] * size[1]
    return eps(x) * (m + 4) * op.definition(np.abs(x).astype(np.float64), **kwargs)


@case("max_pool2d", compare=(EXACT, EXACT))
def _max_pool2d(draw: Any) -> Any:
    shape, options = windows(draw, ["torch", "caffe", "darknet"], max_pool2d.check)
    return (tied(draw, shape, dtypes(draw)),), options


@case("max_pool2d_grad_x", compare=hits)
def _max_pool2d_grad_x(draw: Any) -> Any:
    shape, options = windows(draw, ["torch", "caffe", "darknet"], max_pool2d.check)
    y, index = max_pool2d.definition(tied(draw, shape, np.float32), **options)
    return (array(draw, y.shape, dtypes(draw)), index), {"shape": shape}


@case("avg_pool2d", compare=lambda y, x, **kw: means(avg_pool2d, x, **kw))
def _avg_pool2d(draw: Any) -> Any:
    shape, options = windows(draw, ["torch", "caffe"], avg_pool2d.check)
    return (array(draw, shape, dtypes(draw)),), options | {"count_include_pad": draw(st.booleans())}


@case("avg_pool2d_grad_x", compare=lambda y, g, **kw: means(avg_pool2d_grad_x, g, **kw))
def _avg_pool2d_grad_x(draw: Any) -> Any:
    shape, options = windows(draw, ["torch", "caffe"], avg_pool2d.check)
    g = array(draw, outputs(shape, options), dtypes(draw))
    return (g,), options | {"count_include_pad": draw(st.booleans()), "shape": shape}


def resizing(draw: Any, largest: int = 12) -> tuple[Shape, Shape, dict[str, Any]]:
    """The shapes of x and y, and the options."""
    mode = draw(st.sampled_from(["nearest", "bilinear"]))
    options: dict[str, Any] = {"mode": mode}
    coordinates = draw(st.sampled_from([None, "half_pixel", "align_corners", "asymmetric"]))
    if coordinates:
        options["coordinates"] = coordinates
    if mode == "nearest" and draw(st.booleans()):
        options["rounding"] = draw(st.sampled_from(["floor", "prefer_floor", "prefer_ceil"]))
    elif mode == "bilinear" and resolve(mode, coordinates) == "half_pixel":
        options["antialias"] = draw(st.booleans())
    side = st.integers(1, largest)
    shape = (draw(st.integers(0, 2)), draw(st.integers(0, 3)), draw(side), draw(side))
    if draw(st.booleans()):  # whole factors are a path of their own
        size = tuple(n * draw(st.integers(1, 4)) for n in shape[2:])
    else:
        size = (draw(side), draw(side))
    return shape, (*shape[:2], *size), options


def taps(small: Shape, large: Shape, transpose: bool, options: dict[str, Any]) -> int:
    """The most products in one sum: nonzero weights of a row, of both axes."""
    total = 0
    for n, m in zip(small[2:], large[2:], strict=True):
        mode, antialias = options["mode"], options.get("antialias", False)
        where = resolve(mode, options.get("coordinates"))
        used = weights(n, m, mode, where, options.get("rounding", "floor"), antialias) != 0
        total += int(used.sum(axis=0 if transpose else 1).max())
    return total


def products(op: Any, x: np.ndarray, terms: int, **kwargs: Any) -> Any:
    """``eps (m + 6) sum|terms|``: m products of two roundings each, in sums of m terms, and the definition's own."""
    return eps(x) * (terms + 6) * op.definition(np.abs(x).astype(np.float64), **kwargs)


def _bound(y: Any, x: np.ndarray, *, size: Shape, **o: Any) -> Any:
    return products(resize, x, taps(x.shape, (*x.shape[:2], *size), False, o), size=size, **o)


def _bound_grad(y: Any, g: np.ndarray, *, shape: Shape, **o: Any) -> Any:
    return products(resize_grad_x, g, taps(shape, g.shape, True, o), shape=shape, **o)


@case("resize", compare=_bound)
def _resize(draw: Any) -> Any:
    x, y, options = resizing(draw)
    return (array(draw, x, dtypes(draw)),), options | {"size": y[2:]}


@case("resize_grad_x", compare=_bound_grad)
def _resize_grad_x(draw: Any) -> Any:
    x, y, options = resizing(draw)
    return (array(draw, y, dtypes(draw)),), options | {"shape": x}
