"""Optimisers against their definitions, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.updates.pieces import PIECE

from minidet import Tensor
from minidet.nn import BatchNorm2d, Conv2d, Sequential
from minidet.train.optim import SGD, Adam, AdamW, decay_groups

seeds = st.integers(0, 2**32 - 1)
rates = st.floats(1e-4, 0.5)
factors = st.floats(0.1, 0.99)
decays = st.sampled_from([0.0, 5e-4, 0.1])


def walk(make, gradients, start):
    """The parameter after each step, given the gradient of each."""
    p = Tensor(start.copy(), requires_grad=True)
    optimiser, path = make([p]), []
    for g in gradients:
        p.grad = g.copy()
        optimiser.step()
        assert np.array_equal(p.grad, g), "the gradient is left as it is"
        path.append(p.data.copy())
    return path


def draw(seed, steps=5, shape=(3, 2)):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), [rng.normal(size=shape) * 10 ** rng.uniform(-3, 1) for _ in range(steps)]


def close(path, expected):
    for step, (a, b) in enumerate(zip(path, expected, strict=True)):
        assert np.abs(a - b).max() <= 1e-13 * max(1, np.abs(b).max()), f"step {step}"


@given(seeds, rates, st.one_of(st.just(0.0), factors), st.booleans(), decays)
def test_sgd_is_its_definition(seed, lr, momentum, nesterov, decay):
    nesterov = nesterov and momentum > 0
    start, gradients = draw(seed)
    path = walk(lambda p: SGD(p, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=decay), gradients, start)
    expected = [start.copy() for _ in gradients]
    for where in np.ndindex(start.shape):
        p, v = float(start[where]), 0.0
        for step, g in enumerate(gradients):
            d = float(g[where]) + decay * p
            v = momentum * v + d
            p -= lr * (d + momentum * v if nesterov else v)
            expected[step][where] = p
    close(path, expected)


@pytest.mark.parametrize("shape", [(PIECE - 1,), (PIECE + 1,), (3, PIECE)])
def test_sgd_moves_all_of_a_long_parameter(shape):
    start, gradients = draw(0, 2, shape)
    path = walk(lambda p: SGD(p, lr=0.1, momentum=0.5), gradients, start)
    v = gradients[0]
    close(path[:1], [start - 0.1 * v])
    close(path[1:], [start - 0.1 * v - 0.1 * (0.5 * v + gradients[1])])
    turned = walk(lambda p: SGD(p, lr=0.1, momentum=0.5), [g.T for g in gradients], start.T)  # not C-contiguous
    close([a.T for a in turned], path)


@given(seeds, rates, factors, factors, decays, st.booleans())
def test_adam_is_its_definition(seed, lr, b1, b2, decay, decoupled):
    start, gradients = draw(seed)
    path = walk(
        lambda p: Adam(p, lr=lr, betas=(b1, b2), eps=1e-6, weight_decay=decay, decoupled=decoupled), gradients, start
    )
    expected = [start.copy() for _ in gradients]
    for where in np.ndindex(start.shape):
        p, m, v = float(start[where]), 0.0, 0.0
        for step, g in enumerate(gradients):
            d = float(g[where])
            if decoupled:
                p -= lr * decay * p
            else:
                d += decay * p
            m, v = b1 * m + (1 - b1) * d, b2 * v + (1 - b2) * d * d
            m_hat, v_hat = m / (1 - b1 ** (step + 1)), v / (1 - b2 ** (step + 1))
            p -= lr * m_hat / (math.sqrt(v_hat) + 1e-6)
            expected[step][where] = p
    close(path, expected)


@given(seeds, rates, factors, decays)
def test_darknets_form_of_sgd_is_the_same(seed, lr, momentum, decay):
    """Darknet's updates take the batch's summed gradient and the decay times batch; weights move by lr / batch."""
    start, gradients = draw(seed)
    batch = 64
    path = walk(lambda p: SGD(p, lr=lr, momentum=momentum, weight_decay=decay), gradients, start)
    weights, updates, expected = start.copy(), np.zeros_like(start), []
    for g in gradients:
        updates += -batch * g - decay * batch * weights
        weights = weights + lr / batch * updates
        updates = momentum * updates
        expected.append(weights)
    for a, b in zip(path, expected, strict=True):
        assert np.abs(a - b).max() <= 1e-12 * max(1, np.abs(b).max())


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (SGD, "SGD", {"lr": 0.1}),
        (SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}),
        (SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (Adam, "Adam", {"lr": 0.01}),
        (Adam, "Adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
        (AdamW, "AdamW", {"lr": 0.01}),
        (AdamW, "AdamW", {"lr": 0.01, "betas": (0.5, 0.9), "weight_decay": 0.1}),
    ],
)
def test_against_torch(ours, theirs, options):
    torch = pytest.importorskip("torch")
    start, gradients = draw(7, steps=20, shape=(4, 3))
    path = walk(lambda p: ours(p, **options), gradients, start)
    p = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = getattr(torch.optim, theirs)([p], **options)
    for mine, g in zip(path, gradients, strict=True):
        p.grad = torch.tensor(g)
        optimiser.step()
        assert np.abs(mine - p.detach().numpy()).max() <= 1e-12 * np.abs(mine).max()


@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p, lr=0.1)])
def test_steps_are_in_place_and_keep_the_type(make):
    p = Tensor(np.ones(3, np.float32), requires_grad=True)
    memory = p.data
    optimiser = make([p])
    for _ in range(3):
        p.grad = np.full(3, 0.5, np.float32)
        optimiser.step()
    assert p.data is memory
    assert memory.dtype == np.float32
    assert (memory < 1).all()


def test_a_parameter_without_gradient_stays():
    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    optimiser = SGD([a, b], lr=0.1, weight_decay=1.0)
    a.grad = np.ones(2)
    optimiser.step()
    assert a.data.tolist() == [0.8, 0.8]
    assert b.data.tolist() == [1, 1]
    optimiser.zero_grad()
    assert a.grad is None


def test_the_gradient_of_the_first_step_is_not_kept_as_momentum_memory():
    p = Tensor(np.zeros(1), requires_grad=True)
    optimiser = SGD([p], lr=1.0, momentum=0.5)
    g = p.grad = np.ones(1)
    optimiser.step()
    g[:] = 2  # the same memory, filled anew
    optimiser.step()
    assert p.data.tolist() == [-1 - (0.5 + 2)]


def test_groups_have_their_own_options():
    a, b = (Tensor(np.ones(1), requires_grad=True) for _ in range(2))
    optimiser = SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.1)
    a.grad = b.grad = np.ones(1)
    optimiser.step()
    assert [a.item(), b.item()] == [0.5, 0.9]
    optimiser.set_lr(1.0)
    optimiser.step()
    assert [a.item(), b.item()] == pytest.approx([-0.5, -0.1])


def test_decay_groups_spare_biases_and_norms():
    model = Sequential(Conv2d(2, 3, 3), BatchNorm2d(3))
    decays, spared = decay_groups(model, 0.1)
    assert [p.shape for p in decays["params"]] == [(3, 2, 3, 3)]
    assert len(spared["params"]) == 3
    assert (decays["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)


def test_misuse_is_refused():
    p = Tensor(np.ones(1), requires_grad=True)
    with pytest.raises(ValueError, match="twice"):
        SGD([p, p], lr=0.1)
    with pytest.raises(ValueError, match="nesterov"):
        SGD([p], lr=0.1, nesterov=True)
    with pytest.raises(ValueError, match="negative"):
        SGD([p], lr=-0.1)
    with pytest.raises(ValueError, match="betas"):
        Adam([p], betas=(1.0, 0.9))
    with pytest.raises(TypeError, match="requires a gradient"):
        SGD([Tensor(np.ones(1))], lr=0.1)
    with pytest.raises(ValueError, match="a group needs"):
        SGD([{"params": [p], "momentun": 0.9}], lr=0.1)
