"""Laws and witnesses of RoIPool, for every implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, pin, roi_pool, roi_pool_grad_x
from minidet_kernels.regions.whole import windows
from support.cases_maps import tied
from support.cases_regions import pooling

every_pool = pytest.mark.parametrize("name", ["definition", *OPS["roi_pool"].rungs("numpy")])
every_grad = pytest.mark.parametrize("name", ["definition", *OPS["roi_pool_grad_x"].rungs("numpy")])
RAMP = np.arange(16.0).reshape(1, 1, 4, 4)
nan = float("nan")


@every_pool
@pytest.mark.parametrize(
    ("box", "size", "options", "expected", "places"),
    [
        ([0.5, 0.5, 2.5, 2.5], 1, {}, [[15]], [[15]]),  # C's round: 1 to 3
        ([0.5, 0.5, 2.5, 2.5], 1, {"rounding": "half_even"}, [[10]], [[10]]),  # 0 to 2
        ([0.49, 0, 1.49, 0], 1, {}, [[1]], [[1]]),
        ([-0.5, 0, -0.5, 0], 1, {}, [[0]], [[-1]]),  # -0.5 to -1: outside
        ([-0.5, 0, -0.5, 0], 1, {"rounding": "half_even"}, [[0]], [[0]]),
        ([0, 0, 3, 3], 2, {}, [[5, 7], [13, 15]], [[5, 7], [13, 15]]),
        ([0, 0, 3, 3], 2, {"end": "exclusive"}, [[5, 6], [9, 10]], [[5, 6], [9, 10]]),  # bins overlap
        ([0, 0, 6, 6], 2, {"spatial_scale": 0.5}, [[5, 7], [13, 15]], [[5, 7], [13, 15]]),
        ([3, 3, 1, 1], 1, {}, [[15]], [[15]]),  # inverted: one element
        ([2, 2, 2, 2], 2, {}, [[10, 10], [10, 10]], [[10, 10], [10, 10]]),
        ([2, 2, 2, 2], 1, {"end": "exclusive"}, [[10]], [[10]]),
        ([-4, 0, 3, 3], (1, 2), {}, [[0, 15]], [[-1, 15]]),  # the first bin is outside: empty
        ([5, 5, 9, 9], 1, {}, [[0]], [[-1]]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pool_witnesses(name, box, size, options, expected, places, dtype):
    with pin(roi_pool=name):
        y, index = roi_pool(RAMP.astype(dtype), np.array([[0, *box]], dtype), output_size=size, **options)
    assert y[0, 0].tolist() == expected
    assert index[0, 0].tolist() == places


def test_bins_in_integers_and_rounded():
    """Some n / m * m is more than n in float32; an exact bin never reaches behind the region."""
    grown = []
    for n in range(1, 200):
        roi = np.array([[0, 0, 0, n - 1, 0]], np.float32)
        for m in (3, 6, 7, 14):
            (_, _), (first, last) = windows(roi, (1, m), (1, 400), 1.0)
            assert (first[0, 0], last[0, -1]) == (0, n)
            assert (last[0, :-1] >= first[0, 1:]).all()
            (_, _), (_, last) = windows(roi, (1, m), (1, 400), 1.0, bins="rounded")
            assert last[0, -1] in (n, n + 1)
            grown.append(last[0, -1] == n + 1)
    assert any(grown)


@every_pool
def test_ties_and_nan_in_row_major_order(name):
    roi = np.array([[0, 0, 0, 2, 2.0]])
    tie = np.array([[[[0, 0, 7], [0, 7, 0], [7, 0, 0.0]]]])
    hole = np.array([[[[9, 1, 2], [3, 4, nan], [nan, 5, 6]]]])
    low = np.full((1, 1, 3, 3), -np.inf)
    with pin(roi_pool=name):
        assert roi_pool(tie, roi, output_size=1)[1].item() == 2
        y, index = roi_pool(hole, roi, output_size=1)
        assert np.isnan(y).all()
        assert index.item() == 5
        y, index = roi_pool(low, roi, output_size=1)
        assert (y.item(), index.item()) == (-np.inf, 0)


@every_pool
@given(data=st.data())
def test_pool_laws(name, data):
    """The index points at the value, which nothing in the bin exceeds; the map turned; the regions reversed."""
    shape, rois, options = pooling(data.draw)
    x = tied(data.draw, shape, np.float32)
    if roi_pool.refusal(name, x, rois, **options):
        return
    with pin(roi_pool=name):
        y, index = roi_pool(x, rois, **options)
        turned = options | {"output_size": options["output_size"][::-1]}
        flipped, _ = roi_pool(x.swapaxes(2, 3), rois[:, [0, 2, 1, 4, 3]], **turned)
        backwards, _ = roi_pool(x, rois[::-1], **options)
    np.testing.assert_array_equal(flipped, y.swapaxes(2, 3))
    np.testing.assert_array_equal(backwards, y[::-1])
    flat = x.reshape(*shape[:2], shape[2] * shape[3])
    image, c = rois[:, 0].astype(int)[:, None, None, None], np.arange(shape[1])[:, None, None]
    np.testing.assert_array_equal(np.where(index < 0, 0, flat[image, c, np.maximum(index, 0)]), y)


@every_grad
@given(data=st.data())
def test_pool_gradient_is_the_adjoint(name, data):
    shape, rois, options = pooling(data.draw)
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x = rng.normal(size=shape)
    y, index = roi_pool(x, rois, **options)
    g = rng.normal(size=y.shape)
    with pin(roi_pool_grad_x=name):
        back = roi_pool_grad_x(g, index, rois, shape=shape)
    assert back.shape == shape
    assert abs((y * g).sum() - (x * back).sum()) <= 1e-10 * (1 + np.abs(y * g).sum())


@every_grad
def test_regions_add_up(name):
    rois = np.array([[0, 0, 0, 3, 3], [0, 2, 2, 3, 3], [0, 9, 9, 9, 9.0]])
    _, index = roi_pool(RAMP, rois, output_size=1)
    with pin(roi_pool_grad_x=name):
        back = roi_pool_grad_x(np.array([1, 10, 100.0]).reshape(3, 1, 1, 1), index, rois, shape=RAMP.shape)
    assert back.ravel().tolist() == [0] * 15 + [11]


X, R = np.zeros((2, 3, 8, 8), np.float32), np.array([[0, 1, 1, 4, 4], [1, 0, 0, 8, 8]], np.float32)


@pytest.mark.parametrize(
    ("x", "rois", "options", "error", "words"),
    [
        (X[0], R, {}, ValueError, r"x must have shape \(N, C, H, W\)"),
        (X, R[:, :4], {}, ValueError, r"rois must have shape \(K, 5\)"),
        (X, R * np.float32(nan), {}, ValueError, "every number must be finite"),
        (X[:1], R, {}, ValueError, "batch index must be 0 to 0"),
        (X, R, {"output_size": (1, 0)}, ValueError, "output_size"),
        (X, R, {"spatial_scale": -1}, ValueError, "spatial_scale"),
        (X, R, {"rounding": "floor"}, ValueError, "rounding is one of 'half_away', 'half_even', not 'floor'"),
        (X, R, {"end": "open"}, ValueError, "end is one of"),
        (X, R, {"bins": "ceil"}, ValueError, "bins is one of"),
        (X, R[:, [0, 3, 2, 1, 4]], {"inverted": "raise"}, ValueError, "x2 < x1"),
    ],
)
def test_bad_arguments_of_pool_get_one_line(x, rois, options, error, words):
    with pytest.raises(error, match=words) as caught:
        roi_pool(x, rois, **({"output_size": 7} | options))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("roi_pool: ")


def test_bad_arguments_of_the_gradient_of_pool():
    y, index = roi_pool(X, R, output_size=2)
    calls: list[tuple[Any, str]] = [
        (lambda: roi_pool_grad_x(y, index.astype(np.int32), R, shape=X.shape), "index must be int64"),
        (lambda: roi_pool_grad_x(y, index[:1], R, shape=X.shape), "index must be int64 of g's shape"),
        (lambda: roi_pool_grad_x(y, index + 60, R, shape=X.shape), "index points outside 8 x 8"),
        (lambda: roi_pool_grad_x(y, index, R, shape=(2, 4, 8, 8)), "2 rois of 4 channels need g of shape"),
        (lambda: roi_pool_grad_x(y, index, R, shape=(1, 3, 8, 8)), "batch index must be 0 to 0"),
    ]
    for call, words in calls:
        with pytest.raises(ValueError, match=words):
            call()
