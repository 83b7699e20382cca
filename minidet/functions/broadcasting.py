"""The adjoints of broadcasting and of reducing, used by the gradients of the other functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from minidet_kernels.arrays import Array, namespace

from ..autograd import Vjp

#: What a differentiable function of arrays returns: the value, and one vjp (or None) per positional input.
Result: TypeAlias = tuple[Array, Sequence[Vjp | None]]

Axis: TypeAlias = int | tuple[int, ...] | None


def as_float(x: Any) -> Array:
    """``x`` as an array of floats: float arrays as they are, integers, booleans and Python numbers as float64."""
    xp = namespace(x)
    x = xp.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(xp.float64)


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``g`` over the axes along which an array of ``shape`` was repeated to give it the shape of ``g``."""
    if g.shape == shape:
        return g
    added = g.ndim - len(shape)
    repeated = tuple(i for i, n in enumerate(shape, added) if n == 1 != g.shape[i])
    return g.sum(axis=(*range(added), *repeated), keepdims=True).reshape(shape)


def spread(g: Array, shape: tuple[int, ...]) -> Array:
    """``g`` repeated to ``shape``: a view of it (of an empty array, an array of its own, which may be written to)."""
    xp = namespace(g)
    view = xp.broadcast_to(g, shape)
    return view if view.size else xp.zeros(shape, g.dtype)


def reduced_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes that ``axis`` means, as non-negative numbers; ``None`` means all.

    Raises ``ValueError`` for an axis that an array of ``ndim`` axes has not, and for one named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple) else (axis,)
    for a in given:
        if not -ndim <= a < ndim:
            raise ValueError(
                f"axis {a} of an array of {ndim} axes; use {-ndim} to {ndim - 1}" if ndim else f"axis {a} of a scalar"
            )
    axes = tuple(a % ndim for a in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {axis} names an axis twice")
    return axes


def keep_reduced(g: Array, axis: Axis, shape: tuple[int, ...], keepdims: bool) -> Array:
    """``g``, the gradient of a reduction of an array of ``shape``, with the reduced axes back as axes of size 1."""
    if keepdims:
        return g
    axes = reduced_axes(axis, len(shape))
    return g.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape)))
