"""From calls to nodes: what a plan does in one step.

A convolution takes in what follows it, as long as nobody else wants what is in between: batch norm (folded into its
weights), an activation, the sum with another map.  ``conv -> bn -> leaky_relu -> add`` is one node.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from minidet_kernels.convolution.fused import ACTIVATIONS, conv2d_fused
from minidet_kernels.convolution.geometry import pair
from minidet_kernels.pooling.windows import axes
from minidet_kernels.resampling.axis import nearest

from .trace import Call, Constant, Trace, Value

#: Why a packed implementation is the one to take, wherever it takes a layer.
PAYS = {
    "winograd": "3 x 3 taps of stride 1 by tiles: down to a quarter of the products",
    "polyphase": "3 x 3 taps of stride 2 by tiles: down to 54 % of the products",
    "depthwise": "each channel by itself: there is nothing to add up across channels",
}
#: Channels in a vector: parts of a map begin and end with one.
VECTOR = 16


@dataclass(eq=False)
class Node:
    """One step, from ``inputs`` to ``output``; ``calls`` are those of the trace that it stands for."""

    calls: list[Call]
    inputs: list[Value]
    output: Value

    @property
    def title(self) -> str:
        """The functions that it computes."""
        return " + ".join(call.name for call in self.calls)


@dataclass(eq=False)
class Convolution(Node):
    """A convolution with what was fused into it, by one of the packed implementations of ``conv2d_fused``."""

    norm: Call | None = None
    activation: str = "linear"
    slope: float = 0.1
    residual: Value | None = None
    after: bool = True  # whether the residual comes after the activation
    kind: str = ""
    why: str = ""

    @property
    def weight(self) -> Constant:
        """The filters (O, C/groups, kh, kw)."""
        return self.calls[0].inputs[1]

    @property
    def bias(self) -> Constant | None:
        """The biases (O,)."""
        return self.calls[0].inputs[2]

    @property
    def title(self) -> str:
        """The name of the convolution's weight in the network, without the last part."""
        return self.weight.name.rpartition(".")[0] or self.weight.name


@dataclass(eq=False)
class MaxPool(Node):
    """Max pooling of a map."""

    size: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)


@dataclass(eq=False)
class Enlarge(Node):
    """Nearest-neighbour upsampling by whole factors."""


@dataclass(eq=False)
class Join(Node):
    """Maps one after the other along the channels."""


@dataclass(eq=False)
class Part(Node):
    """Some of the channels of a map, which are not copied."""

    first: int = 0


@dataclass(eq=False)
class Plain(Node):
    """Any other function: called as the layers call it."""


@dataclass
class _Graph:
    """Who makes and who uses each value, and which calls are part of a node already."""

    trace: Trace
    taken: set[int] = field(default_factory=set)
    users: dict[Value, list[Call]] = field(default_factory=dict)
    place: dict[Value, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place[self.trace.input] = -1
        for index, call in enumerate(self.trace.calls):
            self.place[call.output] = index
            for value in call.values:
                self.users.setdefault(value, []).append(call)

    def only_user(self, value: Value) -> Call | None:
        """The call that alone uses the value, once, if no node has it yet."""
        call = self.users[value][0] if value.uses == 1 and value in self.users else None
        return None if id(call) in self.taken else call


def fuse(trace: Trace) -> list[Node]:
    """The nodes of a trace, in an order in which they can run."""
    graph = _Graph(trace)
    at: dict[int, Node] = {}
    for index, call in enumerate(trace.calls):
        if id(call) in graph.taken:
            continue
        node = _node(graph, call)
        graph.taken.update(id(each) for each in node.calls)
        # the last call of a node is the first moment at which all of its inputs are there
        at[index if len(node.calls) == 1 else graph.place[node.output]] = node
    return [at[index] for index in sorted(at)]


def _node(graph: _Graph, call: Call) -> Node:
    for make in (_convolution, _max_pool, _enlarge, _join, _part):
        node = make(graph, call)
        if node is not None:
            return node
    return Plain([call], call.values, call.output)


def _is_map(value: Value) -> bool:
    return len(value.shape) == 4 and value.dtype == np.float32


def _convolution(graph: _Graph, call: Call) -> Convolution | None:
    if call.name != "conv2d" or not _is_map(call.output) or not isinstance(call.inputs[0], Value):
        return None
    x, w, bias = call.inputs
    if not isinstance(w, Constant) or not (bias is None or isinstance(bias, Constant)):
        return None
    kind, why = _choose(call)
    if not kind:
        return None
    node = Convolution([call], [x], call.output, kind=kind, why=why)
    for absorb in (_norm, _activation, _residual, _activation):
        following = graph.only_user(node.output)
        if following is not None and absorb(graph, node, following):
            node.calls.append(following)
            node.output = following.output
    return node


def _choose(call: Call) -> tuple[str, str]:
    """The packed implementation for a convolution and why, or an empty name and why not."""
    x, w, _ = call.inputs
    arrays = np.broadcast_to(np.float32(0), x.shape), w.tensor.data
    refusals: dict[str, str] = {}
    for name in reversed([name for name in conv2d_fused.impls if name != "layers"]):
        refusal = conv2d_fused.refusal(name, *arrays, **call.options) or conv2d_fused.doubt(
            name, *arrays, **call.options
        )
        if refusal is None:
            # What would multiply less, for this stride, and why it does not.
            less = "polyphase" if pair(call.options.get("stride", 1)) == (2, 2) else "winograd"
            return name, PAYS.get(name) or refusals[less]
        refusals[name] = f"{name} {refusal}"
    return "", "; ".join(refusals.values())


def _norm(graph: _Graph, node: Convolution, call: Call) -> bool:
    others = (*call.inputs[1:], call.options.get("running_mean"), call.options.get("running_var"))
    if call.name != "batch_norm" or call.options.get("training") or call.inputs[0] is not node.output:
        return False
    if not all(isinstance(a, Constant) or a is None for a in others) or others[-1] is None:
        return False
    node.norm = call
    return True


#: Functions of the table of activations, by their names in ``minidet.functions``.
_ACTIVATIONS = {name: name for name in ACTIVATIONS} | {"leaky_relu": "leaky"}


def _activation(graph: _Graph, node: Convolution, call: Call) -> bool:
    if call.name not in _ACTIVATIONS or node.activation != "linear":
        return False
    node.activation, node.slope = _ACTIVATIONS[call.name], call.options.get("slope", 0.01)
    node.after = node.residual is None
    return True


def _residual(graph: _Graph, node: Convolution, call: Call) -> bool:
    if call.name != "add" or len(call.values) != 2:
        return False
    other = call.values[1] if call.values[0] is node.output else call.values[0]
    if other is node.output or other.shape != node.output.shape or not _is_map(other):
        return False
    node.residual = other
    node.inputs.append(other)
    return True


def _max_pool(graph: _Graph, call: Call) -> MaxPool | None:
    if call.name != "max_pool2d" or not _is_map(call.output) or 0 in call.output.shape:
        return None
    o = call.options
    rows, columns = axes(
        call.values[0].shape, o["size"], o.get("stride"), o.get("padding"), o.get("convention", "torch")
    )
    size, stride, before = zip(*((a.size, a.stride, a.before) for a in (rows, columns)), strict=True)
    return MaxPool([call], call.values, call.output, size, stride, before)


def _enlarge(graph: _Graph, call: Call) -> Enlarge | None:
    o = call.options
    if call.name != "resize" or o.get("mode", "nearest") != "nearest" or not _is_map(call.output):
        return None
    coordinates, rounding = o.get("coordinates") or "asymmetric", o.get("rounding", "floor")
    for n, m in zip(call.values[0].shape[2:], call.output.shape[2:], strict=True):
        if not n or m % n or any(nearest(n, m, coordinates, rounding) != np.arange(m) // (m // n)):
            return None
    return Enlarge([call], call.values, call.output)


def _join(graph: _Graph, call: Call) -> Join | None:
    if call.name != "concatenate" or call.options.get("axis") != 1 or not _is_map(call.output):
        return None
    if len(call.values) != len(call.inputs) or not all(map(_is_map, call.values)) or 0 in call.output.shape:
        return None
    return Join([call], call.values, call.output)


def _part(graph: _Graph, call: Call) -> Part | None:
    if call.name != "getitem" or not _is_map(call.output) or not isinstance(call.inputs[0], Value):
        return None
    x, index = call.inputs[0], call.options["index"]
    whole = slice(None)
    if not isinstance(index, tuple) or not 2 <= len(index) <= 4 or any(i != whole for i in (index[0], *index[2:])):
        return None
    if not isinstance(index[1], slice) or not _is_map(x):
        return None
    first, stop, step = index[1].indices(x.shape[1])
    whole_vectors = step == 1 and stop > first and first % VECTOR == 0 and stop % VECTOR == 0
    return Part([call], [x], call.output, first=first) if whole_vectors else None
