"""The number of BLAS threads is set for a while, if it can be."""

from __future__ import annotations

import numpy as np
import pytest

from minidet.train import threads


def test_it_is_set_inside_and_restored_outside(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    functions = threads._find()
    if functions is None:
        pytest.skip("NumPy here is not a wheel with OpenBLAS")
    get, _ = functions
    before = get()
    with threads.blas_threads(1) as arranged:
        assert arranged
        assert get() == 1
        assert np.array_equal(np.ones((70, 70)) @ np.ones((70, 70)), np.full((70, 70), 70.0))
    assert get() == before
    with pytest.raises(ZeroDivisionError), threads.blas_threads(1):
        _ = 1 / 0
    assert get() == before


def test_a_choice_by_the_environment_stands(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    with threads.blas_threads(7) as arranged:
        assert not arranged


def test_another_blas_is_left_alone(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_find", lambda: None)
    with threads.blas_threads(1) as arranged:
        assert not arranged
