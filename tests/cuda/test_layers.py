"""Kernels of layers and updates beyond what the cases draw: long arrays, remainders, views, extremes; and networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS
from minidet_kernels.activation import cuda as activation
from support.cases import CASES, assert_close

POINTWISE = ["leaky_relu", "leaky_relu_grad", "silu", "silu_grad", "mish", "mish_grad"]
SLOPE = {"leaky_relu": {"slope": 0.1}, "leaky_relu_grad": {"slope": 0.1}}


def agree(name: str, args: Any, options: Any, cupy: Any) -> Any:
    """The CUDA implementation on arrays of the stand-in, compared with the definition; its results, on the host."""
    there = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
    assert OPS[name].refusal("cuda", *there, **options) is None
    with np.errstate(all="ignore"):
        expected = OPS[name].definition(*args, **options)
        got = OPS[name].using("cuda")(*there, **options)
        host = tuple(part.get() for part in got) if isinstance(got, tuple) else got.get()
        assert_close(host, expected, CASES[name].rule("cuda"), args, options)
    return host


def numbers(name: str, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arguments of an activation of ``x``, or of its gradient."""
    g = np.random.default_rng(1).normal(size=x.shape).astype(x.dtype)
    return (g, x) if name.endswith("_grad") else (x,)


@pytest.fixture
def few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that threads have to go on by the grid's size."""
    monkeypatch.setattr(activation, "BLOCKS", 2)


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 1023, 1024, 1025, 2047, 2050, 4096, 5001, 6147])
def test_every_number_of_a_long_array_is_reached(name: str, dtype: str, size: int, cupy: Any, few_blocks: None) -> None:
    x = (4 * np.random.default_rng(size).normal(size=size)).astype(dtype)
    agree(name, numbers(name, x), SLOPE.get(name, {}), cupy)


@pytest.mark.parametrize("name", POINTWISE)
def test_arrays_that_begin_anywhere(name: str, cupy: Any) -> None:
    """A view that is contiguous, but not at a multiple of 16 bytes."""
    x = cupy.asarray(np.random.default_rng(0).normal(size=4001).astype("f4"))
    for start in range(1, 5):
        args = tuple(cupy.asarray(a) for a in numbers(name, x.get()))
        views, hosts = [a[start:] for a in args], [a.get()[start:] for a in args]
        got = OPS[name].using("cuda")(*views, **SLOPE.get(name, {}))
        expected = OPS[name].definition(*hosts, **SLOPE.get(name, {}))
        assert_close(got.get(), expected, CASES[name].rule("cuda"), hosts, SLOPE.get(name, {}))


#: Where the functions change their form, reach their limits, overflow or underflow; and what is no number.
EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-30, -1e-30, 9.5, 19.9, 20.0, 20.1, 23.9, 24.0, 24.1, 44.4, 45.0, 88.0, 89.0]
EXTREMES += [-16.7, -20.0, -44.0, -87.0, -88.0, -103.0, -104.0, -110.0, -300.0, 709.0, -709.0, -745.0, -1000.0, 1e4]
EXTREMES += [104.0, 3e38, -3e38, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_extremes(name: str, dtype: str, cupy: Any) -> None:
    x = np.array(EXTREMES, dtype)
    y = agree(name, numbers(name, x), SLOPE.get(name, {}), cupy)
    assert (np.isnan(y) == np.isnan(OPS[name].definition(*numbers(name, x), **SLOPE.get(name, {})))).all()


@pytest.mark.parametrize("name", ["silu", "mish"])
def test_the_tail_is_not_lost(name: str, cupy: Any) -> None:
    """Below -17, where 1 + exp(x) is 1 in float32, the value is x exp(x) to 8 units in the last place, as in NumPy."""
    x = -np.linspace(17, 85, 500).astype("f4")
    y = OPS[name](cupy.asarray(x)).get()
    assert (np.abs(y / (x.astype("f8") * np.exp(x.astype("f8"))) - 1) <= 8 * np.finfo("f4").eps).all()


def test_float16_is_left_to_whole_arrays(cupy: Any) -> None:
    x = cupy.asarray(np.float16([1, 2]))
    assert OPS["mish"].choose(x) == "whole"
    assert "takes float32 or float64, not float16" in OPS["mish"].explain(x)
