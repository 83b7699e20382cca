"""gradcheck says *how* a gradient is wrong: every kind of mistake, planted, must be called by its name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet import GradientError, Tensor, differentiable, gradcheck

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3, 5, 5))


def cube(vjp):
    """The function ``x**3`` with some other gradient."""

    @differentiable
    def f(x):
        return x**3, (lambda g: vjp(g, x),)

    return f


def right(g, x):
    return 3 * x**2 * g


def zero_row(g, x, axis, row):
    out = right(g, x).copy()
    out[(slice(None),) * axis + (row,)] = 0
    return out


WRONG = {
    "sign": lambda g, x: -right(g, x),
    "factor": lambda g, x: 2 * right(g, x),
    "factor per channel": lambda g, x: right(g, x) * np.array([1.0, 2.0, 3.0])[:, None, None],
    "transposed": lambda g, x: right(g, x).swapaxes(2, 3),
    "flipped": lambda g, x: right(g, x)[:, :, ::-1],
    "border": lambda g, x: zero_row(g, x, 2, 0),
    "border at the end": lambda g, x: zero_row(g, x, 3, -1),
    "missing": lambda g, x: 0 * g,
    "missing term": lambda g, x: right(g, x) - x,
    "missing term: constant": lambda g, x: right(g, x) - right(g, x).mean(),
    "not finite": lambda g, x: right(g, x) / np.zeros(()),
    "other": lambda g, x: right(g, x) * np.where(np.arange(x.size).reshape(x.shape) % 7, 1, 2),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_planted_mistakes_are_named(name):
    kind = name.partition(" per ")[0].partition(" at ")[0].partition(":")[0]
    with pytest.raises(GradientError) as caught:
        gradcheck(cube(WRONG[name]), X)
    assert caught.value.kind == kind, str(caught.value)
    assert caught.value.input == "input 0"
    assert "\n" not in str(caught.value)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 4), max_size=4))
def test_a_right_gradient_passes(seed, shape):
    x = np.random.default_rng(seed).normal(size=shape)
    (checked,) = gradcheck(cube(right), x, seed=seed)
    assert checked.error < 1e-6


def test_small_errors_are_found():
    with pytest.raises(GradientError, match=r"multiplied by 0\.9999") as caught:
        gradcheck(cube(lambda g, x: 1.0001 * right(g, x)), X)
    assert caught.value.kind == "factor"


def test_one_wrong_element_of_many_is_found():
    def vjp(g, x):
        out = right(g, x).copy()
        out[1, 2, 3, 4] *= 1.5
        return out

    with pytest.raises(GradientError, match=r"at \[1, 2, 3, 4\]"):
        gradcheck(cube(vjp), X, directions=5)


@differentiable
def normalise(x):
    """Batch norm's core, whose gradient for a uniform upstream gradient is exactly zero."""
    mean, std = x.mean(axis=(0, 2, 3), keepdims=True), x.std(axis=(0, 2, 3), keepdims=True)
    y = (x - mean) / std

    def vjp(g):
        return (g - g.mean(axis=(0, 2, 3), keepdims=True) - y * (g * y).mean(axis=(0, 2, 3), keepdims=True)) / std

    return y, (vjp,)


@differentiable
def total(x):
    return x.sum(), (lambda g: np.broadcast_to(g, x.shape),)


def test_a_normalisation_is_checked_with_a_random_upstream_gradient():
    (checked,) = gradcheck(normalise, X)
    assert checked.slope > 1


def test_a_vacuous_check_is_an_error():
    """Summed, the normalised values have a gradient of exactly zero: any gradient scaled by it would pass."""
    with pytest.raises(GradientError) as caught:
        gradcheck(lambda x: total(normalise(x)), X)
    assert caught.value.kind == "vacuous"
    gradcheck(lambda x: total(normalise(x)), X, allow_zero=True)


@pytest.mark.parametrize("left_out", ["mean", "variance"])
def test_a_forgotten_term_of_batch_norm_is_named(left_out):
    @differentiable
    def forgetful(x):
        mean, std = x.mean(axis=(0, 2, 3), keepdims=True), x.std(axis=(0, 2, 3), keepdims=True)
        y = (x - mean) / std

        def vjp(g):
            g_mean = g.mean(axis=(0, 2, 3), keepdims=True) * (left_out != "mean")
            g_var = y * (g * y).mean(axis=(0, 2, 3), keepdims=True) * (left_out != "variance")
            return (g - g_mean - g_var) / std

        return y, (vjp,)

    with pytest.raises(GradientError, match=left_out) as caught:
        gradcheck(forgetful, X)
    assert caught.value.kind == "missing term"


@differentiable
def relu(x):
    return np.maximum(x, 0), (lambda g: g * (x > 0),)


def test_a_corner_is_not_called_a_wrong_gradient():
    x = X.copy()
    x[0, 0, 0, 0] = 0
    with pytest.raises(GradientError) as caught:
        gradcheck(relu, x)
    assert caught.value.kind == "kink"
    gradcheck(relu, X)


def test_a_function_that_draws_anew_is_nondeterministic():
    rng = np.random.default_rng(0)

    @differentiable
    def noisy(x):
        mask = rng.random(x.shape) > 0.5
        return x * mask, (lambda g: g * mask,)

    with pytest.raises(GradientError) as caught:
        gradcheck(noisy, X)
    assert caught.value.kind == "nondeterministic"


def test_changing_the_input_in_place_is_named():
    @differentiable
    def rude(x):
        x += 1
        return x * 1.0, (lambda g: g,)

    with pytest.raises(GradientError) as caught:
        gradcheck(rude, X.copy())
    assert caught.value.kind == "mutated"


def test_a_detached_result_is_named():
    with pytest.raises(GradientError) as caught:
        gradcheck(lambda x: Tensor(x.data**2), X)
    assert caught.value.kind == "no gradient"


def test_a_misshapen_gradient_is_named():
    with pytest.raises(GradientError) as caught:
        gradcheck(cube(lambda g, x: right(g, x)[:1]), X)
    assert caught.value.kind == "shape"


def test_the_gradient_of_each_input_and_parameter_is_checked():
    @differentiable
    def product(a, b, w):
        return a * b * w, (lambda g: g * b * w, lambda g: g * a * w, lambda g: -g * a * b)

    w = Tensor(RNG.normal(size=3), requires_grad=True)
    kept = w.data.copy()
    with pytest.raises(GradientError) as caught:
        gradcheck(lambda a, b: product(a, b, w), RNG.normal(size=3), RNG.normal(size=3), parameters={"weight": w})
    assert (caught.value.kind, caught.value.input) == ("sign", "weight")
    assert np.array_equal(w.data, kept)
    with pytest.raises(TypeError, match="needs float64"):
        gradcheck(relu, parameters={"w": Tensor(np.ones(2, np.float32), requires_grad=True)})
    with pytest.raises(ValueError, match="no floating array"):
        gradcheck(relu, np.arange(3))


def test_large_inputs_are_diagnosed_on_a_sample():
    x = RNG.normal(size=(100, 100))
    with pytest.raises(GradientError) as caught:
        gradcheck(cube(lambda g, x: -right(g, x)), x)
    assert caught.value.kind == "sign"
