"""The stand-in's tables against CuPy itself, where it is installed: that takes CuPy, and no GPU."""

from __future__ import annotations

import importlib
import inspect
import re

import numpy as np
import pytest
from support import strict_cupy_names as names

VARIADIC = {"pad": "constant_values"}  # taken by CuPy as **kwargs


@pytest.fixture(scope="module")
def real():
    pytest.importorskip("cupy", exc_type=ImportError)
    return importlib.import_module("cupy")


def test_universal_functions(real):
    assert [n for n in names.UFUNCS if not isinstance(getattr(real, n, None), real.ufunc)] == []
    assert [n for n in names.ATOMIC if not hasattr(getattr(real, n), "at")] == []


def test_what_is_borrowed_from_numpy(real):
    assert [n for n in names.BORROWED if getattr(real, n, ...) is not getattr(np, n)] == []


def test_functions_and_the_order_of_their_arguments(real):
    for name, listed in names.FUNCTIONS.items():
        ours = [p for p in listed.split() if p != VARIADIC.get(name)]
        if name != "matmul":  # of which nothing can be asked
            assert list(inspect.signature(getattr(real, name)).parameters)[: len(ours)] == ours, name


def test_attributes(real):
    wanted = [*names.PROPERTIES, *names.METHODS, "get"]
    assert [n for n in wanted if not hasattr(real.ndarray, n)] == []


def test_methods_and_their_arguments(real):
    """CuPy's methods are compiled; the first line of their documentation holds the signature."""
    for name, listed in names.METHODS.items():
        said = re.match(r"\w+\.(\w+)\((.*)\)", (getattr(real.ndarray, name).__doc__ or "").splitlines()[0])
        assert said is not None, name
        theirs = re.findall(r"(?:^|, )(?:\w+ )?(\*?\w+)(?==|,|$)", said[2])
        assert {p for p in listed.split() if p != "*"} <= set(theirs), said[0]


def test_what_the_stand_in_leaves_out(real):
    assert not hasattr(real.ndarray, "__index__")
    assert not hasattr(real.ndarray, "__imatmul__")
