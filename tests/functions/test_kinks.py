"""At corners finite differences mean nothing: the declared subgradient is tested there, on purpose."""

import numpy as np
import pytest

import minidet.functions as F
from minidet import Tensor
from minidet.functions.smooth import SELU_ALPHA, SELU_SCALE


def slopes(function, values, dtype=np.float64, **parameters):
    x = Tensor(np.array(values, dtype), requires_grad=True)
    y = function(x, **parameters)
    y.backward(np.ones_like(y.data))
    return x.grad.tolist()


CORNERS = [
    (F.relu, {}, [0.0, -0.0], [0, 0]),
    (F.leaky_relu, {"slope": 0.25}, [0.0, -0.0], [0.25, 0.25]),
    (F.leaky_relu, {"slope": 1.5}, [0.0], [1.5]),
    (F.relu6, {}, [0.0, 6.0, 3.0], [0, 0, 1]),
    (F.hardsigmoid, {}, [-3.0, 3.0, 0.0], [0, 0, 1 / 6]),
    (F.hardswish, {}, [-3.0, 3.0, 0.0], [0, 1, 0.5]),
    (F.elu, {"alpha": 2.0}, [0.0], [2.0]),
    (F.selu, {}, [0.0], [SELU_SCALE * SELU_ALPHA]),
    (F.abs, {}, [0.0, -0.0], [0, 0]),
    (F.clip, {"low": -1, "high": 2}, [-1.0, 2.0, -1.5, 2.5, 0.0], [1, 1, 0, 0, 1]),
    (F.max, {}, [1.0, 4.0, 4.0, 4.0], [0, 1 / 3, 1 / 3, 1 / 3]),
    (F.min, {}, [1.0, 4.0, 1.0, 4.0], [0.5, 0, 0.5, 0]),
]


@pytest.mark.parametrize(("function", "parameters", "at", "expected"), CORNERS)
def test_declared_subgradients(function, parameters, at, expected):
    np.testing.assert_allclose(slopes(function, at, **parameters), expected, rtol=1e-15)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "relu6", "hardsigmoid", "hardswish", "elu", "selu"])
def test_corners_of_activations_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    at = np.array([-3.0, 0.0, 3.0, 6.0])
    x = torch.from_numpy(at).requires_grad_()
    getattr(torch.nn.functional, name)(x).sum().backward()
    np.testing.assert_allclose(slopes(getattr(F, name), at), x.grad.numpy(), rtol=1e-7)


def test_prelu_at_0_has_the_slope_and_gives_the_slope_nothing():
    x, a = Tensor(np.array([[0.0]]), requires_grad=True), Tensor(np.array([0.3]), requires_grad=True)
    F.prelu(x, a).backward(np.ones((1, 1)))
    assert x.grad.tolist() == [[0.3]]
    assert a.grad.tolist() == [0]


@pytest.mark.parametrize("function", [F.maximum, F.minimum])
def test_equal_elements_share_the_gradient(function):
    a, b = Tensor(np.array([1.0, 2.0]), requires_grad=True), Tensor(np.array([1.0, 2.0]), requires_grad=True)
    function(a, b).backward(np.ones(2))
    assert a.grad.tolist() == b.grad.tolist() == [0.5, 0.5]


def test_maxima_along_an_axis_share_the_gradient():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]])
    assert slopes(F.max, x, axis=1) == [[0, 0.5, 0.5], [0.5, 0.5, 0]]


def test_four_forms_of_the_positive_part_differ_at_0():
    forms = [F.relu, lambda x: F.maximum(x, 0.0), lambda x: F.clip(x, low=0), lambda x: F.leaky_relu(x, slope=0.0)]
    assert [slopes(f, [0.0]) for f in forms] == [[0], [0.5], [1], [0]]


def test_max_pooling_gives_the_gradient_to_the_first_of_equals():
    assert slopes(F.max_pool2d, np.full((1, 1, 2, 2), 7.0), size=2) == [[[[1, 0], [0, 0]]]]


def test_smooth_l1_without_a_round_part_is_flat_at_0():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    F.smooth_l1(x, np.array([1.0, 1.0]), beta=0.0, reduction="sum").backward()
    assert x.grad.tolist() == [0, 1]


@pytest.mark.parametrize(("y", "expected"), [(0, 0.0), (1, 1.0), (2, 0.0), (0.0, 0.0)])
def test_powers_of_0(y, expected):
    assert slopes(lambda x: F.power(x, y), [0.0]) == [expected]


def test_power_in_the_exponent_at_0():
    y = Tensor(np.array([0.0, 2.0]), requires_grad=True)
    F.power(np.zeros(2), y).backward(np.ones(2))
    assert y.grad.tolist() == [0, 0]


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_the_root_is_infinitely_steep_at_0():
    assert slopes(F.sqrt, [0.0]) == [np.inf]
