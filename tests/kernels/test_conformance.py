"""Every implementation of every operator agrees with the operator's definition, on the cases of the registry."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from minidet_kernels import OPS
from minidet_kernels.arrays import to_numpy
from support.cases import CASES, EXACT, assert_close

TRIPLES = [(op, name, kind) for op in OPS.values() for name, impl in op.impls.items() for kind in sorted(impl.arrays)]
if os.environ.get("MINIDET_TEST_WHEEL") == "1":  # the files are in question: of each module one implementation
    by_module = {(op.impls[name].target.partition(":")[0], kind): (op, name, kind) for op, name, kind in TRIPLES}
    TRIPLES = list(by_module.values())


@cache
def library_for(kind: str) -> Any:
    """The array library, or None where it cannot run."""
    if kind == "numpy":
        return np
    if importlib.util.find_spec(kind) is None:
        return None
    module = importlib.import_module(kind)
    try:
        return module if module.cuda.runtime.getDeviceCount() else None
    except module.cuda.runtime.CUDARuntimeError:
        return None


def each_array(function: Any, values: Any) -> Any:
    """Apply to the arrays among positional or keyword arguments, leaving the rest."""
    if isinstance(values, dict):
        return {key: each_array(function, [value])[0] for key, value in values.items()}
    return [function(value) if hasattr(value, "__array__") else value for value in values]


def on_host(result: Any) -> Any:
    """NumPy arrays, whatever the result's arrays are."""
    return tuple(map(to_numpy, result)) if isinstance(result, tuple) else to_numpy(result)


@contextmanager
def poisoned(library: Any) -> Iterator[None]:
    """New memory holds NaN (or the least integer), so that an output which is not wholly written shows."""
    empty, empty_like = library.empty, library.empty_like

    def poison(array: Any) -> Any:
        if array.dtype.kind == "f":
            array.fill(np.nan)
        elif array.dtype.kind in "iu":
            array.fill(np.iinfo(array.dtype).min)
        return array

    with (
        mock.patch.object(library, "empty", lambda *a, **k: poison(empty(*a, **k))),
        mock.patch.object(library, "empty_like", lambda *a, **k: poison(empty_like(*a, **k))),
    ):
        yield


@pytest.mark.wheel
@pytest.mark.parametrize(("op", "name", "kind"), TRIPLES, ids=[f"{op.name}-{name}-{k}" for op, name, k in TRIPLES])
def test_agrees_with_the_definition(op: Any, name: str, kind: str) -> None:
    if why := op.impls[name].missing():
        pytest.skip(why)
    library = library_for(kind)
    if library is None:
        pytest.skip(f"{kind} cannot run here")
    taken = 0
    # boundaries are drawn seldom; and implementations that take only some shapes have draws made for them alone
    examples = settings().max_examples * (3 + len(CASES[op.name].implementations))

    @settings(max_examples=examples)
    @given(CASES[op.name].strategy)
    def check(call: Any) -> None:
        nonlocal taken
        args, kwargs = call
        there = each_array(library.asarray, args), each_array(library.asarray, kwargs)
        if op.refusal(name, *there[0], **there[1]):
            return
        taken += 1
        op.check(*args, **kwargs)
        expected = op.definition(*args, **kwargs)
        before = each_array(np.array, args), each_array(np.array, kwargs)
        got = on_host(op.using(name)(*there[0], **there[1]))
        assert_close(got, expected, CASES[op.name].rule(name), args, kwargs)
        with poisoned(library):  # second, because Numba compiles what numpy.empty means at the first call
            again = on_host(op.using(name)(*there[0], **there[1]))
        assert_close(again, got, EXACT)  # and so the same twice, bit for bit
        for given_array, copy in zip([*args, *kwargs.values()], [*before[0], *before[1].values()], strict=True):
            if isinstance(given_array, np.ndarray) and given_array is not kwargs.get("out"):
                np.testing.assert_array_equal(given_array, copy, err_msg="an input was changed")

    check()
    assert taken > 0, "no drawn case is taken by this implementation: the strategy never reaches it"


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_the_definition_itself(op: Any) -> None:
    """The definition is a function of its arguments: it gives the same twice, and leaves them as they were."""

    @given(CASES[op.name].strategy)
    def check(call: Any) -> None:
        args, kwargs = call
        before = each_array(np.array, args)
        first, second = op.definition(*args, **kwargs), op.definition(*args, **kwargs)
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (first, second)), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(args, before, strict=True):
            np.testing.assert_array_equal(a, b) if isinstance(a, np.ndarray) else None

    check()
