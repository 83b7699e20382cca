"""The tape: what backward adds up, what it frees, and what it says when it is misused."""

import gc
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet import Tensor, detect_nan, differentiable, no_grad, watch
from minidet.autograd import is_recording


@differentiable
def add(a, b):
    return a + b, (lambda g: g, lambda g: g)


@differentiable
def mul(a, b):
    return a * b, (lambda g: g * b, lambda g: g * a)


@differentiable
def log(a):
    with np.errstate(all="ignore"):
        return np.log(a), (lambda g: g / a,)


@differentiable
def square_root(a):
    def vjp(g):
        with np.errstate(all="ignore"):
            return g / (2 * np.sqrt(a))

    return np.sqrt(a), (vjp,)


@differentiable
def total(a):
    return a.sum(), (lambda g: np.broadcast_to(g, a.shape),)


@differentiable
def not_in_the_second(a, b):
    return a * b, (lambda g: g * b, None)


def leaf(*values):
    return Tensor(np.array(values, np.float64), requires_grad=True)


def test_product_rule():
    a, b = leaf(2, 3), leaf(5, 7)
    total(mul(a, b)).backward()
    assert a.grad.tolist() == [5, 7]
    assert b.grad.tolist() == [2, 3]


@given(st.lists(st.tuples(st.sampled_from("+*"), st.integers(0, 100), st.integers(0, 100)), max_size=12))
def test_any_graph_equals_forward_differentiation(steps):
    """A random graph of sums and products, with reuse: dual numbers carried forward give the same derivative."""
    x = Tensor(np.float64(0.75), requires_grad=True)
    tensors, duals = [x, Tensor(np.float64(1.5))], [(0.75, 1.0), (1.5, 0.0)]
    for sign, i, j in steps:
        i, j = i % len(tensors), j % len(tensors)
        (a, da), (b, db) = duals[i], duals[j]
        if abs(a) > 1e6 or abs(b) > 1e6 or abs(da) > 1e6 or abs(db) > 1e6:
            continue
        tensors.append((add if sign == "+" else mul)(tensors[i], tensors[j]))
        duals.append((a + b, da + db) if sign == "+" else (a * b, a * db + da * b))
    last, (value, slope) = tensors[-1], duals[-1]
    assert last.item() == pytest.approx(value)
    if last.requires_grad:
        last.backward()
        assert x.grad == pytest.approx(slope)
    else:
        assert slope == 0


def test_gradients_add_up_over_calls_and_inputs():
    x = leaf(1.0)
    total(add(x, x)).backward()
    total(x).backward()
    assert x.grad.tolist() == [3.0]


def test_the_gradients_of_two_leaves_do_not_share_memory():
    a, b = leaf(1, 2), leaf(3, 4)
    seed = np.ones(2)
    add(a, b).backward(seed)
    a.grad *= 100
    assert b.grad.tolist() == [1, 1]
    assert seed.tolist() == [1, 1]


def test_an_aliased_gradient_is_not_added_into():
    """``add`` hands the very array it got to both inputs; the sum for one must not change the other's."""
    a, b = leaf(1.0), leaf(1.0)
    s = add(a, b)
    total(add(add(s, a), mul(s, b))).backward()
    # s + a + s*b with s = a + b: d/da = 1 + 1 + b, d/db = 1 + s + b
    assert a.grad.tolist() == [3.0]
    assert b.grad.tolist() == [4.0]


def test_deep_graphs_do_not_recurse():
    x = y = leaf(1.0)
    for _ in range(6000):
        y = add(y, x)
    y.backward([1.0])
    assert x.grad.tolist() == [6001.0]


def test_saved_arrays_are_freed_as_backward_walks():
    alive = []

    class Saved(np.ndarray):
        pass

    @differentiable
    def keep(a):
        saved = np.ones(3).view(Saved)
        number = len(alive)
        alive.append(weakref.ref(saved))

        def vjp(g):
            if number + 1 < len(alive):
                gc.collect()
                assert alive[number + 1]() is None, "the call after this one is still held"
            return g * np.asarray(saved)

        return a + 1, (vjp,)

    x = leaf(1, 2, 3)
    y = x
    for _ in range(4):
        y = keep(y)
    y.backward(np.ones(3))
    assert x.grad.tolist() == [1, 1, 1]


def test_the_graph_does_not_hold_intermediate_arrays():
    """What no closure saved is freed at once: here the result of every call but the last."""
    arrays = []

    class Watched(np.ndarray):
        pass

    @differentiable
    def shift(a):
        y = (np.asarray(a) + 1).view(Watched)
        arrays.append(weakref.ref(y))
        return y, (lambda g: g,)

    x = leaf(1, 2, 3)
    y = x
    for _ in range(4):
        y = shift(y)
    gc.collect()
    assert [a() is not None for a in arrays] == [False, False, False, True]
    y.backward(np.ones(3))
    assert x.grad.tolist() == [1, 1, 1]


def test_a_deep_graph_is_dropped_without_recursion():
    y = leaf(1.0)
    for _ in range(100_000):
        y = add(y, 1.0)
    del y


def test_a_scalar_leaf_gets_an_array():
    x = Tensor(np.float64(2), requires_grad=True)
    mul(x, x).backward()
    assert isinstance(x.grad, np.ndarray)
    assert x.grad == 4


def test_second_backward_needs_retain_graph():
    x = leaf(3.0)
    y = mul(x, x)
    y.backward([1.0], retain_graph=True)
    y.backward([1.0])
    assert x.grad.tolist() == [12.0]
    with pytest.raises(ValueError, match="retain_graph=True"):
        y.backward([1.0])


def test_no_grad_records_nothing_and_ends():
    x = leaf(1.0)
    with no_grad():
        assert not is_recording()
        y = mul(x, x)
    assert not y.requires_grad
    assert y.node is None
    assert mul(x, x).requires_grad


def test_no_grad_holds_for_its_own_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(mul(leaf(1.0), leaf(1.0)).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inputs_without_gradients_are_not_asked_for_one():
    @differentiable
    def f(a, b):
        return a * b, (lambda g: g * b, lambda g: pytest.fail("no gradient was wanted"))

    x = leaf(2.0)
    f(x, Tensor(np.array([5.0]))).backward([1.0])
    f(x, 5.0).backward([1.0])
    assert x.grad.tolist() == [10.0]


def test_an_input_declared_not_differentiable_gets_nothing():
    a, b = leaf(2.0), leaf(3.0)
    not_in_the_second(a, b).backward([1.0])
    assert a.grad.tolist() == [3.0]
    assert b.grad is None
    assert not not_in_the_second(Tensor(np.ones(1)), b).requires_grad


def test_gradients_keep_the_dtype_of_their_input():
    a = Tensor(np.ones(2, np.float32), requires_grad=True)
    total(mul(a, Tensor(np.ones(2)))).backward()
    assert a.grad.dtype == np.float32


def test_hooks_see_and_replace_gradients():
    x = leaf(2.0)
    y = mul(x, x)
    seen = []
    remove = y.register_hook(lambda g: seen.append(g.copy()))
    x.register_hook(lambda g: g * 10)
    mul(y, y).backward([1.0])
    assert [g.tolist() for g in seen] == [[8.0]]  # dL/dy = 2y
    assert x.grad.tolist() == [320.0]  # 4 x^3 = 32, ten times
    remove()
    mul(x, x).backward([1.0])
    assert len(seen) == 1
    with pytest.raises(ValueError, match="requires no gradient"):
        Tensor(np.ones(1)).register_hook(print)


def test_watch_sees_every_operation():
    seen = []
    x = leaf(2.0)
    with watch(lambda name, inputs, output: seen.append((name, inputs[0] is x, output.data.tolist()))), no_grad():
        add(mul(x, 3.0), x)
    add(x, x)
    assert seen == [("mul", True, [6.0]), ("add", False, [8.0])]


def test_nan_is_traced_to_the_operation_that_makes_it():
    x = leaf(1.0, -1.0)
    with detect_nan(), pytest.raises(FloatingPointError, match=r"^log made 1 .* of 2, from finite inputs"):
        mul(log(x), 0.0)
    with detect_nan(), pytest.raises(FloatingPointError, match="input 1 was already not finite"):
        mul(x, np.array([np.nan, 1.0]))
    zero = leaf(0.0)
    y = square_root(zero)
    with detect_nan(), pytest.raises(FloatingPointError, match=r"^the gradient of square_root made 1"):
        y.backward([1.0])
    with np.errstate(all="ignore"):
        log(x)  # outside, nothing is checked


def test_misuse_is_one_clear_line():
    x = leaf(1, 2)
    with pytest.raises(ValueError, match=r"shape \(2,\) needs a seed"):
        mul(x, x).backward()
    with pytest.raises(ValueError, match=r"seed of shape \(3,\)"):
        mul(x, x).backward(np.ones(3))
    with pytest.raises(ValueError, match="depends on no tensor"):
        Tensor(np.ones(1)).backward()
    with pytest.raises(TypeError, match="int64 has no gradient"):
        Tensor(np.arange(3), requires_grad=True)
    with pytest.raises(TypeError, match="Tensor"):
        Tensor(x)

    @differentiable
    def wrong_shape(a):
        return a * 1, (lambda g: g[:1],)

    with pytest.raises(AssertionError, match=r"wrong_shape: .*\(2,\) came back as \(1,\)"):
        wrong_shape(x).backward(np.ones(2))


def test_detach_and_repr():
    x = Tensor(np.ones(2), requires_grad=True, name="w")
    y = mul(x, x)
    assert not y.detach().requires_grad
    assert y.detach().data is y.data
    assert repr(y) == "Tensor((2,) float64, by mul)"
    assert repr(x) == "Tensor((2,) float64 'w', requires_grad)"
