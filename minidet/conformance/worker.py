"""The process of a target that is a Python function: ``python -m minidet.conformance.worker SETTINGS``.

What the function prints goes to standard error, and it finds nothing on its standard input, so that it cannot spoil the
messages.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import protocol
from .formats import boxes_in


def load(target: str) -> Callable[..., Any]:
    """The function that ``module:attribute.path`` names; modules of the current folder are found too."""
    module, _, path = target.partition(":")
    sys.path.insert(0, os.getcwd())
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if not callable(found):
        raise TypeError(f"{target} is {type(found).__name__}, not a function")
    return found


def model(path: str) -> Callable[..., Any]:
    """An ONNX model, run by ONNX Runtime: its inputs are the call's, in order, and its first outputs are the answer."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    wanted = [(one.name, kinds.get(one.type), len(one.shape)) for one in session.get_inputs()]

    def run(*given: Any) -> tuple[Any, ...]:
        if len(given) != len(wanted):
            raise TypeError(f"the model has {len(wanted)} inputs, the call {len(given)}")
        fed = {}
        for (name, kind, axes), value in zip(wanted, given, strict=True):
            array = np.asarray(value, kind)
            fed[name] = array.reshape(1) if axes == 1 and array.ndim == 0 else array
        return tuple(session.run(None, fed))

    return run


def keyword_only(function: Callable[..., Any]) -> list[str]:
    """The parameters that the function takes by keyword alone; all others are given by their place."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a function of C
        return []
    return [name for name, one in parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY]


class Dlpack:
    """An array of which nothing is known but what DLPack says."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **how: Any) -> Any:
        """The array's capsule."""
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where it is."""
        device: tuple[int, int] = self._array.__dlpack_device__()
        return device


def give(value: np.ndarray, arrays: str, device: str = "cpu") -> Any:
    """An input as the target takes it: an array of its kind, a number, or a tuple of integers."""
    if value.ndim == 0:
        return value.item()
    if value.dtype.kind == "i" and value.ndim == 1 and value.dtype == np.int32:
        return tuple(value.tolist())  # sizes are sent as int32, classes as int64
    if arrays == "torch":
        torch = importlib.import_module("torch")
        return torch.from_numpy(value.copy()).to(device)
    if arrays in ("cupy", "dlpack"):
        array = value.copy() if device == "cpu" else importlib.import_module("cupy").asarray(value)
        return Dlpack(array) if arrays == "dlpack" else array
    return value.tolist() if arrays == "list" else value.copy()


def take(answer: Any) -> np.ndarray:
    """One output as an array."""
    if answer is None:
        raise TypeError("returned None")
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu().numpy()
    elif isinstance(answer, Dlpack):
        return take(answer._array)
    elif callable(getattr(answer, "get", None)) and hasattr(answer, "dtype"):
        answer = answer.get()  # CuPy's
    elif hasattr(answer, "__dlpack__") and not isinstance(answer, (np.ndarray, np.generic)):
        answer = from_dlpack(answer)
    array = np.asarray(answer)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"returned {type(answer).__name__} of {array.dtype}, not numbers")
    return array.astype(np.int64) if array.size == 0 and array.ndim == 1 else array


def from_dlpack(answer: Any) -> np.ndarray:
    """Somebody's array by DLPack; one on a GPU (kind 2, or 13, which both sides see) by way of CuPy."""
    if answer.__dlpack_device__()[0] in (2, 13):
        found: np.ndarray = importlib.import_module("cupy").from_dlpack(answer).get()
        return found
    return np.from_dlpack(answer)


def reply_of(answer: Any, outputs: list[str]) -> dict[str, Any]:
    """The reply for what a function returned; of more values than there are outputs, the first.

    Raises ``TypeError`` where it returned fewer.
    """
    if len(outputs) == 1:
        return {"answer": take(answer[0] if isinstance(answer, tuple) else answer)}
    if not isinstance(answer, (tuple, list)) or len(answer) < len(outputs):
        raise TypeError(f"returned {type(answer).__name__}; expected a tuple of {', '.join(outputs)}")
    return {f"answer_{name}": take(one) for name, one in zip(outputs, answer, strict=False)}


def call(
    function: Callable[..., Any], request: Mapping[str, np.ndarray], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """One call: the reply."""
    arrays, by_name = settings["arrays"], keyword_only(function)
    given = {
        name: give(
            boxes_in(value, settings["format"]) if name in settings["boxes"] else value, arrays, settings["device"]
        )
        for name, value in request.items()
    }
    before = {n: take(v).copy() for n, v in given.items() if isinstance(v, Dlpack | list) or hasattr(v, "shape")}
    try:
        answer = function(
            *(value for name, value in given.items() if name not in by_name),
            **{name: value for name, value in given.items() if name in by_name},
            **settings["extra"],
        )
        reply = reply_of(answer, settings["outputs"])
    except Exception as error:
        reply = {"refused": f"{type(error).__name__}: {error}"}
    changed = [name for name, old in before.items() if _differs(given[name], old)]
    return reply | {"changed": np.array(changed, dtype=np.str_)}


def _differs(value: Any, old: np.ndarray) -> bool:
    """Is an input no longer what it was?"""
    try:
        return not np.array_equal(take(value), old, equal_nan=old.dtype.kind == "f")
    except (TypeError, ValueError):  # lists may have become anything
        return True


def versions(target: str, arrays: str) -> dict[str, str]:
    """Of the target's package and of the library whose arrays it takes, where they have one."""
    package = "onnxruntime" if target.endswith(".onnx") else target.partition(":")[0].partition(".")[0]
    found = {}
    for name in dict.fromkeys([package, *([arrays] if arrays in ("torch", "cupy") else [])]):
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    return found


def main(argv: list[str]) -> int:
    """Serve until the requests end."""
    settings = json.loads(argv[0])
    requests, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        function = model(settings["target"]) if settings["target"].endswith(".onnx") else load(settings["target"])
    except Exception as error:
        out.write(protocol.pack({"unknown": f"{type(error).__name__}: {error}"}))
        out.flush()
        return 1
    hello = {"ready": 1, "keywords": np.array(keyword_only(function), dtype=np.str_)}
    out.write(protocol.pack({**versions(settings["target"], settings["arrays"]), **hello}))
    out.flush()
    with np.errstate(all="ignore"):
        while (request := protocol.read(requests)) is not None:
            out.write(protocol.pack(call(function, request, settings)))
            out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
