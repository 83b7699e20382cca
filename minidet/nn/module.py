"""A module is an object whose attributes are parameters, buffers, modules, or lists of modules.

A parameter's name is the path of attributes that leads to it: ``backbone.stages.2.conv1.weight``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, overload

import numpy as np
from minidet_kernels.arrays import Array, library, to_numpy

from ..autograd import Tensor


class Parameter(Tensor):
    """A tensor that is trained: a leaf that requires a gradient."""

    __slots__ = ()

    def __init__(self, data: Any, *, name: str | None = None) -> None:
        super().__init__(data, requires_grad=True, name=name)


class Buffer(Tensor):
    """State that is saved with the parameters but not trained: running statistics, anchors, scales."""

    __slots__ = ()

    def __init__(self, data: Any, *, name: str | None = None) -> None:
        super().__init__(data, name=name)


ForwardHook = Callable[["Module", tuple[Any, ...], Any], None]


class Module:
    """The base of layers and networks: ``forward`` computes, attributes hold the parameters.

    Calling a module runs ``forward`` and then its hooks.  ``training`` is true until ``eval()``; layers such as batch
    norm and dropout read it.
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; a subclass says of what."""
        raise TypeError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        output = self.forward(*args, **kwargs)
        for hook in self.__dict__.get("_forward_hooks", ()):
            hook(self, args, output)
        return output

    def register_forward_hook(self, hook: ForwardHook) -> Callable[[], None]:
        """Call ``hook(module, inputs, output)`` after each forward; returns a function that removes the hook."""
        hooks: list[ForwardHook] = self.__dict__.setdefault("_forward_hooks", [])
        hooks.append(hook)
        return lambda: hooks.remove(hook)

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one, or items of a list or tuple attribute, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, (list, tuple)) and not name.startswith("_"):
                yield from ((f"{name}.{i}", item) for i, item in enumerate(value) if isinstance(item, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (named ``prefix``) and all below it, each once, in the order of the attributes."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(f"{path}.{name}" if path else name, child) for name, child in module.children()]
            stack.extend(reversed(below))

    def _named_tensors(self, kind: type[Tensor]) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their names, each once."""
        return self._named_tensors(Parameter)

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """The buffers with their names, each once."""
        return self._named_tensors(Buffer)

    def parameters(self) -> list[Parameter]:
        """The parameters, in the order of their names in ``named_parameters``."""
        return [p for _, p in self.named_parameters()]

    def _state(self) -> dict[str, Tensor]:
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def state_dict(self) -> dict[str, Array]:
        """The arrays of all parameters and buffers by name; not copies."""
        return {name: t.data for name, t in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Array], *, strict: bool = True) -> None:
        """Copy the arrays into the parameters and buffers of the same names, on their device and in their dtype.

        Nothing is changed unless everything fits.  Raises ``KeyError`` naming missing and unknown entries (unless
        ``strict=False``) and ``ValueError`` naming the first entry whose shape differs.
        """
        mine = self._state()
        missing, unknown = sorted(mine.keys() - state.keys()), sorted(state.keys() - mine.keys())
        if strict and (missing or unknown):
            raise KeyError(f"state does not fit {type(self).__name__}: missing {missing}, unknown {unknown}")
        for name in mine.keys() & state.keys():
            if mine[name].shape != state[name].shape:
                raise ValueError(f"{name} has shape {mine[name].shape}; the state has {state[name].shape}")
        for name in mine.keys() & state.keys():
            mine[name].data[...] = _like(state[name], mine[name].data)

    def train(self, flag: bool = True) -> Self:
        """Set ``training`` here and below."""
        for _, module in self.named_modules():
            module.training = flag
        return self

    def eval(self) -> Self:
        """Leave training: batch norm uses its running statistics, dropout is the identity."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters():
            p.grad = None

    def to(self, device: str) -> Self:
        """Move all parameters and buffers to ``"cpu"`` (NumPy) or ``"cuda"`` (CuPy); gradients are forgotten.

        What an optimiser keeps from earlier steps is not moved: move the module before the first step.
        Raises ``ValueError`` for another device and ``RuntimeError`` where CuPy or a GPU is missing.
        """
        if device not in ("cpu", "cuda"):
            raise ValueError(f"no device is named {device!r}; there are 'cpu' and 'cuda'")
        move = to_numpy if device == "cpu" else on_the_gpu()
        return self._change(move)

    def to_device(self, x: Array) -> Array:
        """``x`` on the device of the parameters: a copy if it was on the other, else (or without any) ``x`` itself."""
        mine = next((p.data for _, p in self.named_parameters()), x)
        return _like(x, mine)

    def astype(self, dtype: Any) -> Self:
        """Convert all floating parameters and buffers to ``dtype`` (float32 or float64); gradients are forgotten."""
        return self._change(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a)

    def _change(self, change: Callable[[Array], Array]) -> Self:
        changed = {name: change(t.data) for name, t in self._state().items()}  # all or none
        for name, t in self._state().items():
            t.data, t.grad = changed[name], None
        return self


def _like(source: Array, target: Array) -> Array:
    if library(source) == library(target):
        return source
    return to_numpy(source) if library(target) == "numpy" else on_the_gpu()(source)


def on_the_gpu() -> Callable[[Array], Array]:
    """The function that copies an array to the current GPU.

    Raises ``RuntimeError`` with the reason where there is no CuPy, no driver, one too old for it, or no GPU.
    """
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy's own error classes exist only where it does
        from minidet_kernels.cuda import gpu

        why = gpu()  # asks again, and knows what the answers mean
        found = why if isinstance(why, str) else f"cannot be used: {' '.join(str(error).split())}"
        raise RuntimeError(f"the device 'cuda' {found}") from None
    return cupy.asarray


class ModuleList(Module):
    """Modules in a list; their names are their positions."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._items = list(modules)

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules, named by their positions."""
        return ((str(i), m) for i, m in enumerate(self._items))

    def append(self, module: Module) -> None:
        """Add a module at the end."""
        self._items.append(module)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._items)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> list[Module]: ...
    def __getitem__(self, index: int | slice) -> Module | list[Module]:
        return self._items[index]


class Sequential(ModuleList):
    """Modules applied one after the other."""

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Any) -> Any:
        """The last module's output, each given the output of the one before."""
        for module in self:
            x = module(x)
        return x


def count(tensors: Iterable[Tensor]) -> int:
    """The number of values in some tensors."""
    return int(np.sum([t.size for t in tensors], dtype=np.int64))
