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
from support.cases import CASES
from support.on_device import each_array, taken

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
    # boundaries are drawn seldom; and implementations that take only some shapes have draws made for them alone
    examples = settings().max_examples * (3 + len(CASES[op.name].implementations))
    # in poisoned memory second, because Numba compiles what numpy.empty means at the first call
    count = taken(library, op, name, examples, again=lambda: poisoned(library))
    assert count > 0, "no drawn case is taken by this implementation: the strategy never reaches it"


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
