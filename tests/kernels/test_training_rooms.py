"""Activations and batch norm in training: values by hand, what is refused, threads, large means; and torch."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import (
    OPS,
    batch_norm_grad,
    batch_norm_train,
    conv2d,
    conv2d_grad_w,
    conv2d_grad_x,
    leaky_relu,
    leaky_relu_grad,
    pin,
)


def on_the_host(name):
    """The definition, and the implementations that take NumPy's arrays."""
    return ["definition", *(impl.name for impl in OPS[name].impls.values() if "numpy" in impl.arrays)]


BATCH_NORMS, ACTIVATIONS = on_the_host("batch_norm_train"), on_the_host("leaky_relu")
EVERY_OPTION = [(e, v) for e in ("inside", "outside") for v in ("biased", "unbiased")]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_leaky_relu_at_its_corner_and_its_limits(name):
    x = np.array([-np.inf, -2, -0.0, 0, 3, np.inf, np.nan], np.float32)
    with pin(leaky_relu=name, leaky_relu_grad=name):
        np.testing.assert_array_equal(leaky_relu(x, slope=0.5), np.float32([-np.inf, -1, 0, 0, 3, np.inf, np.nan]))
        np.testing.assert_array_equal(leaky_relu(x, slope=0.0), np.float32([0, 0, 0, 0, 3, np.inf, np.nan]))
        back = leaky_relu_grad(np.full(7, 4, np.float32), x, slope=0.5)
    np.testing.assert_array_equal(back, np.float32([2, 2, 2, 2, 4, 4, 2]))


@pytest.mark.parametrize("size", [0, 1, (1 << 14) - 1, (1 << 14) + 1, 3 << 14])
def test_every_part_of_a_long_array_is_written(size):
    x = np.random.default_rng(0).normal(size=size)
    with pin(leaky_relu="numba", leaky_relu_grad="numba"):
        np.testing.assert_array_equal(leaky_relu(x, slope=0.1), leaky_relu.definition(x, slope=0.1))
        np.testing.assert_array_equal(leaky_relu_grad(x, -x, slope=0.1), leaky_relu_grad.definition(x, -x, slope=0.1))


@pytest.mark.parametrize("name", BATCH_NORMS)
def test_the_values_1_and_3(name):
    x = np.array([[1.0], [3.0]])
    with pin(batch_norm_train=name):
        y, mean, var = batch_norm_train(x, np.array([2.0]), np.array([7.0]), eps=0.0)
        np.testing.assert_allclose(y, [[5], [9]], rtol=1e-15)
        assert (mean.item(), var.item()) == (2, 1)
        y, _, var = batch_norm_train(x, eps=0.0, variance="unbiased")
        np.testing.assert_allclose(y, [[-(0.5**0.5)], [0.5**0.5]], rtol=1e-15)
        assert var.item() == 1, "the biased variance is handed on, whatever normalises"
        np.testing.assert_allclose(batch_norm_train(x, eps=1.0, epsilon="outside")[0], [[-0.5], [0.5]], rtol=1e-15)


@pytest.mark.parametrize("name", BATCH_NORMS)
@pytest.mark.parametrize(("epsilon", "variance"), EVERY_OPTION)
@given(seed=st.integers(0, 999))
def test_the_gradient_is_that_of_the_definition(name, epsilon, variance, seed):
    """By central differences of the definition along random directions, in float64."""
    rng, h = np.random.default_rng(seed), 1e-6
    options = {"eps": 1e-2, "epsilon": epsilon, "variance": variance}
    x, g, dx = rng.normal(size=(3, 3, 2, 4, 3))
    weight, bias, dweight, dbias = rng.normal(size=(4, 2))
    x, g, dx = (a.swapaxes(0, 1).copy() for a in (x.swapaxes(0, 1), g.swapaxes(0, 1), dx.swapaxes(0, 1)))

    def along(s):
        args = x + s * dx, weight + s * dweight, bias + s * dbias
        return np.vdot(g, batch_norm_train.definition(*args, **options)[0])

    _, mean, var = batch_norm_train.definition(x, **options)
    with pin(batch_norm_grad=name):
        of_x, of_weight, of_bias = batch_norm_grad(g, x, weight, mean, var, **options)
    slope = np.vdot(of_x, dx) + np.vdot(of_weight, dweight) + np.vdot(of_bias, dbias)
    assert abs(slope - (along(h) - along(-h)) / (2 * h)) <= 1e-6 * (1 + np.abs(g).sum())


@pytest.mark.parametrize("offset", [0, 1e3, -1e4])
def test_a_large_mean_costs_no_more_than_its_own_rounding(offset):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(4, 3, 37, 41)) + offset).astype(np.float32)
    exact = batch_norm_train.definition(x, eps=1e-5)
    with pin(batch_norm_train="numba"):
        got = batch_norm_train(x, eps=1e-5)
    np.testing.assert_allclose(got[1], exact[1], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(got[2], exact[2], rtol=1e-12)
    # Nothing but the rounding of y: x less the rounded mean is exact here, and b makes good for the rounding.
    assert np.abs(got[0] - exact[0]).max() <= 4 * np.finfo(np.float32).eps * np.abs(exact[0]).max()


def test_the_number_of_threads_changes_nothing():
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, 3, 20, 61, 57)).astype(np.float32)
    w_shape = (20, 20, 3, 3)
    before, results = numba.get_num_threads(), []
    try:
        for threads in {1, before}:
            numba.set_num_threads(threads)
            with pin(batch_norm_train="numba", batch_norm_grad="numba", conv2d_grad_w="winograd_numba"):
                y, mean, var = batch_norm_train(x, eps=1e-5)
                back = batch_norm_grad(g, x, None, mean, var, eps=1e-5)
                results.append([y, mean, var, *back, conv2d_grad_w(x, g, shape=w_shape, padding=1)])
    finally:
        numba.set_num_threads(before)
    for one, other in zip(results[0], results[-1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("channels", [(3, 16), (40, 17), (70, 66)])  # few blocks, then many
@pytest.mark.parametrize("size", [(5, 7), (33, 66), (90, 61)])  # one block of tiles, then several
def test_winograd_adds_up_all_blocks_and_parts(channels, size):
    rng, (C, O), (H, W) = np.random.default_rng(0), channels, size
    x, g = (rng.normal(size=(2, K, H, W)).astype(np.float32) for K in channels)
    expected = conv2d_grad_w.definition(x.astype(float), g.astype(float), shape=(O, C, 3, 3), padding=1)
    with pin(conv2d_grad_w="winograd_numba"):
        got = conv2d_grad_w(x, g, shape=(O, C, 3, 3), padding=1)
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()


def test_winograd_is_chosen_for_filters_of_3_x_3_in_float32_where_it_pays():
    x, g = np.zeros((1, 64, 52, 52), np.float32), np.zeros((1, 64, 52, 52), np.float32)
    options = {"shape": (64, 64, 3, 3), "padding": 1}
    assert conv2d_grad_w.choose(x, g, **options) == "winograd_numba"
    assert conv2d_grad_w.choose(x.astype(float), g.astype(float), **options) == "im2col"
    assert conv2d_grad_w.choose(x[:, :, :5, :5], g[:, :, :5, :5], **options) == "im2col"
    with pytest.raises(ValueError, match="takes stride 1, not"), pin(conv2d_grad_w="winograd_numba"):
        conv2d_grad_w(x, g[:, :, :26, :26], shape=(64, 64, 3, 3), padding=1, stride=2)


def test_filters_of_1_x_1_run_on_the_same_threads_where_there_are_several_images():
    x, w = np.zeros((2, 128, 26, 26), np.float32), np.zeros((256, 128, 1, 1), np.float32)
    y = np.zeros((2, 256, 26, 26), np.float32)
    assert conv2d.choose(x, w) == "pointwise_numba"
    assert conv2d_grad_x.choose(y, w, shape=x.shape) == conv2d_grad_w.choose(x, y, shape=w.shape) == "pointwise_numba"
    others = (conv2d.choose(x[:1], w), conv2d.choose(x, w, stride=2), conv2d.choose(x.astype(float), w.astype(float)))
    assert "pointwise_numba" not in others


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (3, 17, 33, 100), (2, 40, 16, 64), (1, 5, 50, 65)])
def test_filters_of_1_x_1_are_matrix_products(sizes):
    (N, C, O, pixels), rng = sizes, np.random.default_rng(0)
    x, g = rng.normal(size=(N, C, 1, pixels)), rng.normal(size=(N, O, 1, pixels))
    w, bias = rng.normal(size=(O, C, 1, 1)), rng.normal(size=O)
    f = [a.astype(np.float32) for a in (x, g, w, bias)]
    with pin(conv2d="pointwise_numba", conv2d_grad_x="pointwise_numba", conv2d_grad_w="pointwise_numba"):
        results = (
            (conv2d(f[0], f[2], f[3]), np.einsum("oc,ncip->noip", w[:, :, 0, 0], x) + bias[:, None, None]),
            (conv2d_grad_x(f[1], f[2], shape=x.shape), np.einsum("oc,noip->ncip", w[:, :, 0, 0], g)),
            (conv2d_grad_w(f[0], f[1], shape=w.shape), np.einsum("noip,ncip->oc", g, x)[:, :, None, None]),
        )
    for got, expected in results:
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


ONES = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "epsilon is 'inside' or 'outside', not '?'", lambda: batch_norm_train(ONES, eps=1, epsilon="?")),
        (ValueError, "variance is", lambda: batch_norm_train(ONES, eps=1, variance="none")),
        (ValueError, "1 value per channel; at least 2", lambda: batch_norm_train(ONES[:1, :, :1], eps=1)),
        (ValueError, "goes with weight of shape", lambda: batch_norm_train(ONES, ONES[0, 0], eps=1)),
        (TypeError, "x must be float32 or float64, not int64", lambda: batch_norm_train(ONES.astype(int), eps=1)),
        (TypeError, "x must be a NumPy or CuPy array, not list", lambda: batch_norm_train([1.0], eps=1)),
        (ValueError, r"must have shape \(N, C, ...\)", lambda: batch_norm_train(ONES[0, 0], eps=1)),
        (
            TypeError,
            "g must be float64, not float32",
            lambda: batch_norm_grad(ONES.astype("f"), ONES, None, ONES[0, :, 0], ONES[0, :, 0], eps=1),
        ),
        (TypeError, "x must be float32 or float64, not bool", lambda: leaky_relu(ONES > 0, slope=0.1)),
        (ValueError, "slope must be finite, not inf", lambda: leaky_relu(ONES, slope=np.inf)),
        (ValueError, "both agree", lambda: leaky_relu_grad(ONES, ONES[0], slope=0.1)),
    ],
)
def test_bad_arguments_get_one_line(error, message, call):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_agrees(dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, 3, 5, 60, 61)).astype(dtype)
    weight, bias = rng.normal(size=(2, 5)).astype(dtype)
    t, w, b = (torch.from_numpy(a).requires_grad_() for a in (x, weight, bias))
    y = torch.nn.functional.batch_norm(t, None, None, w, b, training=True, eps=1e-3)
    y.backward(torch.from_numpy(g))
    tolerance = 2e-5 if dtype == np.float32 else 1e-11
    ours, mean, var = batch_norm_train(x, weight, bias, eps=1e-3)
    parts = batch_norm_grad(g, x, weight, mean, var, eps=1e-3)
    for a, theirs in zip([ours, *parts], [y, t.grad, w.grad, b.grad], strict=True):
        theirs = theirs.detach().numpy()
        assert np.abs(a - theirs).max() <= tolerance * np.abs(theirs).max()
    for slope in (0.1, 0.0, 2.0):
        t = torch.from_numpy(x).requires_grad_()
        y = torch.nn.functional.leaky_relu(t, slope)
        y.backward(torch.from_numpy(g))
        np.testing.assert_array_equal(leaky_relu(x, slope=slope), y.detach().numpy())
        np.testing.assert_array_equal(leaky_relu_grad(g, x, slope=slope), t.grad.numpy())


@pytest.mark.oracle
@pytest.mark.parametrize("padding", [0, 1, 2, (0, 3)])
def test_torch_agrees_on_the_gradient_of_the_filters(padding):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    x = rng.normal(size=(3, 19, 23, 30)).astype(np.float32)
    g = rng.normal(size=(3, 37, 23 + 2 * ph - 2, 30 + 2 * pw - 2)).astype(np.float32)
    args = torch.from_numpy(x), (37, 19, 3, 3), torch.from_numpy(g)
    theirs = torch.nn.grad.conv2d_weight(*args, padding=padding).numpy()
    with pin(conv2d_grad_w="winograd_numba"):
        ours = conv2d_grad_w(x, g, shape=(37, 19, 3, 3), padding=padding)
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()
