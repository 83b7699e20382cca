"""Regions against torchvision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import roi_align, roi_align_grad_x, roi_pool, roi_pool_grad_x
from support.cases_regions import aligning, pooling

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
ops = pytest.importorskip("torchvision").ops


@given(data=st.data())
def test_align(data):
    """In float64, so that no sample is on another side of an element's middle."""
    shape, rois, out, drawn = aligning(data.draw, "avg")
    shape, rois = (max(shape[0], 1), max(shape[1], 1), *shape[2:]), rois.astype(np.float64)
    options = {key: drawn[key] for key in ("spatial_scale", "sampling_ratio", "aligned")}
    if drawn["aligned"] and drawn["sampling_ratio"] <= 0:  # torchvision: a vector of negative size
        rois[:, 3:] = np.maximum(rois[:, 1:3], rois[:, 3:])
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x, g = rng.normal(size=shape), rng.normal(size=(len(rois), shape[1], *out))
    y, back = roi_align(x, rois, output_size=out, **options), roi_align_grad_x(g, rois, shape=shape, **options)
    X, R = torch.tensor(x, requires_grad=True), torch.tensor(rois.copy())
    Y = ops.roi_align(X, R, out, **options)
    Y.backward(torch.tensor(g))
    np.testing.assert_allclose(y, Y.detach().numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(back, X.grad.numpy(), rtol=0, atol=1e-12)


@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_pool(data, dtype):
    """Equal bit for bit, in either dtype, with bins rounded as torchvision rounds them."""
    shape, rois, drawn = pooling(data.draw)
    shape, rois = (max(shape[0], 1), max(shape[1], 1), *shape[2:]), rois.astype(dtype)
    out, scale = drawn["output_size"], drawn["spatial_scale"]
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x, g = rng.normal(size=shape).round(1).astype(dtype), rng.normal(size=(len(rois), shape[1], *out)).astype(dtype)
    y, index = roi_pool(x, rois, output_size=out, spatial_scale=scale, bins="rounded")
    X, R = torch.tensor(x, requires_grad=True), torch.tensor(rois.copy())
    Y, I = torch.ops.torchvision.roi_pool(X, R, scale, *out)
    np.testing.assert_array_equal(y, Y.detach().numpy())
    np.testing.assert_array_equal(index, I.numpy())
    Y.backward(torch.tensor(g))
    back = roi_pool_grad_x(g, index, rois, shape=shape)
    np.testing.assert_allclose(back, X.grad.numpy(), rtol=0, atol=1e-4 if dtype == np.float32 else 1e-12)
