"""Python's operators on tensors, and the functions that are also methods: ``a * b``, ``x.sum(axis=1)``, ``x[0]``."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from minidet_kernels.arrays import Array

from ..autograd import Tensor
from . import activations, arithmetic, reductions, shaping, smooth


def _swapped(function: Callable[..., Tensor]) -> Callable[[Any, Any], Tensor]:
    return lambda self, other: function(other, self)


def _compare(compare: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Array]:
    return lambda self, other: compare(self.data, other.data if isinstance(other, Tensor) else other)


def _sizes(numbers: tuple[Any, ...]) -> Any:
    """``(2, 3)`` of both ``f(2, 3)`` and ``f((2, 3))``."""
    return tuple(numbers[0]) if len(numbers) == 1 and isinstance(numbers[0], (tuple, list)) else numbers


def _reduction(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def method(self: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
        return function(self, axis=axis, keepdims=keepdims)

    method.__doc__ = function.__doc__
    return method


def _unary(function: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return function(self)

    method.__doc__ = function.__doc__
    return method


METHODS: dict[str, Any] = {
    "__add__": arithmetic.add,
    "__radd__": _swapped(arithmetic.add),
    "__sub__": arithmetic.sub,
    "__rsub__": _swapped(arithmetic.sub),
    "__mul__": arithmetic.mul,
    "__rmul__": _swapped(arithmetic.mul),
    "__truediv__": arithmetic.div,
    "__rtruediv__": _swapped(arithmetic.div),
    "__pow__": arithmetic.power,
    "__rpow__": _swapped(arithmetic.power),
    "__matmul__": arithmetic.matmul,
    "__rmatmul__": _swapped(arithmetic.matmul),
    "__neg__": arithmetic.neg,
    "__abs__": arithmetic.abs,
    "__getitem__": lambda self, index: shaping.getitem(self, index=index),
    # comparisons give plain arrays: they have no gradient.  Tensors stay hashable, by identity.
    "__eq__": _compare(operator.eq),
    "__ne__": _compare(operator.ne),
    "__lt__": _compare(operator.lt),
    "__le__": _compare(operator.le),
    "__gt__": _compare(operator.gt),
    "__ge__": _compare(operator.ge),
    "__hash__": object.__hash__,
    "T": property(lambda self: shaping.transpose(self)),
    "reshape": lambda self, *shape: shaping.reshape(self, shape=_sizes(shape)),
    "transpose": lambda self, *axes: shaping.transpose(self, axes=_sizes(axes) or None),
    "broadcast_to": lambda self, *shape: shaping.broadcast_to(self, shape=_sizes(shape)),
    "clip": lambda self, low=None, high=None: arithmetic.clip(self, low=low, high=high),
}
METHODS |= {name: _reduction(getattr(reductions, name)) for name in ("sum", "mean", "max", "min", "logsumexp")}
METHODS |= {name: _unary(getattr(arithmetic, name)) for name in ("exp", "log", "sqrt", "abs")}
METHODS |= {"sigmoid": _unary(smooth.sigmoid), "tanh": _unary(smooth.tanh), "relu": _unary(activations.relu)}


def install() -> None:
    """Give ``Tensor`` its operators and methods; done once, when ``minidet.functions`` is imported."""
    for name, method in METHODS.items():
        setattr(Tensor, name, method)
