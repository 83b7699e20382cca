"""Reverse-mode differentiation on a graph of tensors.

A differentiable function takes and returns *arrays*.  Along with its result it returns, for each array it was given,
the function that carries a gradient of the result back to a gradient of that array (its vector-Jacobian product)::

    @differentiable
    def mul(a, b):
        return a * b, (lambda g: g * b, lambda g: g * a)

What is saved for the way back is what those closures hold.  Called with tensors, ``mul`` returns a tensor that
remembers the call; ``backward`` walks the calls in reverse order and adds the gradients up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
from minidet_kernels.arrays import Array, is_array, namespace, to_numpy

Vjp = Callable[[Array], Array]
Hook = Callable[[Array], "Array | None"]
Watcher = Callable[[str, tuple[Any, ...], "Tensor"], None]
Recorder = Callable[[Callable[..., "Tensor"], tuple[Any, ...], dict[str, Any], "Tensor"], None]

_recording: ContextVar[bool] = ContextVar("recording", default=True)
_tracing_nan: ContextVar[bool] = ContextVar("tracing_nan", default=False)
_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("watchers", default=())
_recorders: ContextVar[tuple[Recorder, ...]] = ContextVar("recorders", default=())


@dataclass(eq=False, slots=True)
class Node:
    """The call that made a tensor, which stands for that tensor in the graph.

    The graph does not hold the tensor itself, so an intermediate array lives only as long as somebody wants it: the
    caller, or the vjp of a function that was given it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    parents: tuple[Node | Tensor | None, ...]  # a tensor is a leaf; None where no gradient is wanted
    vjps: tuple[Vjp | None, ...]
    hooks: list[Hook]
    freed: bool = False

    def free(self) -> None:
        """Let go of what was saved for the way back."""
        self.parents, self.vjps, self.freed = (), (), True


class Tensor:
    """An array, its gradient, and the call that made it.

    ``data`` is a NumPy or CuPy array; Python numbers and lists become NumPy arrays.  ``grad`` is an array of the same
    shape and dtype, filled by ``backward`` for leaves (tensors made by no function) with ``requires_grad``; it adds up
    over calls until it is set to ``None``.  Arithmetic, indexing and methods such as ``sum`` are installed by
    ``minidet.functions``.  Raises ``TypeError`` when a gradient is wanted of integers or booleans.
    """

    __slots__ = ("__weakref__", "data", "grad", "hooks", "name", "node", "requires_grad")
    __array_ufunc__ = None  # so that array * tensor calls Tensor.__rmul__ instead of looping over the elements

    def __init__(
        self, data: Any, requires_grad: bool = False, *, name: str | None = None, node: Node | None = None
    ) -> None:
        if isinstance(data, Tensor):
            raise TypeError("Tensor() of a Tensor; pass its .data, or use .detach()")
        self.data: Array = data if is_array(data) else np.asarray(data)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"a tensor of {self.data.dtype} has no gradient; convert the array to float32 or float64")
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self.name = name
        self.node = node
        self.hooks: list[Hook] = node.hooks if node else []

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the elements."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    def __repr__(self) -> str:
        made_by = f", by {self.node.name}" if self.node else ""
        named = f" {self.name!r}" if self.name else ""
        wants = ", requires_grad" if self.requires_grad and not self.node else ""
        return f"{type(self).__name__}({self.shape} {self.dtype}{named}{made_by}{wants})"

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def item(self) -> float:
        """The value of a tensor of one element, as a Python number."""
        return self.data.item()

    def numpy(self) -> np.ndarray:
        """The data as a NumPy array; the same memory when it is one already."""
        return to_numpy(self.data)

    def detach(self) -> Tensor:
        """The same data as a leaf without a history."""
        return Tensor(self.data, name=self.name)

    def register_hook(self, hook: Hook) -> Callable[[], None]:
        """Call ``hook(gradient)`` when ``backward`` has the whole gradient of this tensor.

        A hook that returns an array replaces the gradient.  Returns a function that removes the hook.
        """
        if not self.requires_grad:
            raise ValueError(f"{self!r} requires no gradient, so a hook on it would never be called")
        self.hooks.append(hook)
        return lambda: self.hooks.remove(hook)

    if TYPE_CHECKING:  # installed by minidet.functions.operators; declared here for type checkers and editors

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Array: ...
        def __le__(self, other: Any) -> Array: ...
        def __gt__(self, other: Any) -> Array: ...
        def __ge__(self, other: Any) -> Array: ...
        @property
        def T(self) -> Tensor: ...  # noqa: N802
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def broadcast_to(self, *shape: Any) -> Tensor: ...
        def clip(self, low: Any = None, high: Any = None) -> Tensor: ...
        def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def min(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def logsumexp(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def exp(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def abs(self) -> Tensor: ...
        def sigmoid(self) -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def relu(self) -> Tensor: ...

    def backward(self, seed: Any = None, *, retain_graph: bool = False) -> None:
        """Add d(self)/d(leaf), contracted with ``seed``, to the ``grad`` of every leaf that requires one.

        ``seed`` has the shape of ``self``; without one, ``self`` must have one element and the seed is 1.  The walk is
        iterative (any depth of graph) and frees each call's saved arrays as it passes, so a second ``backward``
        through the same graph needs ``retain_graph=True`` at the first.
        Raises ``ValueError`` for a tensor that requires no gradient, a missing or misshapen seed, a freed graph.
        """
        if not self.requires_grad:
            raise ValueError(f"backward() of {self!r}, which depends on no tensor that requires a gradient")
        xp = namespace(self.data)
        if seed is None:
            if self.size != 1:
                raise ValueError(f"backward() of a tensor of shape {self.shape} needs a seed of that shape")
            seed = xp.ones_like(self.data)
        seed = seed.data if isinstance(seed, Tensor) else seed
        seed = xp.asarray(seed, dtype=self.dtype)
        if seed.shape != self.shape:
            raise ValueError(f"backward() of a tensor of shape {self.shape} was given a seed of shape {seed.shape}")
        _walk(self, seed, retain_graph)


class _Gradients:
    """The gradients on their way: one sum per call or leaf, and whether its memory is ours to add into."""

    def __init__(self) -> None:
        self.sums: dict[int, tuple[Array, bool]] = {}

    def add(self, place: Node | Tensor, part: Array, ours: bool) -> None:
        if id(place) not in self.sums:
            self.sums[id(place)] = (part, ours)
            return
        total, total_ours = self.sums[id(place)]
        if total_ours:
            total += part
        else:
            total = namespace(part).asarray(total + part)  # a sum of arrays without axes is a scalar
        self.sums[id(place)] = (total, True)

    def pop(self, place: Node | Tensor) -> tuple[Array, bool] | None:
        return self.sums.pop(id(place), None)


def _walk(root: Tensor, seed: Array, retain_graph: bool) -> None:
    start = root.node or root
    gradients = _Gradients()
    gradients.add(start, seed, ours=False)
    order = topological(start)
    while order:
        place = order.pop()  # popped, so that what was saved behind us can be freed
        arrived = gradients.pop(place)
        if arrived is None:  # every function in between declared this input not differentiable
            continue
        g, ours = arrived
        for hook in place.hooks:
            replaced = hook(g)
            if replaced is not None:
                if replaced.shape != place.shape:
                    raise ValueError(f"a hook on {place!r} returned a gradient of shape {replaced.shape}")
                g, ours = replaced, False
        if isinstance(place, Tensor):
            _add_to_leaf(place, g, ours)
            continue
        if place.freed:
            raise ValueError(
                f"backward() through {place.name}(), which an earlier backward() freed; "
                "call that one with retain_graph=True"
            )
        name, parents, vjps = place.name, place.parents, place.vjps
        if not retain_graph:
            place.free()
        for parent, vjp in zip(parents, vjps, strict=True):
            if parent is not None and vjp is not None:
                gradients.add(parent, *_carry_back(name, vjp, g, parent))


def _carry_back(name: str, vjp: Vjp, g: Array, parent: Node | Tensor) -> tuple[Array, bool]:
    """The gradient of one input, and whether its memory is ours to add into."""
    part = vjp(g)
    if part.shape != parent.shape:
        raise AssertionError(f"{name}: the gradient of an input of shape {parent.shape} came back as {part.shape}")
    if _tracing_nan.get():
        _check_finite(f"the gradient of {name}", (g,), part)
    # a vjp returns a fresh array, or g itself or a view of it, which others may hold too
    shared = np.may_share_memory(part, g) if isinstance(part, np.ndarray) else True
    xp = namespace(part)
    return xp.asarray(part, dtype=parent.dtype), not shared


def _add_to_leaf(leaf: Tensor, g: Array, ours: bool) -> None:
    if leaf.grad is None:
        leaf.grad = g if ours else g.copy()
    else:
        leaf.grad = namespace(g).asarray(leaf.grad + g)


def topological(root: Node | Tensor) -> list[Node | Tensor]:
    """Everything that ``root`` was made from and that requires a gradient: calls and leaves, parents first.

    Iterative, since the depth of a graph may exceed Python's recursion limit.
    """
    order: list[Node | Tensor] = []
    seen: set[int] = set()
    stack = [(root, False)]
    while stack:
        place, parents_done = stack.pop()
        if parents_done:
            order.append(place)
        elif id(place) not in seen:
            seen.add(id(place))
            stack.append((place, True))
            if isinstance(place, Node):
                stack.extend((p, False) for p in place.parents if p is not None)
    return order


def differentiable(function: Callable[..., tuple[Array, Sequence[Vjp | None]]]) -> Callable[..., Tensor]:
    """Lift a function of arrays, which also returns one vjp per positional argument, to a function of tensors.

    The lifted function takes tensors, arrays, Python numbers or ``None`` by position and parameters by keyword; there
    is a vjp for every positional argument, also for those that a caller leaves at their default.  A
    vjp is called only for inputs that require a gradient; it gets an array of the result's shape and returns one of
    the input's shape, freshly made (or the one it got, or a view of that).  ``None`` in place of a vjp says that the
    function is not differentiable in that input.
    """
    name = function.__name__
    positional = [p for p in signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]

    @wraps(function)
    def lifted(*inputs: Any, **parameters: Any) -> Tensor:
        for p in positional[len(inputs) :]:  # an input may be left out, or given by its name: bias=None
            if p.name in parameters or p.default is not p.empty:
                inputs = (*inputs, parameters.pop(p.name, p.default))
        arrays = tuple(t.data if isinstance(t, Tensor) else t for t in inputs)
        data, vjps = function(*arrays, **parameters)
        data = data if is_array(data) else np.asarray(data)
        parents = tuple((t.node or t) if isinstance(t, Tensor) and t.requires_grad else None for t in inputs)
        wanted = _recording.get() and any(
            p is not None and vjp is not None for p, vjp in zip(parents, vjps, strict=True)
        )
        node = Node(name, data.shape, data.dtype, parents, tuple(vjps), []) if wanted else None
        output = Tensor(data, requires_grad=wanted, node=node)
        if _tracing_nan.get():
            _check_finite(name, arrays, data)
        for watcher in _watchers.get():
            watcher(name, inputs, output)
        for recorder in _recorders.get():
            recorder(lifted, inputs, parameters, output)
        return output

    return lifted


def is_recording() -> bool:
    """Whether calls are remembered for ``backward``: ``False`` inside ``no_grad``."""
    return _recording.get()


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without remembering: results require no gradient.  A context manager and a decorator."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def watch(callback: Watcher) -> Iterator[None]:
    """Call ``callback(name, inputs, output)`` after every differentiable function, recorded or not.

    ``inputs`` are as they were passed (tensors, arrays, numbers); ``output.register_hook`` shows its gradient later.
    """
    token = _watchers.set((*_watchers.get(), callback))
    try:
        yield
    finally:
        _watchers.reset(token)


@contextmanager
def record_calls(callback: Recorder) -> Iterator[None]:
    """Call ``callback(function, inputs, parameters, output)`` after every differentiable function.

    More than `watch` sees: ``function(*inputs, **parameters)`` does the same again.  Inputs that were left out or given
    by name are among the positional ones.
    """
    token = _recorders.set((*_recorders.get(), callback))
    try:
        yield
    finally:
        _recorders.reset(token)


@contextmanager
def detect_nan() -> Iterator[None]:
    """Raise ``FloatingPointError`` at the first operation, forward or backward, that makes a NaN or an infinity.

    The message names the operation, the shapes of its inputs, and whether an input was already not finite.
    """
    token = _tracing_nan.set(True)
    try:
        yield
    finally:
        _tracing_nan.reset(token)


def _check_finite(name: str, inputs: tuple[Any, ...], output: Array) -> None:
    bad = _count_bad(output)
    if not bad:
        return
    shapes = ", ".join(str(x.shape) if is_array(x) else repr(x) for x in inputs)
    given = [i for i, x in enumerate(inputs) if is_array(x) and _count_bad(x)]
    cause = f"; input {given[0]} was already not finite" if given else ", from finite inputs"
    raise FloatingPointError(f"{name} made {bad} NaN or infinite values of {output.size}{cause} (inputs: {shapes})")


def _count_bad(x: Array) -> int:
    if x.dtype.kind != "f":
        return 0
    return int(x.size - namespace(x).isfinite(x).sum())
