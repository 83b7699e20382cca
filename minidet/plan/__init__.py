"""An inference plan: a network's forward, prepared once and run many times.

    plan = Plan(net)                    # net in eval()
    heads = plan(x)                     # what net(Tensor(x)) returns, as arrays
    print(plan.explain(x))              # what each step is, why, and what it takes

The layers compute one thing at a time, for any input, with weights that may change, and remember what a gradient needs.
A plan knows what comes next: from one traced forward (``trace``) it fuses each convolution with its batch norm,
activation and residual (``fuse``), chooses the algorithm, packs the weights, gives every map a place with the channels
last (``place``), and then runs (``run``).  What it has no fast step for it calls as the layers do.

The results are those of the layers within the rounding of float32: each convolution within the bound of its algorithm
(``minidet_kernels.convolution``), its batch norm folded into the weights.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from minidet_kernels.convolution.packed import Packed

from .. import nn
from .explain import Explanation, explain
from .fuse import Convolution, Node, Plain, fuse
from .place import Places, ToArray, ToMap, place, steps
from .run import Arrays, PackedStep, Step, bind, join, pack
from .trace import Constant, PlanError, Trace, Value, fill, leaves, trace
from .weights import Watch

__all__ = ["Explanation", "Plan", "PlanError"]

WEIGHTS = ("checked", "frozen")


@dataclass(eq=False)
class _Prepared:
    """Everything for one shape of input.

    ``done_with`` are, for each node, the arrays that no later one needs; ``free`` the memories that nobody uses now,
    of which there is one for each thread that ran at a time.
    """

    trace: Trace
    nodes: list[Node]
    packed: dict[Convolution, Packed]
    places: Places
    done_with: list[list[Value]]
    free: list[list[Step]] = field(default_factory=list)

    def bound(self) -> list[list[PackedStep | Step]]:
        """What each node does, in memory of its own."""
        maps = self.places.maps()
        found = [bind(node, maps, self.packed) for node in self.nodes]
        for some, values in zip(found, self.done_with, strict=True):
            if values:
                some.append(partial(_forget, values))
        return found

    def memory(self) -> list[Step]:
        """All steps, in memory that nobody else uses."""
        try:
            return self.free.pop()
        except IndexError:
            return join(step for some in self.bound() for step in some)


def _forget(values: list[Value], arrays: Arrays) -> None:
    for value in values:
        del arrays[value]


class Plan:
    """A plan of ``net`` for inference: call it with images (N, C, H, W) in float32, NumPy arrays.

    It returns what ``net`` returns for them, with new arrays (N, C, H, W) in place of the tensors.  The first call with
    a shape prepares the plan for it, which takes a little longer than a forward.  Any number of threads may call one
    plan; each that runs at a time has maps of its own.

    Weights that change afterwards are noticed, and packed anew.  With ``weights="checked"`` every call reads all of
    them for that; ``"frozen"`` promises that they will not change, and makes their arrays read-only: writing to them
    raises ``ValueError`` (``array.flags.writeable = True`` takes the promise back, unnoticed).

    A plan does what the traced forward did: branches that depend on values are not followed, and a Python number that
    was computed from the input stays what it was.

    Raises `PlanError`, a ``ValueError``, for a network in training mode and for what cannot be planned.
    """

    def __init__(self, net: nn.Module, *, weights: str = "checked") -> None:
        if weights not in WEIGHTS:
            raise ValueError(f"weights is {' or '.join(map(repr, WEIGHTS))}, not {weights!r}")
        self.net, self.weights = net, weights
        self._lock = threading.Lock()
        self._packed: dict[Any, Packed] = {}
        self._prepared: dict[tuple[int, ...], _Prepared] = {}
        self._watch: Watch | None = None

    @property
    def packed_bytes(self) -> int:
        """The memory of the packed weights, which is beside that of the network's own."""
        return sum(packed.packed_bytes for packed in self._packed.values())

    @property
    def map_bytes(self) -> int:
        """The memory of the maps of one thread that runs, over all shapes that were prepared."""
        return sum(prepared.places.nbytes for prepared in self._prepared.values())

    def __call__(self, x: np.ndarray) -> Any:
        prepared = self._ready(x)
        arrays: Arrays = {prepared.trace.input: x}
        memory = prepared.memory()
        for step in memory:
            step(arrays)
        prepared.free.append(memory)
        return fill(prepared.trace.outputs, arrays)

    def prepare(self, shape: tuple[int, ...]) -> None:
        """Prepare the plan for images of this shape (N, C, H, W) now rather than at the first call."""
        self._ready(np.zeros(shape, np.float32))

    def explain(self, x: np.ndarray, *, repeats: int = 5) -> Explanation:
        """Each step for images like ``x``: what, how, why, and its time, the median of so many runs."""
        return explain(self, x, repeats)

    def _ready(self, x: np.ndarray) -> _Prepared:
        """The plan for the shape of ``x``, with the weights as they are now."""
        if not isinstance(x, np.ndarray) or x.dtype != np.float32:
            found = f"{x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
            raise TypeError(f"a plan takes NumPy arrays of float32, not {found}")
        with self._lock:
            if self._watch is not None and self._watch.changed():
                self._packed, self._prepared, self._watch = {}, {}, None
            if x.shape not in self._prepared:
                self._prepared[x.shape] = self._prepare(x)
            return self._prepared[x.shape]

    def _prepare(self, x: np.ndarray) -> _Prepared:
        traced = trace(self.net, np.zeros_like(x))
        nodes = fuse(traced)
        packed = {node: self._pack(node) for node in nodes if isinstance(node, Convolution)}
        borders = {node: conv.border(_side(node.inputs[0]), _side(node.output)) for node, conv in packed.items()}
        all_steps = steps(traced, nodes)
        self._watch = self._watch or Watch(frozen=self.weights == "frozen")
        self._watch.add(_constants(traced))
        return _Prepared(traced, all_steps, packed, place(all_steps, borders), _last_uses(traced, all_steps))

    def _pack(self, node: Convolution) -> Packed:
        call = node.calls[0]
        key = (node.weight.name, node.kind, node.activation, node.slope, node.after, node.norm is not None, *(
            (name, call.options.get(name)) for name in ("stride", "padding", "dilation")
        ))  # fmt: skip
        if key not in self._packed:
            self._packed[key] = pack(node)
        return self._packed[key]


def _side(value: Value) -> tuple[int, int]:
    """Height and width of a map."""
    return value.shape[2], value.shape[3]


def _last_uses(traced: Trace, nodes: list[Node]) -> list[list[Value]]:
    """For each node, the arrays that no later one needs and that are no outputs."""
    last: dict[Value, int] = {traced.input: 0}
    for index, node in enumerate(nodes):
        if isinstance(node, (Plain, ToMap)):
            last |= dict.fromkeys(node.inputs, index)
        if isinstance(node, (Plain, ToArray)):
            last[node.output] = index
    kept = set(leaves(traced.outputs))
    done: list[list[Value]] = [[] for _ in nodes]
    for value, index in last.items():
        if value not in kept:
            done[index].append(value)
    return done


def _constants(traced: Trace) -> list[Constant]:
    """The parameters and buffers that the trace used, each once."""
    used: dict[str, Constant] = {}
    for call in traced.calls:
        for a in [*call.inputs, *call.options.values()]:
            if isinstance(a, Constant):
                used[a.name] = a
    return list(used.values())
