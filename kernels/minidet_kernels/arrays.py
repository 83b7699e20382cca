"""The one place that asks "numpy or cupy?"."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

#: An array of either library.  CuPy's arrays have NumPy's methods, so the annotation names NumPy's.
Array: TypeAlias = np.ndarray


def library(x: object) -> str:
    """The name of the library that ``x`` belongs to: ``"numpy"``, ``"cupy"``, or whatever else made it."""
    return type(x).__module__.partition(".")[0]


def is_array(x: object) -> bool:
    """Whether ``x`` is a NumPy or a CuPy array."""
    return isinstance(x, np.ndarray) or library(x) == "cupy"


def namespace(*arrays: Any) -> ModuleType:
    """The module whose functions take these arrays: ``numpy``, or ``cupy`` if any of them is CuPy's."""
    if any(library(x) == "cupy" for x in arrays):
        return sys.modules["cupy"]  # an array of CuPy's exists, so CuPy is imported
    return np


def to_numpy(x: Any) -> np.ndarray:
    """``x`` on the host.  The only place where an array leaves the device; nothing calls it silently."""
    return x.get() if library(x) == "cupy" else np.asarray(x)
