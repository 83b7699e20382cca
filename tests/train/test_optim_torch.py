"""Optimisers beside torch's over many steps, with groups and a learning rate that changes, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidet import Tensor
from minidet.train.optim import SGD, Adam, AdamW

pytestmark = pytest.mark.oracle

STEPS = 150
RULES = {
    "sgd": (SGD, "SGD", {}),
    "momentum": (SGD, "SGD", {"momentum": 0.9}),
    "nesterov": (SGD, "SGD", {"momentum": 0.8, "nesterov": True}),
    "adam": (Adam, "Adam", {}),
    "adam-eps": (Adam, "Adam", {"eps": 1e-3, "betas": (0.5, 0.9)}),
    "adamw": (AdamW, "AdamW", {"betas": (0.95, 0.9)}),
}


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1), decays=st.tuples(st.sampled_from([0, 0.01]), st.sampled_from([0, 0.3])))
def test_the_path_of_parameters_is_torch_s(name, seed, decays):
    import torch

    ours, theirs, options = RULES[name]
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=shape) for shape in ((4, 3), (5,), (2, 3, 1, 1))]
    mine = [Tensor(s.copy(), requires_grad=True) for s in starts]
    their = [torch.tensor(s, requires_grad=True) for s in starts]
    factor = 0.25
    rule = ours(
        [
            {"params": mine[:1], "weight_decay": decays[0]},
            {"params": mine[1:], "weight_decay": decays[1], "lr_factor": factor},
        ],
        lr=1.0, **options,
    )  # fmt: skip
    twin = getattr(torch.optim, theirs)(
        [
            {"params": their[:1], "weight_decay": decays[0]},
            {"params": their[1:], "weight_decay": decays[1]},
        ],
        lr=1.0, **options,
    )  # fmt: skip
    for step in range(STEPS):
        lr = 0.05 * (1 + np.cos(step / 20)) / 2
        rule.set_lr(lr)
        twin.param_groups[0]["lr"], twin.param_groups[1]["lr"] = lr, lr * factor
        for a, b in zip(mine, their, strict=True):
            # A bowl, and noise: gradients that depend on where the parameters are.
            g = a.data * 0.3 + rng.normal(size=a.shape) * 10 ** rng.uniform(-6, 1)
            a.grad, b.grad = g, torch.tensor(g)
        rule.step()
        twin.step()
        for a, b in zip(mine, their, strict=True):
            assert np.abs(a.data - b.detach().numpy()).max() <= 1e-12 * max(1, np.abs(a.data).max()), step


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), most=st.floats(1e-3, 1e3))
def test_clipping_is_torch_s(seed, most):
    import torch

    from minidet.train.clip import clip_norm, clip_value

    rng = np.random.default_rng(seed)
    gradients = [rng.normal(size=shape) * 10 ** rng.uniform(-3, 3) for shape in ((4, 3), (7,), (1,))]
    for ours, theirs in (
        (clip_norm, torch.nn.utils.clip_grad_norm_),
        (clip_value, torch.nn.utils.clip_grad_value_),
    ):
        mine = [Tensor(np.zeros_like(g), requires_grad=True) for g in gradients]
        their = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in gradients]
        for a, b, g in zip(mine, their, gradients, strict=True):
            a.grad, b.grad = g.copy(), torch.tensor(g)
        norm, twin = ours(mine, most), theirs(their, most)
        if norm is not None:
            assert norm == pytest.approx(float(twin), rel=1e-12)
        for a, b in zip(mine, their, strict=True):
            assert b.grad is not None
            # torch divides by the norm plus 1e-6
            assert np.abs(a.grad - b.grad.numpy()).max() <= 2e-6 * np.abs(a.grad).max() / min(1, norm or 1)
