"""Functions that move, repeat or select elements without computing with them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from minidet_kernels.arrays import Array, is_array, namespace

from ..autograd import Tensor, differentiable
from .broadcasting import Result, spread, unbroadcast
from .scatter import add_at


@differentiable
def reshape(x: Array, *, shape: int | tuple[int, ...]) -> Result:
    """``x`` with its elements, in row-major order, laid out as ``shape``; one size may be -1."""
    before = x.shape
    return x.reshape(shape), (lambda g: g.reshape(before),)


@differentiable
def transpose(x: Array, *, axes: tuple[int, ...] | None = None) -> Result:
    """``x`` with its axes in the order ``axes``; reversed without one."""
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(a % x.ndim for a in axes)
    back = tuple(sorted(range(x.ndim), key=order.__getitem__)) if len(order) == x.ndim else ()
    return x.transpose(order), (lambda g: g.transpose(back),)


@differentiable
def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Result:
    """``x`` repeated along axes of size 1, and along new axes in front, to ``shape``."""
    before = x.shape
    return spread(x, shape), (lambda g: unbroadcast(g, before),)


@differentiable
def concatenate(*xs: Array, axis: int = 0) -> Result:
    """The arrays one after the other along ``axis``: ``concatenate(a, b, axis=1)``.  Other axes are of equal size."""
    if not xs or not all(is_array(x) for x in xs):
        raise TypeError("concatenate() takes one or more arrays or tensors by position: concatenate(a, b, axis=1)")
    value = namespace(*xs).concatenate(xs, axis=axis)
    ends = [0]
    for x in xs:
        ends.append(ends[-1] + x.shape[axis])
    lead = (slice(None),) * (axis % value.ndim)
    pieces = [(*lead, slice(a, b)) for a, b in pairwise(ends)]
    return value, [lambda g, piece=piece: g[piece] for piece in pieces]


@differentiable
def stack(*xs: Array, axis: int = 0) -> Result:
    """Arrays of one shape along a new axis: ``stack(a, b, axis=1)``."""
    if not xs or not all(is_array(x) for x in xs):
        raise TypeError("stack() takes one or more arrays or tensors by position: stack(a, b, axis=1)")
    value = namespace(*xs).stack(xs, axis=axis)
    lead = (slice(None),) * (axis % value.ndim)
    return value, [lambda g, i=i: g[(*lead, i)] for i in range(len(xs))]


@differentiable
def getitem(x: Array, *, index: Any) -> Result:
    """``x[index]`` for any index of NumPy's; elements that are selected more than once add up their gradients."""
    index = tuple(map(_plain, index)) if isinstance(index, tuple) else _plain(index)
    xp, shape = namespace(x), x.shape

    def grad(g: Array) -> Array:
        z = xp.zeros(shape, g.dtype)
        if _selects_once(index):
            z[index] = g
        else:
            add_at(z, index, g)
        return z

    return x[index], (grad,)


def _plain(index: Any) -> Any:
    return index.data if isinstance(index, Tensor) else index


def _selects_once(index: Any) -> bool:
    def once(i: Any) -> bool:
        return i is None or i is Ellipsis or isinstance(i, (int, slice)) or (is_array(i) and i.dtype.kind == "b")

    return all(map(once, index if isinstance(index, tuple) else (index,)))


def along(index: Array, axis: int, shape: tuple[int, ...]) -> tuple[Array, ...]:
    """What to write between brackets to reach the elements of ``gather``, where the result of that has ``shape``.

    (NumPy has ``put_along_axis``, CuPy not before 14.)
    """
    where: list[Array] = list(namespace(index).ogrid[tuple(slice(n) for n in shape)])
    where[axis] = index
    return tuple(where)


@differentiable
def gather(x: Array, index: Array, *, axis: int) -> Result:
    """``y[i, j, ...] = x[i, index[i, j, ...], ...]`` for ``axis=1``: one index along ``axis`` per element of ``y``.

    ``index`` holds integers and has as many axes as ``x``; the other axes are broadcast (``numpy.take_along_axis``).
    Elements that are taken more than once add up their gradients.  Negative indices count from the end; an index out
    of range raises ``IndexError`` (on a GPU it is wrapped around, as CuPy does).
    """
    xp = namespace(x, index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"gather() with an index of {index.dtype}; integers are expected")
    if index.ndim != x.ndim:
        raise ValueError(f"gather() of an array of shape {x.shape} with an index of shape {index.shape}: other rank")
    axis, shape = axis % x.ndim, x.shape

    def grad(g: Array) -> Array:
        # along the other axes y has the sizes that x and index have when broadcast
        z = xp.zeros((*g.shape[:axis], shape[axis], *g.shape[axis + 1 :]), g.dtype)
        add_at(z, along(index, axis, g.shape), g)
        return unbroadcast(z, shape)

    return xp.take_along_axis(x, index, axis=axis), (grad, None)


@differentiable
def pad(x: Array, *, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Result:
    """``x`` with ``widths[i] = (before, after)`` elements of ``value`` added along axis ``i``."""
    if len(widths) != x.ndim or any(n < 0 for pair in widths for n in pair):
        raise ValueError(
            f"pad() of an array of shape {x.shape} by {widths}: one pair of sizes >= 0 per axis is expected"
        )
    inner = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True))
    padded = namespace(x).pad(x, widths, constant_values=value) if x.ndim else x
    return padded, (lambda g: g[inner],)
