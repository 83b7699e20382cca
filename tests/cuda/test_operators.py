"""Every CUDA implementation agrees with its definition: launcher and kernel, in three schedules, without a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from minidet_kernels import OPS
from minidet_kernels.arrays import library, to_numpy
from support.cases import CASES, assert_close

PAIRS = [(op, impl) for op in OPS.values() for impl in op.impls.values() if impl.needs == ("cupy",)]


def each_array(function: Any, values: Any) -> Any:
    if isinstance(values, dict):
        return {key: each_array(function, [value])[0] for key, value in values.items()}
    return [function(value) if isinstance(value, np.ndarray) else value for value in values]


each_pair = pytest.mark.parametrize(("op", "impl"), PAIRS, ids=[f"{op.name}-{impl.name}" for op, impl in PAIRS])


@each_pair
def test_agrees_with_the_definition(op: Any, impl: Any, cupy: Any) -> None:
    compare(op, impl, cupy, 40)


@pytest.mark.oracle  # as it takes long
@each_pair
def test_agrees_with_the_definition_in_200_examples(op: Any, impl: Any, cupy: Any) -> None:
    compare(op, impl, cupy, 200)


def compare(op: Any, impl: Any, cupy: Any, examples: int) -> None:
    """The implementation on the stand-in's arrays beside the definition, for drawn arguments."""
    taken = 0

    @settings(max_examples=examples)
    @given(CASES[op.name].strategy)
    def check(call: Any) -> None:
        nonlocal taken
        args, kwargs = call
        there = each_array(cupy.asarray, args), each_array(cupy.asarray, kwargs)
        if op.refusal(impl.name, *there[0], **there[1]):
            return
        taken += 1
        expected = op.definition(*args, **kwargs)
        before = [a.get() if hasattr(a, "get") else None for a in there[0]]
        got = op.using(impl.name)(*there[0], **there[1])
        parts = got if isinstance(got, tuple) else (got,)
        assert all(library(part) == "cupy" for part in parts), "a result left the device"
        host = tuple(map(to_numpy, got)) if isinstance(got, tuple) else to_numpy(got)
        assert_close(host, expected, CASES[op.name].rule(impl.name), args, kwargs)
        for old, a in zip(before, there[0], strict=True):
            if old is not None:
                np.testing.assert_array_equal(old, a.get(), err_msg="an input was changed")

    check()
    if taken <= 2 and examples < 200:  # it takes few of the operator's cases
        compare(op, impl, cupy, 200)
        return
    assert taken > 2, "too few of the drawn cases are taken by this implementation"
