"""Arithmetic element by element, with NumPy's broadcasting, and the matrix product.

A Python number does not change the type of a float32 array; two arrays are promoted as NumPy promotes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from minidet_kernels.arrays import Array, namespace

from ..autograd import differentiable
from .broadcasting import Result, unbroadcast


def _shape(x: Any) -> tuple[int, ...]:
    """The shape of an array of either library, or of a number."""
    return getattr(x, "shape", ())


@differentiable
def add(a: Array, b: Array) -> Result:
    """``a + b``."""
    left, right = _shape(a), _shape(b)  # the closures hold these, and not the arrays
    return a + b, (lambda g: unbroadcast(g, left), lambda g: unbroadcast(g, right))


@differentiable
def sub(a: Array, b: Array) -> Result:
    """``a - b``."""
    left, right = _shape(a), _shape(b)
    return a - b, (lambda g: unbroadcast(g, left), lambda g: unbroadcast(-g, right))


@differentiable
def mul(a: Array, b: Array) -> Result:
    """``a * b``."""
    return a * b, (lambda g: unbroadcast(g * b, a.shape), lambda g: unbroadcast(g * a, b.shape))


@differentiable
def div(a: Array, b: Array) -> Result:
    """``a / b``, as IEEE 754 has it where ``b`` is 0."""
    return a / b, (lambda g: unbroadcast(g / b, a.shape), lambda g: unbroadcast(-(g / b) * (a / b), b.shape))


@differentiable
def neg(x: Array) -> Result:
    """``-x``."""
    return -x, (lambda g: -g,)


@differentiable
def power(x: Array, y: Array) -> Result:
    """``x ** y``.

    The gradient in ``x`` is 0 where ``y`` is 0, also at ``x = 0``; the gradient in ``y`` is 0 where ``x`` is 0 and
    ``y >= 0``, and NaN where ``x < 0`` (the function is defined there for whole ``y`` only).
    """
    xp = namespace(x, y)
    value = x**y

    def grad_x(g: Array) -> Array:
        if isinstance(y, (int, float)):
            return unbroadcast(g * (y * x ** (y - 1)) if y else xp.zeros_like(g), x.shape)
        constant = y == 0
        return unbroadcast(g * (y * x ** xp.where(constant, xp.ones_like(y), y - 1)), x.shape)

    def grad_y(g: Array) -> Array:
        base = xp.where((xp.asarray(x) == 0) & (y >= 0), 1, x)
        with np.errstate(invalid="ignore"):
            return unbroadcast(g * value * xp.log(base), y.shape)

    return value, (grad_x, grad_y)


@differentiable
def matmul(a: Array, b: Array) -> Result:
    """The matrix product over the last axis of ``a`` and the last but one of ``b``; the axes before are broadcast.

    A vector is taken as a row on the left and as a column on the right, as in ``numpy.matmul``.
    """
    xp = namespace(a, b)

    def as_matrices(g: Array) -> tuple[Array, Array, Array]:
        g = g[..., None] if b.ndim == 1 else g
        g = g[..., None, :] if a.ndim == 1 else g
        return (a[None, :] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b), g

    def grad_a(g: Array) -> Array:
        A, B, G = as_matrices(g)
        return unbroadcast(G @ xp.swapaxes(B, -1, -2), A.shape).reshape(a.shape)

    def grad_b(g: Array) -> Array:
        A, B, G = as_matrices(g)
        return unbroadcast(xp.swapaxes(A, -1, -2) @ G, B.shape).reshape(b.shape)

    return a @ b, (grad_a, grad_b)


@differentiable
def exp(x: Array) -> Result:
    """``e ** x``; overflows to infinity, as NumPy does, with a warning."""
    xp = namespace(x)
    y = xp.exp(x)
    return y, (lambda g: g * y,)


@differentiable
def log(x: Array) -> Result:
    """The natural logarithm; -inf at 0, NaN below."""
    return namespace(x).log(x), (lambda g: g / x,)


@differentiable
def sqrt(x: Array) -> Result:
    """The square root; NaN below 0.  The gradient at 0 is infinite."""
    y = namespace(x).sqrt(x)
    return y, (lambda g: 0.5 * g / y,)


@differentiable
def abs(x: Array) -> Result:
    """The absolute value; the gradient at 0 is 0."""
    xp = namespace(x)
    return xp.abs(x), (lambda g: g * xp.sign(x),)


@differentiable
def maximum(a: Array, b: Array) -> Result:
    """The larger of ``a`` and ``b``; where they are equal each gets half of the gradient.  NaN wins."""
    return namespace(a, b).maximum(a, b), _share(a, b, larger=True)


@differentiable
def minimum(a: Array, b: Array) -> Result:
    """The smaller of ``a`` and ``b``; where they are equal each gets half of the gradient.  NaN wins."""
    return namespace(a, b).minimum(a, b), _share(a, b, larger=False)


def _share(a: Array, b: Array, larger: bool) -> tuple[Any, Any]:
    def part(g: Array, mine: Array, other: Array) -> Array:
        xp = namespace(g)
        won = (mine > other) if larger else (mine < other)
        return unbroadcast(xp.where(won, g, xp.where(mine == other, g * 0.5, 0)), mine.shape)

    return lambda g: part(g, a, b), lambda g: part(g, b, a)


@differentiable
def clip(x: Array, *, low: Any = None, high: Any = None) -> Result:
    """``x`` raised to ``low`` and lowered to ``high`` (``None``: no bound on that side).

    The bounds are constants.  The gradient is 1 from ``low`` to ``high``, both included (as in torch until 2.13; from
    2.14 on torch has 0 at a bound), and 0 outside.
    """
    xp = namespace(x)
    if low is None and high is None:
        raise ValueError("clip() without low= and high= does nothing; give at least one of them")

    def grad(g: Array) -> Array:
        inside = xp.ones(x.shape, bool)
        inside = inside if low is None else inside & (x >= low)
        inside = inside if high is None else inside & (x <= high)
        return unbroadcast(g * inside, x.shape)

    return xp.clip(x, low, high), (grad,)


@differentiable
def where(condition: Array, a: Array, b: Array) -> Result:
    """``a`` where ``condition`` is true, ``b`` elsewhere; the side that is not taken gets the gradient 0.

    A side that is not taken is computed all the same: guard its input, or 0 times its infinite gradient is NaN.
    """
    xp = namespace(condition, a, b)
    condition = xp.asarray(condition)
    if condition.dtype != bool:
        raise TypeError(f"where() of a condition of {condition.dtype}; compare it with something to make it bool")
    left, right = _shape(a), _shape(b)
    return xp.where(condition, a, b), (
        None,
        lambda g: unbroadcast(xp.where(condition, g, 0), left),
        lambda g: unbroadcast(xp.where(condition, 0, g), right),
    )
