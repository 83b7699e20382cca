"""Parameters and buffers in a safetensors file: named arrays and a few words, no code.

https://github.com/huggingface/safetensors describes the format.  Float32 and the other types of NumPy are read and
written as they are; bfloat16 and float8, which NumPy lacks, are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from minidet_kernels.arrays import Array, to_numpy

from ..errors import InputError, one_line
from ..files import replacing
from ..nn.module import Module


def save(path: str | Path, source: Module | Mapping[str, Array], *, metadata: Mapping[str, str] | None = None) -> None:
    """Write the state of a module, or arrays by name, to ``path``; nothing is left half-written.

    Raises ``TypeError`` for metadata that is not strings, and for arrays that the format cannot hold.
    """
    from safetensors.numpy import save_file

    path = Path(path)
    state = source.state_dict() if isinstance(source, Module) else source
    for key, value in (metadata or {}).items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"{path}: metadata are strings by name; {key!r} is {value!r}")
    arrays = {name: np.asarray(to_numpy(a), order="C") for name, a in state.items()}
    for name, a in arrays.items():
        if a.dtype.kind not in "fiub" or a.dtype.itemsize > 8:
            raise TypeError(f"{path}: {name} is of {a.dtype}, which a safetensors file cannot hold")
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata=dict(metadata or {}) or None)


def load(path: str | Path, module: Module | None = None, *, strict: bool = True) -> dict[str, np.ndarray]:
    """Read the arrays of ``path`` by name; with a ``module``, put them into its parameters and buffers too.

    Raises ``InputError`` (one line, naming the file) for a missing file, for one that is not in the format, for missing
    or unknown names (unless ``strict=False``) and for a shape that differs; the module is then unchanged.
    """
    from safetensors.numpy import load_file

    path = Path(path)
    _check_exists(path)
    try:
        state: dict[str, np.ndarray] = load_file(path)
    except Exception as error:  # safetensors raises classes of its own, and KeyError for a dtype NumPy lacks
        raise _unreadable(path, error) from None
    if module is not None:
        _load_into(path, module, state, strict)
    return state


def metadata(path: str | Path) -> dict[str, str]:
    """The words by name that ``save`` was given.  Errors as in ``load``."""
    from safetensors import safe_open

    path = Path(path)
    _check_exists(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except Exception as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not a readable safetensors file: {one_line(error) or type(error).__name__}")


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")


def _load_into(path: Path, module: Module, state: dict[str, np.ndarray], strict: bool) -> None:
    mine = module.state_dict()
    missing, unknown = sorted(mine.keys() - state.keys()), sorted(state.keys() - mine.keys())
    if strict and (missing or unknown):
        wrong = [f"{what} {_some(names)}" for what, names in (("misses", missing), ("has unknown", unknown)) if names]
        raise InputError(f"{path}: does not fit {type(module).__name__}: {' and '.join(wrong)}")
    for name in mine.keys() & state.keys():
        if mine[name].shape != state[name].shape:
            raise InputError(
                f"{path}: {name} has shape {state[name].shape}; {type(module).__name__} expects {mine[name].shape}"
            )
    module.load_state_dict(state, strict=strict)


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
