"""Our network in float64, with a bound of every tensor's error, and outputs that are replaced by theirs on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ... import nn
from ...autograd import Tensor, no_grad
from ...darknet.wiring import Route, Shortcut
from .bounds import STEEPEST, glue_bound, layer_bound
from .flips import Changed

#: Arrays that a module is given, and how far each may be off.
Given = tuple[tuple[np.ndarray, "np.ndarray | None"], ...]
#: Called with a call's number, its module, what it was given, output and bound; what it returns takes the output's
#: place.
Replace = Callable[[int, nn.Module, Given, np.ndarray, "np.ndarray | None"], "np.ndarray | None"]


class Run:
    """Hooks on every module of a network, which must be in float64 and ``eval()``.

    The bound of a tensor that a hooked module made is known; of one that a function between two modules made it is
    known where all that was open before has its shape.
    """

    def __init__(self, network: nn.Module, eps: float) -> None:
        self.network, self.eps = network, eps
        self.patched: dict[int, nn.Module] = {}
        self._forget()
        self._below = {id(m): {id(one) for _, one in m.named_modules()} for _, m in network.named_modules()}
        self._removers = [m.register_forward_hook(self._after) for _, m in network.named_modules()]

    def close(self) -> None:
        """Remove the hooks."""
        for remove in self._removers:
            remove()

    def _forget(self) -> None:
        self._bounds: dict[int, tuple[Tensor, np.ndarray | None]] = {}  # the tensors are kept, so that ids are theirs
        self._last: tuple[nn.Module, Tensor, np.ndarray, np.ndarray | None] | None = None
        self._open: dict[int, np.ndarray | None] = {}
        self._number = 0
        self._replace: Replace | None = None

    def through(self, x: np.ndarray, replace: Replace) -> None:
        """Run the network on ``x``; each output of one array is offered to ``replace``."""
        self._forget()
        self._replace = replace
        self._run(self.network, ((x, np.zeros(x.shape)),))

    def alone(self, module: nn.Module, given: Given) -> tuple[np.ndarray, np.ndarray | None]:
        """What a module makes of inputs, and the bound."""
        with self._aside():
            y = self._run(module, given)
            return y.data, self._bounds[id(y)][1] if id(y) in self._bounds else None

    @contextmanager
    def _aside(self) -> Iterator[None]:
        names = ("_bounds", "_last", "_open", "_number", "_replace")
        held = {name: getattr(self, name) for name in names}
        self._forget()
        try:
            yield
        finally:
            vars(self).update(held)

    def _run(self, module: nn.Module, given: Given) -> Any:
        tensors = tuple(Tensor(np.asarray(one, np.float64)) for one, _ in given)
        for one, (_, error) in zip(tensors, given, strict=True):
            self._bounds[id(one)] = one, error
        with no_grad(), np.errstate(all="ignore"):
            return module(*tensors)

    def _after(self, module: nn.Module, given: tuple[Any, ...], y: Any) -> None:
        number, self._number = self._number, self._number + 1
        if not isinstance(y, Tensor):
            return
        inputs = [one for one in given if isinstance(one, Tensor)]
        errors = [self._error(one) for one in inputs]
        bound = self._bound(module, inputs, errors, y)
        pre = y.data
        if self._replace is not None:
            arrays = tuple((one.data, error) for one, error in zip(inputs, errors, strict=True))
            theirs = self._replace(number, module, arrays, pre, bound)
            if theirs is not None:
                y.data = theirs.astype(np.float64)
                bound = np.zeros_like(y.data)
        self._bounds[id(y)] = y, bound
        for one in given:
            self._open.pop(id(one), None)
        if bound is None or bound.any():
            self._open[id(y)] = bound
        self._last = module, y, y.data, bound

    def _bound(
        self, module: nn.Module, inputs: list[Tensor], errors: list[np.ndarray | None], y: Tensor
    ) -> np.ndarray | None:
        if id(y) in self._bounds:  # a module that returns what one below it, or before it, returned
            return self._bounds[id(y)][1]
        known = [one for one in errors if one is not None]
        if len(known) < len(errors) or not inputs:
            return None
        if isinstance(module, Route):
            with self._aside():
                return module.forward(*map(Tensor, known)).data
        if isinstance(module, Shortcut) and all(one.shape == y.shape for one in inputs):
            return sum(known) + sum(4 * self.eps * np.abs(one.data) for one in inputs)
        if len(self._below.get(id(module), ())) <= 1:
            at = self.patched.get(id(module), module)
            x, dx = inputs[0].data, known[0]
            if isinstance(at, Changed):
                x, dx, at = at.given(x), at.given(dx), at.module
            return layer_bound(at, x, dx, y.data, self.eps)
        last = self._last
        if last is None or id(last[0]) not in self._below[id(module)] or last[3] is None:
            return None
        own = known[0] if inputs[0].shape == y.shape else 0.0
        return glue_bound(last[2], last[3], y.data, self.eps) + own if last[2].shape == y.shape else None

    def _error(self, x: Tensor) -> np.ndarray | None:
        """The bound of an input; of one that a function made, what is open and a few roundings."""
        if id(x) in self._bounds:
            return self._bounds[id(x)][1]
        error: np.ndarray | None = 8 * self.eps * np.abs(x.data)
        for one in self._open.values():
            if one is None or error is None or one.shape != x.shape:
                error = None
            else:
                error = error + STEEPEST * one
        self._open.clear()
        self._bounds[id(x)] = x, error
        return error
