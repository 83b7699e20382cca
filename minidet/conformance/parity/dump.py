"""The activations of another framework: from a torch module by hooks, and from a file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import InputError

#: The array that the network was given, and how a layer's own input and the kinds are called in a file.
INPUT, OF_INPUT, KINDS = "input", ":input", ":kinds"


@dataclass(frozen=True)
class Recording:
    """The ``input`` of a network; the ``outputs`` of its layers, by name, in the order in which they were computed; at
    times what went into each (``inputs``) and what it is (``kinds``, the names of classes).
    """

    input: np.ndarray
    outputs: Mapping[str, np.ndarray]
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)


def record(module: Any, x: Any) -> Recording:
    """Run a torch module, or what has its ``named_modules`` and ``register_forward_hook``, on ``x``.

    Each module that has none below it is recorded at each call; a second call of one is ``name#2``.  What is computed
    in place later is not what is kept: arrays are copied.
    """
    outputs: dict[str, np.ndarray] = {}
    inputs: dict[str, np.ndarray] = {}
    kinds: dict[str, str] = {}
    handles = []

    def hook(name: str, kind: str) -> Any:
        def before(module: Any, given: Any) -> None:
            arriving[name] = _array(given[0]) if given and hasattr(given[0], "shape") else None

        def after(module: Any, given: Any, output: Any) -> None:
            if not hasattr(output, "shape"):
                return
            count = 1 + sum(one == name or one.startswith(f"{name}#") for one in outputs)
            key = name if count == 1 else f"{name}#{count}"
            outputs[key], kinds[key] = _array(output), kind
            if arriving.get(name) is not None:
                inputs[key] = arriving[name]

        return before, after

    arriving: dict[str, Any] = {}
    for name, one in module.named_modules():
        if not any(True for _ in one.children()):
            before, after = hook(name or "network", type(one).__name__)
            handles += [one.register_forward_pre_hook(before), one.register_forward_hook(after)]
    try:
        first = _array(x)
        module(x)
    finally:
        for handle in handles:
            handle.remove()
    return Recording(first, outputs, inputs, kinds)


def dump(module: Any, x: Any, path: str | os.PathLike[str]) -> Recording:
    """`record`, and write it to ``path``, an ``.npz`` that `read` takes."""
    recording = record(module, x)
    arrays: dict[str, Any] = {INPUT: recording.input}
    for name, output in recording.outputs.items():
        if name in recording.inputs:
            arrays[name + OF_INPUT] = recording.inputs[name]
        arrays[name] = output
    arrays[KINDS] = np.array([f"{name}={kind}" for name, kind in recording.kinds.items()], np.str_)
    np.savez(path, **arrays)
    return recording


def _array(value: Any) -> np.ndarray:
    for step in ("detach", "cpu", "numpy"):
        if hasattr(value, step):
            value = getattr(value, step)()
    return np.array(value)


def read(path: str | os.PathLike[str], given: np.ndarray | None = None) -> Recording:
    """The activations in an ``.npz``: arrays in order, ``input`` among them unless it is ``given``.

    Raises `InputError` for what is no such file, an input that is missing, and arrays that are no numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it is no .npz of arrays"
        raise InputError(f"{os.fspath(path)}: cannot be read: {reason}") from None
    kinds = dict(str(one).rpartition("=")[::2] for one in arrays.pop(KINDS, np.zeros(0, np.str_)))
    first = arrays.pop(INPUT, None) if given is None else given
    if first is None:
        raise InputError(f"{os.fspath(path)}: has no array {INPUT!r}; what the network was given is needed")
    inputs = {n.removesuffix(OF_INPUT): arrays.pop(n) for n in list(arrays) if n.endswith(OF_INPUT)}
    arrays.pop(INPUT, None)
    for name, array in {INPUT: first, **arrays}.items():
        if array.dtype.kind != "f":
            raise InputError(f"{os.fspath(path)}: {name} is of {array.dtype}; activations are floating-point numbers")
    if not arrays:
        raise InputError(f"{os.fspath(path)}: has no activations, only an input")
    return Recording(first, arrays, inputs, kinds)
