"""Operators' cases on the device: arrays there, results back, inputs unchanged."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from minidet_kernels.arrays import library, to_numpy
from minidet_kernels.table import Op
from support.cases import CASES, assert_close

#: Examples that Hypothesis draws for a test on a GPU.
EXAMPLES = int(os.environ.get("MINIDET_GPU_EXAMPLES", "60"))


def moved(cupy: Any, values: Any) -> Any:
    """The NumPy arrays among positional or keyword arguments as CuPy's."""
    if isinstance(values, dict):
        return {key: moved(cupy, [value])[0] for key, value in values.items()}
    return [cupy.asarray(value) if isinstance(value, np.ndarray) else value for value in values]


def host(result: Any) -> Any:
    """A result, or each part of it, as NumPy's."""
    return tuple(map(to_numpy, result)) if isinstance(result, tuple) else to_numpy(result)


def agrees(cupy: Any, op: Op[..., Any], name: str, args: Any, kwargs: Any) -> bool:
    """Whether the implementation takes this call; then it is held against the definition."""
    there, options = moved(cupy, args), moved(cupy, kwargs)
    if op.refusal(name, *there, **options):
        return False
    expected = op.definition(*args, **kwargs)
    before = [a.get() if library(a) == "cupy" else None for a in there]
    got = op.using(name)(*there, **options)
    assert all(library(part) == "cupy" for part in (got if isinstance(got, tuple) else (got,))), "a result left"
    assert_close(host(got), expected, CASES[op.name].rule(name), args, kwargs)
    for old, a in zip(before, there, strict=True):
        if old is not None:
            np.testing.assert_array_equal(old, a.get(), err_msg="an input was changed")
    return True


def twice(call: Callable[[], Any]) -> None:
    """``call`` gives the same bytes every time."""
    first, second = (host(call()) for _ in range(2))
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (first, second)), strict=True):
        assert a.tobytes() == b.tobytes()
