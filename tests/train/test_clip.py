"""Gradients kept within bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet import Tensor
from minidet.train.clip import clip_norm, clip_value, gradient_norm


def parameters(*gradients):
    found = []
    for g in gradients:
        p = Tensor(np.zeros(np.shape(g), np.asarray(g).dtype), requires_grad=True)
        p.grad = np.array(g)
        found.append(p)
    return found


def joined(ps):
    return np.concatenate([p.grad.reshape(-1).astype(np.float64) for p in ps])


@given(st.lists(st.lists(st.floats(-1e3, 1e3), max_size=5), min_size=1, max_size=4), st.floats(1e-3, 1e4))
def test_the_norm_and_what_is_above_it(rows, most):
    ps = parameters(*(np.asarray(row, np.float64) for row in rows))
    before = joined(ps)
    norm = clip_norm(ps, most)
    assert norm == pytest.approx(math.sqrt(math.fsum(before**2)), rel=1e-12)
    after = joined(ps)
    assert np.linalg.norm(after) <= most * (1 + 1e-12)
    if norm <= most:
        assert np.array_equal(after, before)
    else:
        assert np.allclose(after * norm, before * most, rtol=1e-12)


@given(st.lists(st.floats(-1e3, 1e3), max_size=5), st.floats(1e-3, 1e3))
def test_values_are_cut(row, most):
    (p,) = parameters(np.asarray(row, np.float64))
    clip_value([p], most)
    assert p.grad.tolist() == [min(max(g, -most), most) for g in row]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_shows_and_nothing_is_changed(bad):
    ps = parameters(np.array([1.0, bad], np.float32), np.array([3.0], np.float32))
    assert not math.isfinite(clip_norm(ps, 1.0))
    assert ps[1].grad[0] == 3


@pytest.mark.parametrize(("value", "n"), [(1e30, 4), (1e-30, 4), (3e38, 1)])
def test_float32_whose_squares_are_not_in_float32(value, n):
    ps = parameters(np.full(n, value, np.float32))
    assert gradient_norm(ps) == pytest.approx(float(np.float32(value)) * math.sqrt(n), rel=1e-6)


def test_a_small_gradient_beside_a_large_one_and_parameters_without():
    ps = parameters(np.full(2, 1e-25, np.float32), np.full(3, 2.0, np.float32))
    ps.append(Tensor(np.zeros(3), requires_grad=True))
    assert gradient_norm(ps) == pytest.approx(math.sqrt(12))
    assert clip_norm(ps, 0.5) == pytest.approx(math.sqrt(12))
    assert ps[2].grad is None
    assert gradient_norm(ps) == pytest.approx(0.5)


@pytest.mark.parametrize("most", [0, -1, math.nan])
@pytest.mark.parametrize("clip", [clip_norm, clip_value])
def test_bounds_that_are_none(clip, most):
    with pytest.raises(ValueError, match="above 0"):
        clip([], most)
