"""Dropout and DropBlock: what is removed, how the rest is scaled, and the same gradient mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minidet.functions as F
from minidet import Tensor


@given(rate=st.floats(0, 1), seed=st.integers(0, 99))
def test_dropout_keeps_or_scales(rate, seed):
    x = Tensor(np.random.default_rng(0).uniform(1, 2, (5, 7)), requires_grad=True)
    y = F.dropout(x, rate=rate, rng=seed)
    kept = y.data != 0
    np.testing.assert_allclose(y.data[kept], x.data[kept] / (1 - rate) if rate < 1 else 0)
    y.backward(np.ones((5, 7)))
    np.testing.assert_allclose(x.grad, y.data / x.data, rtol=1e-14)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_removes_its_share_and_keeps_the_mean(rate):
    n = 200_000
    y = F.dropout(np.ones(n), rate=rate, rng=3).data
    sigma = (rate * (1 - rate) / n) ** 0.5
    assert abs((y == 0).mean() - rate) <= 5 * sigma
    assert abs(y.mean() - 1) <= 5 * sigma / (1 - rate)


def test_a_generator_advances_and_a_seed_repeats():
    x = np.ones(50)
    rng = np.random.default_rng(1)
    first, second = F.dropout(x, rng=rng).data, F.dropout(x, rng=rng).data
    assert (first != second).any()
    np.testing.assert_array_equal(F.dropout(x, rng=1).data, first)


def plain_drop_block(x, rate, block, seed):
    n, c, h, w = x.shape
    bh, bw = min(block, h), min(block, w)
    p = rate * h * w / (bh * bw * (h - bh + 1) * (w - bw + 1))
    u = np.random.default_rng(seed).random((n, c, h - bh + 1, w - bw + 1), dtype=np.float32)
    keep = np.ones(x.shape)
    for a, b, i, j in np.ndindex(u.shape):
        if u[a, b, i, j] < p:
            keep[a, b, i : i + bh, j : j + bw] = 0
    return x * keep * (keep.size / keep.sum() if keep.any() else 0)


@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 9), st.integers(1, 9)),
    rate=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    block=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_drop_block_is_the_definition(shape, rate, block, seed):
    x = np.random.default_rng(5).normal(size=shape)
    y = F.drop_block(x, rate=rate, block=block, rng=seed).data
    np.testing.assert_allclose(y, plain_drop_block(x, rate, block, seed), rtol=1e-12)


def test_drop_block_removes_about_its_share_in_whole_blocks():
    keep = F.drop_block(np.ones((8, 8, 40, 40)), rate=0.1, block=5, rng=0).data
    removed = (keep == 0).mean()
    assert 0.07 < removed < 0.11  # blocks overlap a little, so rather less than 0.1
    assert keep.mean() == pytest.approx(1)


def test_an_empty_batch():
    assert F.drop_block(np.ones((0, 3, 4, 4)), rng=0).shape == (0, 3, 4, 4)
    assert F.dropout(np.ones((0, 3)), rng=0).shape == (0, 3)


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_a_rate_is_from_0_to_1(rate):
    with pytest.raises(ValueError, match="0 to 1 is expected"):
        F.dropout(np.ones(3), rate=rate, rng=0)
    with pytest.raises(ValueError, match="0 to 1 is expected"):
        F.drop_block(np.ones((1, 1, 3, 3)), rate=rate, rng=0)
