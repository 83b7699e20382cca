"""Python's operators and methods on tensors, and the types that come out."""

import numpy as np
import pytest

import minidet.functions as F
from minidet import Tensor

A = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], np.float32)

BINARY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@pytest.mark.parametrize("sign", BINARY)
@pytest.mark.parametrize("other", [2.0, 3, np.float32(2), A[0]], ids=["float", "int", "float32", "row"])
def test_arithmetic_on_either_side_keeps_float32(sign, other):
    operate = BINARY[sign]
    t = Tensor(A, requires_grad=True)
    for y, expected in ((operate(t, other), operate(A, other)), (operate(other, t), operate(other, A))):
        assert isinstance(y, Tensor)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.data, expected)
        assert y.requires_grad


def test_scalar_results_keep_float32():
    t = Tensor(A, requires_grad=True)
    loss = 2.0 * (t * 1.5).mean() + 1
    assert loss.dtype == np.float32
    loss.backward()
    assert t.grad.dtype == np.float32
    np.testing.assert_allclose(t.grad, 0.5)


def test_powers_products_and_signs():
    t = Tensor(A)
    np.testing.assert_array_equal((t**2).data, A**2)
    np.testing.assert_array_equal((2.0**t).data, 2.0**A)
    np.testing.assert_array_equal((-t).data, -A)
    np.testing.assert_array_equal(abs(t).data, abs(A))
    np.testing.assert_array_equal((t @ A.T).data, A @ A.T)
    np.testing.assert_array_equal((A @ t.T).data, A @ A.T)
    assert (t**2).dtype == (2.0**t).dtype == np.float32


def test_comparisons_are_plain_arrays_and_tensors_stay_hashable():
    t = Tensor(A)
    for got, expected in (
        (t > 1, A > 1), (t >= 1, A >= 1), (t < A[0], A[0] > A), (t <= t, A <= A), (t == 4, A == 4), (t != 4, A != 4),
        (t > 1, A > 1),
    ):  # fmt: skip
        assert isinstance(got, np.ndarray)
        np.testing.assert_array_equal(got, expected)
    assert len({t, t, Tensor(A)}) == 2


def test_methods_are_the_functions():
    t = Tensor(np.abs(A))
    a = t.data
    np.testing.assert_allclose(t.sum(axis=0).data, a.sum(axis=0))
    np.testing.assert_allclose(t.mean(1, keepdims=True).data, a.mean(1, keepdims=True))
    assert t.max().item() == 6
    assert t.min(axis=1).data.tolist() == [1, 4]
    assert t.reshape(3, 2).shape == t.reshape((3, 2)).shape == t.reshape(3, -1).shape == (3, 2)
    assert t.transpose().shape == t.transpose(1, 0).shape == t.T.shape == (3, 2)
    assert t.broadcast_to(4, 2, 3).shape == (4, 2, 3)
    for name in ("exp", "log", "sqrt", "abs", "sigmoid", "tanh", "relu"):
        np.testing.assert_array_equal(getattr(t, name)().data, getattr(F, name)(t).data)
    np.testing.assert_allclose(t.logsumexp(axis=1).data, np.log(np.exp(a).sum(axis=1)), rtol=1e-6)
    assert t.clip(2, 3).data.tolist() == a.clip(2, 3).tolist()
    assert t.clip(high=3).data.max() == 3


def test_indexing_and_iteration():
    t = Tensor(A, requires_grad=True)
    assert t[1, 2].item() == -6
    assert [row.data.tolist() for row in t] == A.tolist()
    first, second = t
    (first * 2 + second).sum().backward()
    assert t.grad.tolist() == [[2, 2, 2], [1, 1, 1]]


def test_repeated_indices_add_up():
    t = Tensor(np.arange(4.0), requires_grad=True)
    t[np.array([1, 1, -3, 0])].backward(np.array([1.0, 10.0, 100.0, 1000.0]))
    assert t.grad.tolist() == [1000, 111, 0, 0]
    t.grad = None
    t[[2, 2]].backward(np.ones(2))
    assert t.grad.tolist() == [0, 0, 2, 0]
    t.grad = None
    t[Tensor(np.array([3, 3]))].backward(np.ones(2))
    assert t.grad.tolist() == [0, 0, 0, 2]


def test_gather_adds_up_repeated_and_broadcast_elements():
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    y = F.gather(x, np.array([[0, 0, -1, 0]]), axis=1)
    assert y.data.tolist() == [[0, 0, 2, 0], [3, 3, 5, 3]]
    y.backward(np.ones((2, 4)))
    assert x.grad.tolist() == [[3, 0, 1], [3, 0, 1]]
    row = Tensor(np.array([[1.0, 2.0]]), requires_grad=True)
    F.gather(row, np.array([[1], [1], [0]]), axis=1).backward(np.ones((3, 1)))
    assert row.grad.tolist() == [[1, 2]]


def test_a_gradient_that_is_shared_is_not_changed_by_another_use():
    """The pieces of a concatenation are views of one gradient: adding to one must not touch the other."""
    a, b = Tensor(np.ones(2), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    both = F.concatenate(a, b, axis=0)
    (F.sum(both) + F.sum(a * 3) + F.sum(F.reshape(both, shape=(2, 2)) * 2)).backward()
    assert a.grad.tolist() == [6, 6]
    assert b.grad.tolist() == [3, 3]
