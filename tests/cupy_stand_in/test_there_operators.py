"""Every implementation that says it takes CuPy's arrays agrees with its definition, on arrays of the stand-in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from minidet_kernels import OPS
from support.cases import CASES, EXACT, assert_close
from support.on_device import host, moved, taken

# Those that need no compiler of CUDA: written once, against the array namespace.
PAIRS = [(op, impl) for op in OPS.values() for impl in op.impls.values() if "cupy" in impl.arrays and not impl.needs]


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
    assert taken(cupy, op, impl.name, 30) > 0, "no drawn case is taken by this implementation"


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_the_operator_itself_runs_there(op: Any, cupy: Any) -> None:
    """With its check of the arguments and its choice of an implementation; or it says that it has none."""

    @settings(max_examples=15)
    @given(CASES[op.name].strategy)
    def check(call: Any) -> None:
        args, kwargs = call
        there = moved(cupy, args), moved(cupy, kwargs)
        if op.name not in THERE:
            with pytest.raises(TypeError, match="cupy"):
                op(*there[0], **there[1])
            return
        got = host(op(*there[0], **there[1]))
        assert_close(got, op.definition(*args, **kwargs), CASES[op.name].compare, args, kwargs)

    check()


def test_mixed_devices_are_refused_by_name(cupy: Any) -> None:
    x, w = np.zeros((1, 1, 3, 3)), np.zeros((1, 1, 1, 1))
    with pytest.raises(TypeError, match="x is on cupy and w on numpy"):
        OPS["conv2d"](cupy.asarray(x), w)
    with pytest.raises(TypeError, match="a is on cupy, b is on numpy"):
        OPS["iou_matrix"](cupy.asarray(np.zeros((1, 4))), np.zeros((1, 4)))


def test_exact_operators_are_bitwise_equal_there(cupy: Any) -> None:
    assert {name for name in OPS if CASES[name].compare is EXACT} >= {"iou_matrix", "nms", "batched_nms"}
