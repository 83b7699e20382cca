"""One forward of a network, written down: which functions were called with what.

The trace knows arrays by identity: the input, what the calls return, and the network's parameters, buffers and other
tensors that were its attributes before.  An array that is none of these was computed behind the functions' backs
(``x.data`` and NumPy), perhaps from the input, so that nobody could compute it again for another input; the trace
refuses it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from minidet_kernels.arrays import is_array

from .. import nn
from ..autograd import Tensor, no_grad, record_calls

Structure = Any  # a value, or a list, tuple or dict of structures


class PlanError(ValueError):
    """Why a network cannot be planned."""


@dataclass(eq=False)
class Value:
    """An array of the trace: ``shape`` and ``dtype``; its ``uses`` are counted over calls and outputs."""

    shape: tuple[int, ...]
    dtype: np.dtype
    uses: int = 0


@dataclass(eq=False)
class Constant:
    """A parameter, a buffer or another tensor of the network, by name and by the attribute that it is of a module."""

    name: str
    module: nn.Module
    attribute: str

    @property
    def tensor(self) -> Tensor:
        """What the attribute holds now."""
        return vars(self.module)[self.attribute]


@dataclass(eq=False)
class Call:
    """``output = function(*inputs, **options)``; what was an array is a `Value` or a `Constant`."""

    function: Callable[..., Tensor]
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    output: Value

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.__name__

    @property
    def values(self) -> list[Value]:
        """The inputs that are values."""
        return [x for x in self.inputs if isinstance(x, Value)]


@dataclass
class Trace:
    """The calls of one forward, in order, without those that nothing came of."""

    input: Value
    calls: list[Call]
    outputs: Structure


def trace(net: nn.Module, x: np.ndarray) -> Trace:
    """Run ``net`` on ``x`` and write down the calls.  Raises `PlanError` for what cannot be computed again."""
    training = [name or type(net).__name__ for name, module in net.named_modules() if module.training]
    if training:
        raise PlanError(f"{training[0]} is in training mode; a plan is for inference: call eval() first")
    modules = dict(net.named_modules())
    constants: dict[int, Constant] = {}
    for path, module in modules.items():
        for attribute, t in vars(module).items():
            if isinstance(t, Tensor):
                constants[id(t.data)] = Constant(f"{path}.{attribute}" if path else attribute, module, attribute)
    start = Value(x.shape, x.dtype)
    known: dict[int, Value] = {}
    watched: list[weakref.ref[np.ndarray]] = []
    calls: list[Call] = []

    def remember(a: np.ndarray, value: Value) -> None:
        """Until the array is gone, since another one may then have its identity."""
        key = id(a)
        known[key] = value
        watched.append(weakref.ref(a, lambda _: known.pop(key, None)))

    remember(x, start)

    def look_up(name: str, a: Any) -> Any:
        a = a.data if isinstance(a, Tensor) else a
        if isinstance(a, (tuple, list)):
            for part in a:
                look_up(name, part)
        if not is_array(a) or (a.size == 1 and id(a) not in known and id(a) not in constants):
            return a
        found = known.get(id(a)) or constants.get(id(a))
        if found is None:
            raise PlanError(
                f"{name}() was given an array of shape {a.shape} that no recorded call made and that is no parameter "
                "or buffer of the network; compute it with minidet.functions, or keep it as a Buffer"
            )
        return found

    def record(function: Any, inputs: tuple[Any, ...], options: dict[str, Any], output: Tensor) -> None:
        found = tuple(look_up(function.__name__, a) for a in inputs)
        settings = {key: look_up(function.__name__, a) for key, a in options.items()}
        value = Value(output.shape, output.dtype)
        remember(output.data, value)
        calls.append(Call(function, found, settings, value))

    with no_grad(), record_calls(record):
        result = net(Tensor(x))

    def structure(part: Any) -> Structure:
        if isinstance(part, Tensor):
            found = known.get(id(part.data))
            if found is None:
                raise PlanError(f"the network returns an array of shape {part.shape} that no recorded call made")
            return found
        if isinstance(part, Mapping):
            return {key: structure(each) for key, each in part.items()}
        if isinstance(part, (list, tuple)):
            return type(part)(structure(each) for each in part)
        raise PlanError(f"the network returns a {type(part).__name__}; tensors, lists, tuples and dicts can be planned")

    outputs = structure(result)
    return Trace(start, _needed(calls, leaves(outputs)), outputs)


def leaves(structure: Structure) -> list[Value]:
    """The values of a structure, in order."""
    if isinstance(structure, Value):
        return [structure]
    parts = structure.values() if isinstance(structure, dict) else structure
    return [value for part in parts for value in leaves(part)]


def fill(structure: Structure, arrays: Mapping[Value, Any]) -> Any:
    """The structure with each value's array in its place."""
    if isinstance(structure, Value):
        return arrays[structure]
    if isinstance(structure, dict):
        return {key: fill(part, arrays) for key, part in structure.items()}
    return type(structure)(fill(part, arrays) for part in structure)


def _needed(calls: list[Call], outputs: list[Value]) -> list[Call]:
    """The calls that an output depends on; counts the uses of their inputs."""
    for value in outputs:
        value.uses += 1
    kept = []
    for call in reversed(calls):
        if call.output.uses:
            kept.append(call)
            for value in call.values:
                value.uses += 1
    return kept[::-1]
