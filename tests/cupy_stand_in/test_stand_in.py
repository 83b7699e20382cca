"""What the stand-in for CuPy refuses, and how it comes and goes: a stand-in that takes everything proves nothing."""

from __future__ import annotations

import operator
import sys
from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS, table
from minidet_kernels.arrays import is_array, library, namespace, to_numpy
from support.strict_cupy import strict_cupy

from minidet import nn

HOST = np.arange(6.0).reshape(2, 3)


def test_it_is_there_inside_the_block_only():
    before = sys.modules.get("cupy")
    with strict_cupy() as cupy:
        assert sys.modules["cupy"] is cupy
        with strict_cupy() as inner:
            assert sys.modules["cupy"] is inner
        assert sys.modules["cupy"] is cupy
    assert sys.modules.get("cupy") is before
    assert table._installed.cache_info  # the real one again
    with pytest.raises(ZeroDivisionError), strict_cupy():
        _ = 1 / 0
    assert sys.modules.get("cupy") is before


def test_the_library_takes_its_arrays_for_cupys(cupy: Any) -> None:
    x = cupy.asarray(HOST)
    assert (library(x), namespace(HOST, x), is_array(x)) == ("cupy", cupy, True)
    assert to_numpy(x) is not x
    np.testing.assert_array_equal(to_numpy(x), HOST)


def test_implementations_that_need_cupys_compiler_stay_refused(cupy: Any) -> None:
    assert not table._installed("cupy")
    for op in OPS.values():
        for impl in op.impls.values():
            assert "cupy" not in impl.needs or impl.missing()


ARRAYS_OF_BOTH = [operator.add, operator.mul, operator.matmul, operator.lt, operator.eq, operator.and_, operator.pow]


@pytest.mark.parametrize("compute", ARRAYS_OF_BOTH)
def test_host_and_device_do_not_mix(compute: Any, cupy: Any) -> None:
    square = np.ones((3, 3), bool if compute is operator.and_ else float)
    there = cupy.asarray(square)
    np.testing.assert_array_equal(compute(there, there).get(), compute(square, square))
    for a, b in ((there, square), (square, there)):
        with pytest.raises(TypeError):
            compute(a, b)


def test_in_place_neither(cupy: Any) -> None:
    for a, b in ((HOST.copy(), cupy.asarray(HOST)), (cupy.asarray(HOST), HOST.copy())):
        with pytest.raises(TypeError):
            a += b
        with pytest.raises(TypeError):
            a[...] = b


REFUSED = {
    "a function of NumPy's": lambda cupy, x: np.sum(x),
    "a shape by NumPy": lambda cupy, x: np.shape(x),
    "a universal function of NumPy's": lambda cupy, x: np.exp(x),
    "a silent copy": lambda cupy, x: np.asarray(x),
    "a silent copy as a list": lambda cupy, x: np.array([x, x]),
    "a silent copy by stacking": lambda cupy, x: np.stack([x, x]),
    "an array of NumPy's": lambda cupy, x: cupy.maximum(x, HOST),
    "one without axes": lambda cupy, x: cupy.maximum(x, np.asarray(1.0)),
    "a list": lambda cupy, x: cupy.add(x, [1, 2, 3]),
    "a list of NumPy's": lambda cupy, x: cupy.stack([x, HOST]),
    "an output of NumPy's": lambda cupy, x: cupy.exp(x, out=HOST.copy()),
    "NumPy's array on its own": lambda cupy, x: cupy.sum(HOST),
    "like NumPy's": lambda cupy, x: cupy.zeros_like(HOST),
    "an index of NumPy's": lambda cupy, x: x[np.array([0, 1])],
    "a number as a condition": lambda cupy, x: cupy.where(True, x, x),
    "where= of a reduction": lambda cupy, x: x.sum(where=x > 1),
    "where= of a universal function": lambda cupy, x: cupy.add(x, x, where=x > 1),
    "initial= of a reduction": lambda cupy, x: x.max(initial=0),
    "an array as a size": lambda cupy, x: cupy.zeros(x[0, 1].astype(int)),
    "an array among sizes": lambda cupy, x: x.reshape(x[1, 0].astype(int), 2),
    "an array as an axis": lambda cupy, x: x.sum(axis=x[0, 1].astype(int)),
    "an array as an end": lambda cupy, x: range(x.astype(int)[0, 2]),
    "keys as a tuple": lambda cupy, x: cupy.lexsort((x[0], x[1])),
    "an atomic addition of int64": lambda cupy, x: cupy.add.at(x.astype(np.int64), 0, 1),
    "an atomic product": lambda cupy, x: cupy.multiply.at(x, 0, 2.0),
    "an unhashable key": lambda cupy, x: {x: 1},
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_a_type_error(what: str, cupy: Any) -> None:
    with pytest.raises(TypeError):
        REFUSED[what](cupy, cupy.asarray(HOST))


@pytest.mark.parametrize("name", ["put_along_axis", "errstate", "concat", "vectorize", "astype"])
def test_what_cupy_13_has_not_is_not_there(name: str, cupy: Any) -> None:
    assert not hasattr(cupy, name)


def test_other_refusals(cupy: Any) -> None:
    x = cupy.asarray(HOST)
    with pytest.raises(AttributeError):
        cupy.add.reduce(x)
    with pytest.raises(ValueError, match="cupy_max"):
        cupy.bincount(cupy.zeros(0, cupy.int64), minlength=3)
    with pytest.raises(ValueError, match="twice"):
        x[cupy.asarray(np.array([0, 0]))] = x
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)


def test_reductions_and_elements_are_arrays_without_axes(cupy: Any) -> None:
    x = cupy.asarray(HOST)
    for made in (x.sum(), cupy.max(x), x.any(), x[0, 0], x[1][2], next(iter(x[0]))):
        assert isinstance(made, cupy.ndarray)
        assert made.shape == ()
    assert (int(x.sum()), float(x[1, 2]), bool(x.any()), x.max().item()) == (15, 5.0, True, 5.0)
    assert isinstance(x.max().item(), float)


def test_elements_are_views_and_memory_is_unwritten(cupy: Any) -> None:
    x = cupy.asarray(HOST)
    element = x[1, 2]
    element[...] = 7
    x[0] += 10
    np.testing.assert_array_equal(x.get(), [[10, 11, 12], [3, 4, 7]])
    assert HOST[1, 2] == 5
    assert np.isnan(cupy.empty((2,)).get()).all()


def test_numbers_are_operands_on_either_side(cupy: Any) -> None:
    x = cupy.asarray(HOST.astype(np.float32))
    for made in (x * 2, 2 * x, np.float32(2) * x, x * np.float32(2), cupy.multiply(x, 2)):
        assert (type(made), made.dtype) == (cupy.ndarray, np.float32)
        np.testing.assert_array_equal(made.get(), 2 * HOST)


def test_a_module_without_a_device_says_so():
    if "cupy" not in sys.modules:
        with pytest.raises(RuntimeError, match="needs"):
            nn.Linear(1, 1).to("cuda")
