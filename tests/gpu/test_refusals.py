"""What a GPU cannot take is refused in words, and what is chosen there is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS


def test_explain_says_what_runs_and_why_not_the_others(cupy: Any) -> None:
    x, w = np.zeros((1, 8, 8, 8), np.float32), np.zeros((8, 8, 3, 3), np.float32)
    told = OPS["conv2d"].explain(cupy.asarray(x), cupy.asarray(w))
    assert "takes numpy arrays, not cupy" in told
    assert "numba_cuda       would take it, but it is the readable twin" in told or "needs numba.cuda" in told
    assert "runs" in told


def test_a_host_array_beside_one_of_the_device_is_refused(cupy: Any) -> None:
    with pytest.raises(TypeError, match="move"):
        OPS["iou_matrix"](cupy.asarray(np.zeros((1, 4), np.float32)), np.zeros((1, 4), np.float32))


def test_too_little_memory_is_an_error_of_its_own(real: Any) -> None:
    free, _ = real.cuda.runtime.memGetInfo()
    n = int((free / 4) ** 0.5 * 2)
    some = real.zeros((n, 4), np.float32)
    with pytest.raises(MemoryError):
        OPS["iou_matrix"](some, some)
    few = real.zeros((3, 4), np.float32)
    assert OPS["iou_matrix"](few, few).shape == (3, 3)  # and the GPU goes on


def test_views_are_taken_or_refused_but_never_misread(cupy: Any) -> None:
    wide = np.random.default_rng(0).random((40, 8)).astype(np.float32)
    a, b = wide[::2, 1:5], wide[1::3, 3:7]
    there = cupy.asarray(wide)
    got = OPS["iou_matrix"](there[::2, 1:5], there[1::3, 3:7])
    np.testing.assert_array_equal(got.get(), OPS["iou_matrix"].definition(a, b))
