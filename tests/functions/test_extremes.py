"""Exact and finite at the extremes: tails, huge and infinite values, and never a warning."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minidet.functions as F
from minidet import Tensor

pytestmark = pytest.mark.filterwarnings("error")

EPS = float(np.finfo(np.float32).eps)


def exact_mish(x):
    return x * math.tanh(math.log1p(math.exp(x)))


#: The functions in double precision, by formulas that are right for x <= 0 (or everywhere).
EXACT = {
    "sigmoid": lambda x: math.exp(x) / (1 + math.exp(x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "silu": lambda x: x * math.exp(x) / (1 + math.exp(x)),
    "mish": exact_mish,
    "elu": math.expm1,
    "gelu": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
}


@pytest.mark.parametrize("name", EXACT)
@given(x=st.floats(-80, 0, width=32))
def test_negative_tails_keep_full_relative_precision_in_float32(name, x):
    if name == "gelu":
        x /= 8  # its tail is that of exp(-x^2 / 2)
    got = float(getattr(F, name)(np.array([x], np.float32)).data[0])
    exact = EXACT[name](float(np.float32(x)))
    # exp(-x^2/2) has the relative error x^2/2 eps of its rounded argument
    bound = 8 + (x * x if name == "gelu" else 0)
    assert abs(got - exact) <= bound * EPS * abs(exact) + np.finfo(np.float32).tiny


def test_mish_at_minus_20_in_float32():
    exact = -20 * math.tanh(math.log1p(math.exp(-20)))
    got = float(F.mish(np.float32([-20])).data[0])
    assert abs(got - exact) <= 4 * EPS * abs(exact)
    assert abs(float(F.mish(np.float32([-17])).data[0]) + 7.04e-7) < 1e-9


def test_silu_at_minus_89_in_float32():
    exact = -89 * math.exp(-89)
    assert abs(float(F.silu(np.float32([-89])).data[0]) - exact) < 1e-5 * abs(exact)  # exp(-89) is subnormal


SMOOTH = ["sigmoid", "tanh", "softplus", "silu", "mish", "elu", "selu", "gelu", "hardswish", "hardsigmoid", "relu6"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SMOOTH)
def test_huge_values_give_finite_values_and_gradients_without_a_warning(name, dtype):
    x = Tensor(np.array([-1e30, -1e4, -200, -50, 0, 50, 200, 1e4, 1e30], dtype), requires_grad=True)
    y = getattr(F, name)(x)
    y.backward(np.ones(9, dtype))
    assert np.isfinite(y.data).all()
    assert np.isfinite(x.grad).all()
    linear = name not in ("sigmoid", "tanh", "hardsigmoid", "relu6")
    scale = 1.0507009873554805 if name == "selu" else 1
    assert y.data[-1] == (dtype(1e30) * dtype(scale) if linear else 6 if name == "relu6" else 1)
    assert x.grad[-1] == (dtype(scale) if linear else 0)
    assert x.grad[0] == 0


LIMITS = {  # the values at -inf and +inf, and the slopes there
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "softplus": (0, np.inf, 0, 1),
    "silu": (0, np.inf, 0, 1),
    "mish": (0, np.inf, 0, 1),
    "elu": (-1, np.inf, 0, 1),
    "gelu": (0, np.inf, 0, 1),
    "relu": (0, np.inf, 0, 1),
    "leaky_relu": (-np.inf, np.inf, np.float32(0.01), 1),
    "relu6": (0, 6, 0, 0),
    "hardswish": (0, np.inf, 0, 1),
    "hardsigmoid": (0, 1, 0, 0),
}


@pytest.mark.parametrize("name", LIMITS)
def test_infinite_values_give_the_limits_and_nan_stays(name):
    x = Tensor(np.array([-np.inf, np.inf, np.nan], np.float32), requires_grad=True)
    function = getattr(F, name)
    if name == "gelu":
        y = function(x, approximate="tanh")
        np.testing.assert_allclose(y.data[:2], LIMITS[name][:2], atol=0)
    y = function(x)
    low, high, slope_low, slope_high = LIMITS[name]
    assert y.data[0] == low or (name == "gelu" and y.data[0] == 0)
    assert y.data[1] == high
    assert np.isnan(y.data[2])
    y.backward(np.ones(3, np.float32))
    assert x.grad[:2].tolist() == [slope_low, slope_high]


@pytest.mark.parametrize("x", [-20.0, -3.0, 0.0, 2.5, 30.0])
def test_slopes_of_the_tails_in_float32(x):
    """Against exact differences of nothing: the derivatives written in double precision."""
    e = math.exp(-abs(x))
    sigmoid = 1 / (1 + math.exp(-x))
    t = math.tanh(math.log1p(math.exp(x)))
    t_slope = (1 - t * t) * sigmoid if x < 20 else 4 * e * e
    exact = {
        "sigmoid": e / (1 + e) ** 2,
        "silu": sigmoid + x * e / (1 + e) ** 2,
        "mish": t + x * t_slope,
        "tanh": 1 / math.cosh(x) ** 2,
    }
    for name, slope in exact.items():
        at = Tensor(np.float32([x]), requires_grad=True)
        getattr(F, name)(at).backward(np.ones(1, np.float32))
        # silu and mish add two terms that nearly cancel at the minimum, never at these points
        assert abs(at.grad[0] - slope) <= 64 * EPS * abs(slope) + np.finfo(np.float32).tiny, name


# ---- softmax ---------------------------------------------------------------------------------------------------------


def test_softmax_of_huge_and_of_minus_infinity():
    x = np.array([[1e30, 1e30, -1e30], [-np.inf, 0, 0], [-1e4, -1e4, -2e4]], np.float32)
    np.testing.assert_array_equal(F.softmax(x).data, np.float32([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0.5, 0]]))
    logs = F.log_softmax(np.array([0.0, -1000.0])).data
    assert logs.tolist() == [0, -1000]
    assert F.log_softmax(np.array([-np.inf, 0.0])).data.tolist() == [-np.inf, 0]


@pytest.mark.parametrize("row", [[-np.inf, -np.inf], [np.inf, 0.0], [np.inf, np.inf]])
def test_softmax_without_a_distribution_is_nan(row):
    x = np.array([row, [0.0, 0.0]])
    for function in (F.softmax, F.log_softmax):
        y = function(x).data
        assert np.isnan(y[0]).all()
        assert np.isfinite(y[1]).all()


def test_logsumexp_of_infinities():
    rows = [[-np.inf, -np.inf], [np.inf, 1.0], [np.inf, np.inf], [-np.inf, 3.0], [1e308, 1e308], [np.inf, -np.inf]]
    x = Tensor(np.array(rows), requires_grad=True)
    y = F.logsumexp(x, axis=1)
    assert y.data.tolist() == [-np.inf, np.inf, np.inf, 3.0, 1e308, np.inf]
    y.backward(np.ones(6))
    assert x.grad.tolist() == [[0, 0], [1, 0], [0.5, 0.5], [0, 1], [0.5, 0.5], [1, 0]]


# ---- losses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x", "t"), [(200, 0), (-200, 1), (200, 1), (-200, 0), (30, 0), (-30, 0), (-30, 1), (0, 1)])
def test_bce_is_exact_at_large_logits(dtype, x, t):
    s = x if t == 0 else -x  # the loss is softplus(s)
    exact = max(s, 0) + math.log1p(math.exp(-abs(s)))
    at = Tensor(np.array([x], dtype), requires_grad=True)
    loss = F.bce_with_logits(at, np.array([t], dtype))
    eps = float(np.finfo(dtype).eps)
    assert abs(loss.item() - exact) <= 2 * eps * exact + np.finfo(dtype).tiny
    loss.backward()
    slope = math.exp(-abs(s)) / (1 + math.exp(-abs(s))) if s < 0 else 1 / (1 + math.exp(-s))
    assert abs(abs(at.grad[0]) - slope) <= 4 * eps * slope + np.finfo(dtype).tiny
    assert at.grad[0] * (1 if t == 0 else -1) >= 0


def test_bce_of_infinite_logits():
    x = Tensor(np.array([np.inf, -np.inf, 1e30], np.float32), requires_grad=True)
    loss = F.bce_with_logits(x, np.array([1, 0, 1], np.float32), reduction="none")
    assert loss.data.tolist() == [0, 0, 0]
    loss.backward(np.ones(3, np.float32))
    assert x.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_focal_is_finite_where_the_probability_reaches_0_and_1(gamma, alpha, dtype):
    x = Tensor(np.array([-1e4, -200, -80, -40, 0, 40, 80, 200, 1e4] * 2, dtype), requires_grad=True)
    t = np.repeat(np.array([0, 1], dtype), 9)
    loss = F.focal(x, t, alpha=alpha, gamma=gamma, reduction="none")
    loss.backward(np.ones(18, dtype))
    assert np.isfinite(loss.data).all()
    assert np.isfinite(x.grad).all()
    assert loss.data[9] == np.float32(1e4 * (0.25 if alpha else 1))
    assert (x.grad[:9] >= 0).all()
    assert (x.grad[9:] <= 0).all()


def test_cross_entropy_of_huge_logits():
    x = Tensor(np.array([[1e30, -1e30, 0], [-1e4, 1e4, 0], [0, 0, -np.inf]], np.float32), requires_grad=True)
    loss = F.cross_entropy(x, np.array([0, 0, 1]), reduction="none")
    assert loss.data.tolist() == [0, 2e4, np.float32(math.log(2))]
    loss.backward(np.ones(3, np.float32))
    assert x.grad.tolist() == [[0, 0, 0], [-1, 1, 0], [0.5, -0.5, 0]]


def test_smooth_l1_of_huge_differences():
    x = Tensor(np.array([1e30, -1e30], np.float32), requires_grad=True)
    loss = F.smooth_l1(x, np.zeros(2, np.float32), beta=2.0, reduction="none")
    assert loss.data.tolist() == [np.float32(1e30)] * 2
    loss.backward(np.ones(2, np.float32))
    assert x.grad.tolist() == [1, -1]


# ---- the normal distribution function --------------------------------------------------------------------------------


@given(st.floats(-37, 37))
def test_normal_distribution_function(x):
    from minidet.functions.normal import normal_cdf

    exact = math.erfc(-x / math.sqrt(2)) / 2
    # 28 terms of a series; and x^2 eps each from the rounded arguments of this erfc and of the other's exp(-x^2 / 2)
    assert abs(float(normal_cdf(np.array([x]))[0]) - exact) <= (28 + 2 * x * x) * 2.3e-16 * exact


def test_relu_and_leaky_relu_are_exact_in_float32():
    x = np.linspace(-3, 3, 101, dtype=np.float32)
    y = F.leaky_relu(x, slope=0.1).data
    expected = [a if a > 0 else np.float32(0.1) * a for a in x]
    assert y.tolist() == [float(a) for a in expected]
    assert all(Fraction(float(a)) == max(Fraction(float(b)), 0) for a, b in zip(F.relu(x).data, x, strict=True))
