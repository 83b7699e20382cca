"""Adding up at repeated places on the device: NumPy's order, so NumPy's bits, whatever the index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minidet.functions as F
from minidet import Tensor
from minidet.functions.scatter import add_at


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    length=st.integers(0, 40),
    seed=st.integers(0, 2**32 - 1),
    broad=st.booleans(),
)
def test_sums_are_numpys_to_the_bit(shape: Any, length: int, seed: int, broad: bool, cupy: Any) -> None:
    rng = np.random.default_rng(seed)
    index: list[Any] = [rng.integers(-n, n, length) if rng.random() < 0.6 else slice(None) for n in shape]
    index[0] = rng.integers(0, shape[0], (3, length) if broad else length)
    here, there = np.zeros(shape, np.float32), cupy.asarray(np.zeros(shape, np.float32))
    g = (rng.standard_normal(here[tuple(index)].shape) * 10.0 ** rng.integers(-4, 5)).astype(np.float32)
    np.add.at(here, tuple(index), g)
    moved = tuple(cupy.asarray(i) if isinstance(i, np.ndarray) else i for i in index)
    add_at(there, moved, cupy.asarray(g))
    np.testing.assert_array_equal(there.get().view(np.uint32), here.view(np.uint32))


def test_no_atomics_in_gradients_of_indexing(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def atomics(*_: Any) -> None:
        raise AssertionError("an atomic addition")

    monkeypatch.setattr(cupy.ufunc, "at", atomics)
    x = Tensor(cupy.asarray(np.zeros((2, 3), np.float32)), requires_grad=True)
    index = cupy.asarray(np.array([[0, 0, 2], [1, 1, 1]]))
    F.sum(F.gather(x, index, axis=1)).backward()
    np.testing.assert_array_equal(x.grad.get(), [[2, 0, 1], [0, 3, 0]])
    x.grad = None
    F.sum(F.getitem(x, index=(cupy.asarray(np.array([1, 1, 0])),))).backward()
    np.testing.assert_array_equal(x.grad.get(), [[1, 1, 1], [2, 2, 2]])
