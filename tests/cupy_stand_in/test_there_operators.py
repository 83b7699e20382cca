"""Every implementation that says it takes CuPy's arrays agrees with its definition, on arrays of the stand-in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from minidet_kernels import OPS
from minidet_kernels.arrays import library, to_numpy
from support.cases import CASES, EXACT, assert_close

# Those that need no compiler of CUDA: written once, against the array namespace.
PAIRS = [(op, impl) for op in OPS.values() for impl in op.impls.values() if "cupy" in impl.arrays and not impl.needs]


def each_array(function: Any, values: Any) -> Any:
    if isinstance(values, dict):
        return {key: each_array(function, [value])[0] for key, value in values.items()}
    return [function(value) if isinstance(value, np.ndarray) else value for value in values]


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


THERE = {op.name for op, _ in PAIRS}

# What the networks here are made of, and detection with them.
NEEDED = """
avg_pool2d avg_pool2d_grad_x batched_nms conv2d conv2d_grad_w conv2d_grad_x iou_matrix max_pool2d max_pool2d_grad_x nms
resize resize_grad_x
"""


def test_the_operators_that_networks_need_run_there():
    assert set(NEEDED.split()) <= THERE


@pytest.mark.parametrize(("op", "impl"), PAIRS, ids=[f"{op.name}-{impl.name}" for op, impl in PAIRS])
def test_agrees_with_the_definition(op: Any, impl: Any, cupy: Any) -> None:
    taken = 0

    @settings(max_examples=30)
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
        assert all(library(part) == "cupy" for part in as_tuple(got)), "a result left the device"
        host = tuple(map(to_numpy, got)) if isinstance(got, tuple) else to_numpy(got)
        assert_close(host, expected, CASES[op.name].compare, args, kwargs)
        for old, a in zip(before, there[0], strict=True):
            if old is not None:
                np.testing.assert_array_equal(old, a.get(), err_msg="an input was changed")

    check()
    assert taken > 0, "no drawn case is taken by this implementation"


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_the_operator_itself_runs_there(op: Any, cupy: Any) -> None:
    """With its check of the arguments and its choice of an implementation; or it says that it has none."""

    @settings(max_examples=15)
    @given(CASES[op.name].strategy)
    def check(call: Any) -> None:
        args, kwargs = call
        there = each_array(cupy.asarray, args), each_array(cupy.asarray, kwargs)
        if op.name not in THERE:
            with pytest.raises(TypeError, match="cupy"):
                op(*there[0], **there[1])
            return
        got = op(*there[0], **there[1])
        host = tuple(map(to_numpy, got)) if isinstance(got, tuple) else to_numpy(got)
        assert_close(host, op.definition(*args, **kwargs), CASES[op.name].compare, args, kwargs)

    check()


def test_mixed_devices_are_refused_by_name(cupy: Any) -> None:
    x, w = np.zeros((1, 1, 3, 3)), np.zeros((1, 1, 1, 1))
    with pytest.raises(TypeError, match="x is on cupy and w on numpy"):
        OPS["conv2d"](cupy.asarray(x), w)
    with pytest.raises(TypeError, match="a is on cupy, b is on numpy"):
        OPS["iou_matrix"](cupy.asarray(np.zeros((1, 4))), np.zeros((1, 4)))


def test_exact_operators_are_bitwise_equal_there(cupy: Any) -> None:
    assert {name for name in OPS if CASES[name].compare is EXACT} >= {"iou_matrix", "nms", "batched_nms"}
