"""Pooling against torch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import avg_pool2d, avg_pool2d_grad_x, max_pool2d, max_pool2d_grad_x
from support.cases_maps import tied, windows

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")


def halved(options):
    """Padding up to half the size, which is all that torch takes in either mode."""
    size, padding = options["size"], options.get("padding", 0)
    pairs = zip(*(v if isinstance(v, tuple) else (v, v) for v in (size, padding)), strict=True)
    return options | {"padding": tuple(min(p, k // 2) for k, p in pairs)}


@given(data=st.data())
def test_max_pool(data):
    shape, options = windows(data.draw, ["torch", "caffe"], lambda x, **o: max_pool2d.check(x, **halved(o)))
    options = halved(options)
    shape = (max(shape[0], 1), max(shape[1], 1), *shape[2:])
    x = tied(data.draw, shape, np.float64)
    y, index = max_pool2d(x, **options)
    X = torch.tensor(x.copy(), requires_grad=True)
    ceil = options["convention"] == "caffe"
    Y, I = torch.nn.functional.max_pool2d(
        X, options["size"], options.get("stride"), options["padding"], ceil_mode=ceil, return_indices=True
    )
    np.testing.assert_array_equal(y, Y.detach().numpy())
    if np.isnan(y).any():
        return  # torch's index is that of the last NaN in the window
    np.testing.assert_array_equal(index, I.numpy())
    g = np.random.default_rng(0).normal(size=y.shape)
    Y.backward(torch.tensor(g))
    np.testing.assert_allclose(max_pool2d_grad_x(g, index, shape=shape), X.grad.numpy(), rtol=0, atol=1e-12)


@given(data=st.data(), include=st.booleans())
def test_avg_pool(data, include):
    shape, options = windows(data.draw, ["torch", "caffe"], lambda x, **o: avg_pool2d.check(x, **halved(o)))
    options = halved(options)
    shape = (max(shape[0], 1), max(shape[1], 1), *shape[2:])
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x = rng.normal(size=shape)
    y = avg_pool2d(x, **options, count_include_pad=include)
    X = torch.tensor(x, requires_grad=True)
    Y = torch.nn.functional.avg_pool2d(
        X,
        options["size"],
        options.get("stride"),
        options["padding"],
        ceil_mode=options["convention"] == "caffe",
        count_include_pad=include,
    )
    np.testing.assert_allclose(y, Y.detach().numpy(), rtol=0, atol=1e-12)
    g = rng.normal(size=y.shape)
    Y.backward(torch.tensor(g))
    back = avg_pool2d_grad_x(g, shape=shape, **options, count_include_pad=include)
    np.testing.assert_allclose(back, X.grad.numpy(), rtol=0, atol=1e-12)


def test_torch_takes_the_last_nan():
    """The one difference from torch: the index of a window with several NaN."""
    x = np.array([[[[np.nan, 1, np.nan, 2]]]])
    _, I = torch.nn.functional.max_pool2d(torch.tensor(x), (1, 4), return_indices=True)
    assert (max_pool2d(x, size=(1, 4))[1].item(), I.item()) == (0, 2)
