"""Calls drawn of the losses, and the same calls in torch where it differs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from support.drawn_arrays import Call, arrays, away, normal, positive, probability, seeds

reductions = st.sampled_from(["mean", "sum", "none"])
loss_shapes = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


@st.composite
def loss_calls(draw: Any, values: Any = normal, target: Any = normal, **parameters: Any) -> Call:
    shape = draw(loss_shapes)
    p = {name: draw(strategy) for name, strategy in parameters.items()}
    return Call((draw(arrays(shape, values)), draw(arrays(shape, target))), p | {"reduction": draw(reductions)})


@st.composite
def smooth_l1_calls(draw: Any) -> Call:
    call = draw(loss_calls(away, away, beta=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
    x, target = call.inputs
    return Call((x, np.floor(target * 4) / 4), call.parameters)  # the difference is off every multiple of 1/4


@st.composite
def bce_calls(draw: Any) -> Call:
    call = draw(loss_calls(normal, probability))
    shape = call.inputs[0].shape
    weights = arrays(draw(st.sampled_from([shape, shape[-1:], (1,)])), positive)
    return Call(
        call.inputs,
        call.parameters
        | {"weight": draw(st.one_of(st.none(), weights)), "pos_weight": draw(st.one_of(st.none(), weights))},
    )


def torch_bce(torch: Any, x: Any, target: Any, *, weight: Any, pos_weight: Any, reduction: str) -> Any:
    w, p = (None if a is None else torch.from_numpy(a.copy()) for a in (weight, pos_weight))
    return torch.nn.functional.binary_cross_entropy_with_logits(x, target, weight=w, pos_weight=p, reduction=reduction)


@st.composite
def focal_calls(draw: Any) -> Call:
    call = draw(loss_calls(normal, probability))
    x, target = call.inputs
    p = {"alpha": draw(st.sampled_from([0.25, 0.5, None])), "gamma": draw(st.sampled_from([0, 0.5, 1, 2.0, 3.5]))}
    return Call((x, (target < 0.5).astype(np.int64)), call.parameters | p)


def torch_focal(torch: Any, x: Any, target: Any, *, alpha: float | None, gamma: float, reduction: str) -> Any:
    from torchvision.ops import sigmoid_focal_loss

    return sigmoid_focal_loss(x, target.to(x.dtype), -1 if alpha is None else alpha, gamma, reduction)


@st.composite
def cross_entropy_calls(draw: Any) -> Call:
    classes = draw(st.integers(1, 5))
    batch = draw(st.sampled_from([None, 1, 3]))
    rest = draw(st.sampled_from([(), (2,), (2, 3)])) if batch else ()
    x = draw(arrays((classes,) if batch is None else (batch, classes, *rest)))
    target = np.asarray(
        np.random.default_rng(draw(seeds)).integers(0, classes, () if batch is None else (batch, *rest))
    )
    ignored = draw(st.sampled_from([-100, 0, 255]))
    if ignored == 255 and target.size > 1:
        target.reshape(-1)[0] = 255
    if (target == ignored).all():
        ignored = -100
    return Call(
        (x, target),
        {
            "weight": draw(st.one_of(st.none(), arrays((classes,), positive))),
            "ignore_index": ignored,
            "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
            "reduction": draw(reductions),
        },
    )


def torch_cross_entropy(torch: Any, x: Any, target: Any, *, weight: Any, **p: Any) -> Any:
    weight = None if weight is None else torch.from_numpy(weight.copy())
    return torch.nn.functional.cross_entropy(x, target, weight=weight, **p)


def apart(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of boxes with an area, many of which meet; no edges of two boxes lie within 0.05 of each other."""
    corners = rng.integers(-12, 12, (2, *shape, 2))
    corners = np.concatenate([corners, corners + rng.integers(2, 24, corners.shape)], axis=-1)
    first, second = (corners + rng.uniform(0.1, 0.4, corners.shape)) / 4
    return first, second + 1 / 8


@st.composite
def iou_calls(draw: Any) -> Call:
    """The weight of CIoU is attached: the gradient beside a detached one is not the derivative of the value."""
    rng, shape = np.random.default_rng(draw(seeds)), draw(array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=4))
    kind = draw(st.sampled_from(["iou", "giou", "diou", "ciou"]))
    return Call(apart(rng, shape), {"kind": kind, "alpha": "attached", "reduction": draw(reductions)})


def torch_iou_loss(torch: Any, pred: Any, target: Any, *, kind: str, alpha: str, reduction: str) -> Any:
    from torchvision import ops
    from torchvision.ops._utils import _loss_inter_union

    if kind == "giou":
        return ops.generalized_box_iou_loss(pred, target, reduction, eps=0)
    if kind == "diou":
        return ops.distance_box_iou_loss(pred, target, reduction, eps=0)
    if kind == "ciou" and alpha == "detached":
        return ops.complete_box_iou_loss(pred, target, reduction, eps=0)
    inter, union = _loss_inter_union(pred, target)
    loss = 1 - inter / union
    if kind == "ciou":
        turn = [torch.atan2(x[..., 2] - x[..., 0], x[..., 3] - x[..., 1]) for x in (pred, target)]
        v = 4 / torch.pi**2 * (turn[0] - turn[1]) ** 2
        loss = ops.distance_box_iou_loss(pred, target, "none", eps=0) + v * v / (loss + v)
    return loss if reduction == "none" else getattr(loss, reduction)()
