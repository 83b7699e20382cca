"""Batch norm against its plain definition, one channel at a time, in every dialect."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.close import assert_close
from support.drawn_arrays import arrays, positive

import minidet.functions as F
from minidet import GradientError, Tensor, gradcheck, no_grad

DIALECTS = list(itertools.product(["inside", "outside"], ["biased", "unbiased"], ["unbiased", "biased"]))


def plain(x, weight, bias, mean, var, eps, epsilon):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        sigma = np.sqrt(var[c] + eps) if epsilon == "inside" else np.sqrt(var[c]) + eps
        y[:, c] = weight[c] * (x[:, c] - mean[c]) / sigma + bias[c]
    return y


@pytest.mark.parametrize(("epsilon", "variance", "running"), DIALECTS)
@pytest.mark.parametrize("convention", ["torch", "keras"])
@settings(max_examples=15)
@given(data=st.data(), c=st.integers(1, 3), eps=st.sampled_from([1e-6, 1e-3, 0.5]))
def test_training_is_the_definition(epsilon, variance, running, convention, data, c, eps):
    rest = data.draw(st.sampled_from([(), (3,), (2, 3), (1, 1)]))
    x = data.draw(arrays((data.draw(st.integers(2, 4)), c, *rest)))
    weight, bias, old_mean = (data.draw(arrays((c,))) for _ in range(3))
    old_var = data.draw(arrays((c,), positive))
    mean, var = old_mean.copy(), old_var.copy()
    y = F.batch_norm(
        x, weight, bias, running_mean=mean, running_var=var, training=True, eps=eps, momentum=0.3,
        epsilon=epsilon, variance=variance, running_variance=running, momentum_convention=convention,
    )  # fmt: skip
    per_channel = [x[:, i].reshape(-1) for i in range(c)]
    batch_mean = np.array([v.mean() for v in per_channel])
    batch_var = np.array([v.var(ddof=int(variance == "unbiased")) for v in per_channel])
    kept = np.array([v.var(ddof=int(running == "unbiased")) for v in per_channel])
    assert_close(y.data, plain(x, weight, bias, batch_mean, batch_var, eps, epsilon))
    new = 0.3 if convention == "torch" else 0.7
    assert_close(mean, (1 - new) * old_mean + new * batch_mean)
    assert_close(var, (1 - new) * old_var + new * kept)
    with no_grad():  # works in place where nothing is recorded
        quiet = F.batch_norm(x, weight, bias, training=True, eps=eps, epsilon=epsilon, variance=variance)
    np.testing.assert_array_equal(quiet.data, y.data)


@pytest.mark.parametrize("epsilon", ["inside", "outside"])
@given(data=st.data(), c=st.integers(0, 3))
def test_running_statistics_are_the_definition(epsilon, data, c):
    x = data.draw(arrays((data.draw(st.integers(0, 2)), c, *data.draw(st.sampled_from([(), (2, 3), (0, 2)])))))
    weight, bias, mean = (data.draw(arrays((c,))) for _ in range(3))
    var = data.draw(arrays((c,), positive))
    y = F.batch_norm(x, weight, bias, running_mean=mean, running_var=var, epsilon=epsilon, eps=1e-3)
    assert_close(y.data, plain(x, weight, bias, mean, var, 1e-3, epsilon))


@pytest.mark.parametrize(
    ("eps", "epsilon", "expected"), [(1e-5, "inside", 316.2), (1e-6, "outside", 1e6), (1e-3, "inside", 31.6)]
)
def test_the_place_of_epsilon_shows_at_variance_0(eps, epsilon, expected):
    y = F.batch_norm(np.ones((1, 1)), running_mean=np.zeros(1), running_var=np.zeros(1), eps=eps, epsilon=epsilon)
    assert y.item() == pytest.approx(expected, rel=1e-3)


def test_the_variances_of_1_and_3():
    x = np.array([[1.0], [3.0]])
    var = np.ones(1)
    assert_close(F.batch_norm(x, training=True, eps=0.0, running_var=var).data, [[-1], [1]])
    assert var[0] == pytest.approx(1.1)
    darknet = F.batch_norm(x, training=True, eps=0.0, variance="unbiased", running_var=var, running_variance="biased")
    assert_close(darknet.data, [[-(0.5**0.5)], [0.5**0.5]])
    assert var[0] == pytest.approx(0.9 * 1.1 + 0.1)


@pytest.mark.parametrize("epsilon", ["inside", "outside"])
def test_a_constant_channel_has_finite_gradients(epsilon):
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 3))
    x[:, 1] = 4.0
    t = Tensor(x, requires_grad=True)
    y = F.batch_norm(t, training=True, epsilon=epsilon)
    assert (y.data[:, 1] == 0).all()
    y.backward(np.random.default_rng(1).normal(size=y.shape))
    assert np.isfinite(t.grad).all()


def test_a_uniform_direction_says_nothing_and_is_called_vacuous():
    x = np.random.default_rng(0).normal(size=(3, 1, 4))
    with pytest.raises(GradientError) as caught:
        gradcheck(lambda a: F.sum(F.batch_norm(a, training=True)), x)
    assert caught.value.kind == "vacuous"


@pytest.mark.parametrize("offset", [0, 1e3])
def test_float32_training_is_close_to_float64(offset):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(4, 3, 37, 41)) + offset).astype(np.float32)
    exact = F.batch_norm(x.astype(np.float64), training=True).data
    got = F.batch_norm(x, training=True).data
    # the mean, in float32 sums of 1517 terms at most, is off by a few eps of the offset; sigma is about 1
    assert np.abs(got - exact).max() <= 8 * np.finfo(np.float32).eps * (offset + np.abs(exact).max())


@pytest.mark.filterwarnings("error")
def test_odd_variances_in_inference():
    var = np.array([-1e-6, 6e-45, 2.7e6, 1.0], np.float32)
    x = np.ones((1, 4, 1, 1), np.float32)
    y = F.batch_norm(x, running_mean=np.zeros(4, np.float32), running_var=var, eps=1e-5)
    expected = 1 / np.sqrt(var.astype(np.float64) + 1e-5)
    np.testing.assert_allclose(y.data.reshape(-1), expected, rtol=1e-6)
    outside = F.batch_norm(x, running_mean=np.zeros(4, np.float32), running_var=var, eps=1e-5, epsilon="outside")
    assert np.isnan(outside.data.reshape(-1)).tolist() == [True, False, False, False]


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_one_value_per_channel_is_refused_in_training(shape):
    with pytest.raises(ValueError, match="1 value per channel; at least 2"):
        F.batch_norm(np.ones(shape), training=True)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilon": "beside"}, "epsilon is 'inside' or 'outside', not 'beside'"),
        ({"variance": "none"}, "variance is"),
        ({"running_variance": "?"}, "running_variance is"),
        ({"momentum_convention": "tf"}, "momentum_convention is"),
        ({}, "needs running_mean= and running_var="),
        ({"running_mean": np.zeros(4), "running_var": np.zeros(3)}, "running_mean has shape"),
    ],
)
def test_bad_options(parameters, message):
    with pytest.raises(ValueError, match=message):
        F.batch_norm(np.ones((2, 3, 4)), **parameters)


@pytest.mark.parametrize("wanted", [(1, 1, 1), (1, 0, 1), (0, 1, 1), (0, 0, 1), (1, 1, 0), (0, 1, 0)])
def test_each_walk_has_gradients_of_its_own_whatever_is_wanted(wanted):
    """They are computed together, and kept for those that follow: never beyond the walk, not even for the same seed."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(4, 3, 5)), rng.normal(size=3), rng.normal(size=3)
    seed = rng.normal(size=(4, 3, 5))
    once = [Tensor(a, requires_grad=True) for a in inputs]
    F.batch_norm(*once, training=True).backward(seed)
    tensors = [Tensor(a, requires_grad=bool(w)) for a, w in zip(inputs, wanted, strict=True)]
    y = F.batch_norm(*tensors, training=True)
    y.backward(seed, retain_graph=True)
    seed *= 2  # the same array, with other numbers
    y.backward(seed)
    for t, reference in zip(tensors, once, strict=True):
        if t.requires_grad:
            assert_close(t.grad, 3 * reference.grad)
