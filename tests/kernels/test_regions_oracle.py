"""Regions against torchvision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import roi_align, roi_align_grad_x
from support.cases_regions import aligning

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
ops = pytest.importorskip("torchvision").ops


@given(data=st.data())
def test_align(data):
    """In float64, so that no sample is on another side of an element's middle."""
    shape, rois, out, drawn = aligning(data.draw, "avg")
    shape, rois = (max(shape[0], 1), max(shape[1], 1), *shape[2:]), rois.astype(np.float64)
    options = {key: drawn[key] for key in ("spatial_scale", "sampling_ratio", "aligned")}
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x, g = rng.normal(size=shape), rng.normal(size=(len(rois), shape[1], *out))
    y, back = roi_align(x, rois, output_size=out, **options), roi_align_grad_x(g, rois, shape=shape, **options)
    X, R = torch.tensor(x, requires_grad=True), torch.tensor(rois.copy())
    Y = ops.roi_align(X, R, out, **options)
    Y.backward(torch.tensor(g))
    np.testing.assert_allclose(y, Y.detach().numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(back, X.grad.numpy(), rtol=0, atol=1e-12)
