"""Every function of the table gives the same value and gradients on arrays of the stand-in as on NumPy's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidet_kernels import OPS
from minidet_kernels.arrays import library
from support.close import assert_close
from support.function_cases import CASES

import minidet.functions as F
from minidet import Tensor

# Results differ by rounding alone, since another implementation of an operator may be chosen.
TOLERANCE = {"float64": {"rtol": 1e-12, "zero": 1e-13}, "float32": {"rtol": 2e-5, "zero": 1e-5}}


def floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def moved(cupy: Any, x: Any, dtype: str) -> Any:
    """An argument on the device: arrays, also within an index."""
    if isinstance(x, tuple):
        return tuple(moved(cupy, part, dtype) for part in x)
    if floating(x):
        return cupy.asarray(x.astype(dtype))
    return cupy.asarray(x) if isinstance(x, np.ndarray) else x


def run(function: str, inputs: Any, parameters: Any, seed: Any) -> tuple[Any, list[Any]]:
    tensors = [Tensor(x, requires_grad=True) if getattr(x, "dtype", np.dtype(int)).kind == "f" else x for x in inputs]
    y = getattr(F, function)(*tensors, **parameters)
    if y.requires_grad:
        y.backward(seed(y.shape))
    return y, [t.grad if isinstance(t, Tensor) else None for t in tensors]


def for_the_host_alone(function: str) -> bool:
    """Whether the operator of this name has no implementation for CuPy but those that need its compiler."""
    impls = OPS[function].impls.values() if function in OPS else ()
    return function in OPS and not any("cupy" in impl.arrays and impl.missing() is None for impl in impls)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=[str(case) for case in CASES])
def test_value_and_gradients_are_those_on_the_host(case: Any, dtype: str, cupy: Any) -> None:
    @settings(max_examples=20 if dtype == "float64" else 8)
    @given(st.data())
    def check(data: Any) -> None:
        call = data.draw(case.calls)
        here = [x.astype(dtype) if floating(x) else x for x in call.inputs]
        there = [moved(cupy, x, dtype) for x in call.inputs]
        options = {name: copy.deepcopy(p.astype(dtype) if floating(p) else p) for name, p in call.parameters.items()}
        options_there = {name: moved(cupy, p, dtype) for name, p in call.parameters.items()}

        def direction(shape: Any) -> np.ndarray:
            return np.random.default_rng(1).normal(size=shape).astype(dtype)

        if for_the_host_alone(case.function):  # then it says so, and copies nothing in silence
            with pytest.raises(TypeError, match=f"^{case.function}: no implementation takes this call; .* cupy"):
                run(case.function, there, options_there, direction)
            return
        y, gradients = run(case.function, here, options, direction)
        y_there, gradients_there = run(case.function, there, options_there, lambda s: cupy.asarray(direction(s)))
        if not any(isinstance(x, np.ndarray) for x in here):
            return
        assert library(y_there.data) == "cupy"
        assert y_there.dtype == y.dtype
        assert_close(y_there.data.get(), y.data, what="value", **TOLERANCE[dtype])
        for i, (a, b) in enumerate(zip(gradients_there, gradients, strict=True)):
            assert (a is None) == (b is None)
            if a is not None:
                assert (library(a), a.dtype) == ("cupy", b.dtype)
                assert_close(a.get(), b, what=f"gradient of input {i}", **TOLERANCE[dtype])
        for name, p in options.items():  # the running statistics of batch norm are updated in place
            if floating(p):
                assert_close(options_there[name].get(), p, what=name, **TOLERANCE[dtype])

    check()
