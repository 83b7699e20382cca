"""Implementations beside their definitions, on drawn arguments: arrays of NumPy, of the stand-in, or of a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from hypothesis import given, settings
from minidet_kernels.arrays import is_array, library, to_numpy
from minidet_kernels.table import Op
from support.cases import CASES, EXACT, assert_close

#: Examples that Hypothesis draws for a test on a GPU.
EXAMPLES = int(os.environ.get("MINIDET_GPU_EXAMPLES", "60"))


def each_array(function: Callable[[Any], Any], values: Any) -> Any:
    """Apply to the NumPy arrays among positional or keyword arguments, leaving the rest."""
    if isinstance(values, dict):
        return {key: each_array(function, [value])[0] for key, value in values.items()}
    return [function(value) if isinstance(value, np.ndarray) else value for value in values]


def moved(module: Any, values: Any) -> Any:
    """The NumPy arrays among positional or keyword arguments as those of ``module``, CuPy or NumPy itself."""
    return each_array(module.asarray, values)


def host(result: Any) -> Any:
    """A result, or each part of it, as NumPy's."""
    return tuple(map(to_numpy, result)) if isinstance(result, tuple) else to_numpy(result)


def agrees(
    module: Any,
    op: Op[..., Any],
    name: str,
    args: Any,
    kwargs: Any,
    again: Callable[[], AbstractContextManager[Any]] | None = None,
) -> bool:
    """Whether the implementation takes this call on arrays of ``module``; then it is held against the definition.

    Results stay on the device, and inputs are left as they were.  A second call, inside ``again()``, gives the same
    bits.
    """
    there, options = moved(module, args), moved(module, kwargs)
    if op.refusal(name, *there, **options):
        return False
    if op.check is not None:
        op.check(*args, **kwargs)
    expected = op.definition(*args, **kwargs)
    inputs = [*there, *(value for key, value in options.items() if key != "out")]
    before = [np.array(to_numpy(a)) if is_array(a) else None for a in inputs]
    made = op.using(name)(*there, **options)
    parts = made if isinstance(made, tuple) else (made,)
    assert module is np or all(library(part) == "cupy" for part in parts), "a result left the device"
    got = host(made)
    assert_close(got, expected, CASES[op.name].rule(name), args, kwargs)
    if again is not None:
        with again():
            second = host(op.using(name)(*there, **options))
        assert_close(second, got, EXACT)
    for old, a in zip(before, inputs, strict=True):
        if old is not None:
            np.testing.assert_array_equal(old, to_numpy(a), err_msg="an input was changed")
    return True


def taken(module: Any, op: Op[..., Any], name: str, examples: int, again: Any = None) -> int:
    """How many of so many drawn cases the implementation takes, each of them held against the definition."""
    count = 0

    @settings(max_examples=examples)
    @given(CASES[op.name].strategy)
    def check(call: Any) -> None:
        nonlocal count
        count += agrees(module, op, name, *call, again=again)

    check()
    return count


def twice(call: Callable[[], Any]) -> None:
    """``call`` gives the same bytes every time."""
    first, second = (host(call()) for _ in range(2))
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (first, second)), strict=True):
        assert a.tobytes() == b.tobytes()
