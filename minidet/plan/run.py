"""The steps of a plan, given memory: what each of them calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from minidet_kernels.convolution.geometry import pair
from minidet_kernels.convolution.packed import (
    KINDS,
    Epilogue,
    Geometry,
    Map,
    Packed,
    Program,
    bind_enlarge,
    bind_greatest,
    from_map,
    to_map,
)
from minidet_kernels.convolution.packed import Step as PackedStep

from ..autograd import Tensor
from ..functions.normalization import deviation
from .fuse import Convolution, Enlarge, Join, MaxPool, Node, Part, Plain
from .place import ToArray, ToMap
from .trace import Call, Constant, PlanError, Value

#: What a run holds: the arrays that exist so far.
Arrays = dict[Value, np.ndarray]
Step = Callable[[Arrays], None]


def pack(node: Convolution) -> Packed:
    """The node's convolution with its filters packed, its batch norm folded in."""
    weight, bias = node.weight.tensor.data, None if node.bias is None else node.bias.tensor.data
    if node.norm is not None:
        weight, bias = _folded(weight, bias, node.norm, node.title)
    options = {"stride": 1, "padding": 0, "dilation": 1} | node.calls[0].options
    stride, padding, dilation = (pair(options[name]) for name in ("stride", "padding", "dilation"))
    geometry = Geometry((weight.shape[2], weight.shape[3]), stride, padding, dilation)
    return KINDS[node.kind](weight, bias, geometry, Epilogue(node.activation, node.slope, node.after))


def _folded(weight: np.ndarray, bias: np.ndarray | None, norm: Call, title: str) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the convolution that also normalises, in float64 rounded once."""
    o = norm.options
    gamma, beta = (None if a is None else a.tensor.data.astype(np.float64) for a in norm.inputs[1:])
    mean, var = o["running_mean"].tensor.data, o["running_var"].tensor.data
    sigma = deviation(var, o.get("eps", 1e-5), o.get("epsilon", "inside"))
    if not (np.isfinite(sigma) & (sigma > 0)).all():
        raise PlanError(f"{title}: its batch norm divides by a deviation that is not a positive number")
    scale = 1 / sigma if gamma is None else gamma / sigma
    offset = mean if bias is None else mean - bias.astype(np.float64)
    shift = -offset * scale if beta is None else beta - offset * scale
    return (weight * scale[:, None, None, None]).astype(np.float32), shift.astype(np.float32)


def bind(node: Node, maps: Mapping[Value, Map], packed: Mapping[Convolution, Packed]) -> list[PackedStep | Step]:
    """What the node does in this memory; nothing where there is nothing to do."""
    if isinstance(node, Plain):
        return [partial(_call, node.calls[0])]
    if isinstance(node, ToArray):
        return [partial(_to_array, node.output, maps[node.output])]
    if isinstance(node, ToMap):
        return [partial(_to_map, node.output, maps[node.output])]
    if isinstance(node, Part):
        return []
    out = maps[node.output]
    if isinstance(node, Convolution):
        residual = None if node.residual is None else maps[node.residual]
        return [*packed[node].bind(maps[node.inputs[0]], out, residual)]
    if isinstance(node, MaxPool):
        return [*bind_greatest(maps[node.inputs[0]], out, size=node.size, stride=node.stride, before=node.before)]
    if isinstance(node, Enlarge):
        return [*bind_enlarge(maps[node.inputs[0]], out)]
    assert isinstance(node, Join)
    steps: list[PackedStep | Step] = []
    first = 0
    for value in node.inputs:
        place = out.channels(first, value.shape[1])
        if maps[value].address != place.address:  # else it was written there
            steps += bind_enlarge(maps[value], place)
        first += value.shape[1]
    return steps


def join(steps: Iterable[PackedStep | Step]) -> list[Step]:
    """The same steps, those that follow each other in one program where they can be."""
    found: list[Step] = []
    waiting: list[PackedStep] = []
    for step in [*steps, None]:
        if isinstance(step, PackedStep):
            waiting.append(step)
            continue
        if waiting:
            found.append(partial(_run, Program(waiting)))
            waiting = []
        if step is not None:
            found.append(step)
    return found


def _run(program: Program, arrays: Arrays) -> None:
    program.run()


def _to_map(value: Value, out: Map, arrays: Arrays) -> None:
    to_map(arrays[value], out)


def _to_array(value: Value, source: Map, arrays: Arrays) -> None:
    arrays[value] = from_map(source)


def _call(call: Call, arrays: Arrays) -> None:
    def array(x: Any) -> Any:
        if isinstance(x, Value):
            return arrays[x]
        return x.tensor.data if isinstance(x, Constant) else x

    inputs = [Tensor(array(x)) if isinstance(x, (Value, Constant)) else x for x in call.inputs]
    arrays[call.output] = call.function(*inputs, **{key: array(x) for key, x in call.options.items()}).data
