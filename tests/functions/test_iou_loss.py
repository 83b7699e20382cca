"""The losses on the overlap of boxes: known values, degenerate boxes, the weight of CIoU, the kernels' values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS
from support.cases_boxes import boxes
from support.drawn_losses import apart, torch_iou_loss

import minidet.functions as F
from minidet import Tensor

KINDS = ["iou", "giou", "diou", "ciou"]
kinds = pytest.mark.parametrize("kind", KINDS)


def value_and_gradients(p: Any, t: Any, **options: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = (Tensor(np.array(x, float), requires_grad=True) for x in (p, t))
    loss = F.iou_loss(a, b, reduction="none", **options)
    loss.backward(np.ones(loss.shape))
    return loss.numpy(), a.grad, b.grad


@pytest.mark.parametrize(
    ("alpha", "gradient"),
    [
        ("detached", [0.168256, -0.004915, 0.163341, -0.326682]),
        ("attached", [0.147001, 0.028606, 0.175608, -0.351216]),
    ],
)
def test_the_weight_of_ciou(alpha, gradient):
    """The same value and another gradient."""
    loss, got, _ = value_and_gradients([0, 0, 2, 1], [0, 0, 1, 2], kind="ciou", alpha=alpha)
    np.testing.assert_allclose(loss, 0.762918, atol=5e-7)
    np.testing.assert_allclose(got, gradient, atol=1e-6)


@kinds
@pytest.mark.parametrize("alpha", ["detached", "attached"])
@pytest.mark.parametrize(
    ("p", "t"),
    [
        ([1, 1, 1, 1], [1, 1, 1, 1]),  # two equal points
        ([1, 1, 1, 1], [0, 0, 0, 0]),
        ([1, 1, 1, 1], [0, 0, 2, 2]),
        ([2, 0, 0, 2], [0, 0, 2, 2]),  # inverted
        ([0, 0, 2, 0], [0, 0, 0, 2]),  # without width, without height
        ([0, 0, 2, 2], [0, 0, 2, 2]),
        ([0, 0, 1, 1], [1, 0, 2, 1]),  # touching
        ([0, 0, 1, 1], [5, 5, 6, 7]),
        ([0, 0, 1e-30, 1e-30], [0, 0, 1e-30, 1e-30]),
    ],
)
def test_degenerate_boxes_have_finite_gradients(kind, alpha, p, t):
    loss, *gradients = value_and_gradients([p], [t], kind=kind, alpha=alpha)
    assert np.isfinite(loss).all()
    assert np.isfinite(gradients).all()
    if p == t:
        assert loss[0] == (0 if p[2] > p[0] else 1)


@kinds
@given(data=st.data())
def test_the_values_are_those_of_the_kernels(kind, data):
    n = data.draw(st.integers(0, 20))
    p, t = (boxes(data.draw, n, np.float64, infinite=False) for _ in "ab")
    expected = 1 - OPS[f"{kind}_pairs"](p, t)
    np.testing.assert_allclose(F.iou_loss(p, t, kind=kind, reduction="none").numpy(), expected, atol=1e-9)


@kinds
@given(seed=st.integers(0, 2**32 - 1))
def test_moving_both_boxes_changes_nothing(kind, seed):
    """So the gradients of the two boxes along x, and along y, add up to zero."""
    p, t = apart(np.random.default_rng(seed), (8,))
    _, first, second = value_and_gradients(p, t, kind=kind)
    both = (first + second).reshape(8, 2, 2).sum(axis=1)
    np.testing.assert_allclose(both, 0, atol=1e-13)


@pytest.mark.oracle
@kinds
@given(seed=st.integers(0, 2**32 - 1))
def test_torchvision_detaches_the_weight(kind, seed):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    p, t = apart(np.random.default_rng(seed), (8,))
    a, b = (torch.tensor(x, requires_grad=True) for x in (p, t))
    expected = torch_iou_loss(torch, a, b, kind=kind, alpha="detached", reduction="none")
    expected.sum().backward()
    for got, wanted in zip(value_and_gradients(p, t, kind=kind), (expected.detach(), a.grad, b.grad), strict=True):
        near = 1e-7 if kind == "ciou" else 1e-12  # CIoU's union has 1e-7 added to it there, whatever eps is given
        np.testing.assert_allclose(got, wanted.numpy(), rtol=10 * near, atol=near)
