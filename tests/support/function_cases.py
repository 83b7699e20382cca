"""The table of differentiable functions: how each one's arguments are drawn, and what it is called in torch.

Every public name of ``minidet.functions`` has at least one ``Case``; the tests of values, gradients, dtypes and inputs
left unchanged all run over this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from support.drawn_arrays import (
    Call,
    all_axes,
    arrays,
    away,
    binary,
    distinct,
    full_shapes,
    normal,
    positive,
    reduction,
    seeds,
    shapes,
    ties,
    unary,
)
from support.drawn_layers import (
    conv_calls,
    darknet_pool_calls,
    linear_calls,
    norm_calls,
    pool_calls,
    resize_calls,
    torch_norm,
    torch_pool,
    torch_resize,
    torch_upsample,
    upsample_calls,
)
from support.drawn_losses import (
    bce_calls,
    cross_entropy_calls,
    focal_calls,
    iou_calls,
    loss_calls,
    smooth_l1_calls,
    torch_bce,
    torch_cross_entropy,
    torch_focal,
    torch_iou_loss,
)
from support.drawn_regions import crop_calls, roi_calls, torch_align, torch_crop, torch_roi_pool
from support.drawn_shapes import (
    broadcast_calls,
    gather_calls,
    getitem_calls,
    joined,
    matmul_calls,
    pad_calls,
    power_calls,
    reshape_calls,
    torch_getitem,
    transpose_calls,
    where_calls,
)


@dataclass(frozen=True)
class Case:
    """How the calls of ``function`` are drawn, and the same in torch: ``torch(module, *tensors, **parameters)``.

    ``why`` is given where torch has no counterpart.
    """

    function: str
    calls: st.SearchStrategy[Call]
    torch: Callable[..., Any] | None = None
    why: str = ""
    label: str = ""

    def __str__(self) -> str:
        return self.function + (f"-{self.label}" if self.label else "")


def named(name: str) -> Callable[..., Any]:
    """The function of that name in torch."""
    return lambda torch, *inputs, **p: getattr(torch, name)(*inputs, **p)


def functional(name: str) -> Callable[..., Any]:
    """torch.nn.functional's function of that name."""
    return lambda torch, *inputs, **p: getattr(torch.nn.functional, name)(*inputs, **p)


def as_tensors(name: str) -> Callable[..., Any]:
    """The function of that name in torch, which takes no Python numbers."""

    def call(torch: Any, *inputs: Any) -> Any:
        return getattr(torch, name)(*(torch.as_tensor(x, dtype=torch.float64) for x in inputs))

    return call


def _dims(name: str) -> Callable[..., Any]:
    return lambda torch, x, *, axis, keepdims: getattr(torch, name)(x, dim=all_axes(x, axis), keepdim=keepdims)


def _torch_clip(torch: Any, x: Any, *, low: Any, high: Any) -> Any:
    return torch.clamp(x, low, high)


@st.composite
def clip_calls(draw: Any) -> Call:
    low, high = draw(st.sampled_from([(-1.0, 2.5), (None, 0.5), (-0.25, None), (0, 6), (2.0, 1.0)]))
    return Call((draw(arrays(shapes, away)),), {"low": low, "high": high})


@st.composite
def prelu_calls(draw: Any) -> Call:
    x = draw(arrays(array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4), away))
    channels = x.shape[1] if x.ndim > 1 else 1
    return Call((x, draw(arrays((draw(st.sampled_from([1, channels])),)))))


@st.composite
def softmax_calls(draw: Any) -> Call:
    x = draw(arrays(full_shapes))
    return Call((x,), {"axis": draw(st.integers(-x.ndim, x.ndim - 1))})


@st.composite
def unit_calls(draw: Any, epsilon: str) -> Call:
    x = draw(arrays(full_shapes, away if epsilon == "floor" else normal))
    eps = 1e-12 if epsilon == "floor" else draw(st.sampled_from([1e-10, 0.5]))
    return Call((x,), {"axis": draw(st.integers(-x.ndim, x.ndim - 1)), "epsilon": epsilon, "eps": eps})


CASES = [
    Case("add", binary(), named("add")),
    Case("sub", binary(), named("sub")),
    Case("mul", binary(), named("mul")),
    Case("div", binary(normal, positive), named("div")),
    Case("neg", unary(), named("neg")),
    Case("power", power_calls(), named("pow"), label="number"),
    Case("power", binary(positive, positive), named("pow"), label="arrays"),
    Case("matmul", matmul_calls(), named("matmul")),
    Case("exp", unary(), named("exp")),
    Case("log", unary(positive), named("log")),
    Case("sqrt", unary(positive), named("sqrt")),
    Case("abs", unary(away), named("abs")),
    Case("maximum", ties(), as_tensors("maximum")),
    Case("minimum", ties(), as_tensors("minimum")),
    Case("clip", clip_calls(), _torch_clip),
    Case("where", where_calls(), named("where")),
    Case("reshape", reshape_calls(), lambda torch, x, *, shape: x.reshape(shape)),
    Case(
        "transpose",
        transpose_calls(),
        lambda torch, x, *, axes: x.permute(tuple(range(x.ndim))[::-1] if axes is None else axes),
    ),
    Case("broadcast_to", broadcast_calls(), lambda torch, x, *, shape: torch.broadcast_to(x, shape)),
    Case("concatenate", joined(False), lambda torch, *xs, axis: torch.cat(xs, dim=axis)),
    Case("stack", joined(True), lambda torch, *xs, axis: torch.stack(xs, dim=axis)),
    Case("getitem", getitem_calls(), torch_getitem),
    Case("gather", gather_calls(), lambda torch, x, index, *, axis: torch.gather(x, axis, index)),
    Case(
        "pad",
        pad_calls(),
        lambda torch, x, *, widths, value: torch.nn.functional.pad(
            x, [n for pair in widths[::-1] for n in pair], value=value
        ),
    ),
    Case("sum", reduction(shape=array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)), _dims("sum")),
    Case("mean", reduction(), _dims("mean")),
    Case("max", reduction(distinct), _dims("amax")),
    Case("min", reduction(distinct), _dims("amin")),
    Case("logsumexp", reduction(), _dims("logsumexp")),
    Case("relu", unary(away), functional("relu")),
    Case(
        "leaky_relu",
        unary(away, slope=st.sampled_from([0.01, 0.1, 1.0, 1.5, -0.5, 0.0])),
        lambda torch, x, *, slope: torch.nn.functional.leaky_relu(x, slope),
    ),
    Case("relu6", unary(away), functional("relu6")),
    Case("prelu", prelu_calls(), functional("prelu")),
    # torch's own hardsigmoid multiplies its gradient by 1/6 rounded to float32
    Case("hardsigmoid", unary(away), lambda torch, x: torch.nn.functional.relu6(x + 3) / 6),
    Case("hardswish", unary(away), functional("hardswish")),
    Case("sigmoid", unary(), named("sigmoid")),
    Case("tanh", unary(), named("tanh")),
    Case("softplus", unary(), lambda torch, x: torch.nn.functional.softplus(x, threshold=1e9)),
    Case("silu", unary(), functional("silu")),
    Case("mish", unary(), functional("mish")),
    Case("elu", unary(away, alpha=st.sampled_from([1.0, 0.5, 2.0])), functional("elu")),
    Case("selu", unary(away), functional("selu")),
    Case("gelu", unary(approximate=st.sampled_from(["none", "tanh"])), functional("gelu")),
    Case("softmax", softmax_calls(), lambda torch, x, *, axis: torch.softmax(x, axis)),
    Case("log_softmax", softmax_calls(), lambda torch, x, *, axis: torch.log_softmax(x, axis)),
    Case(
        "l2_normalize", unit_calls("floor"), lambda torch, x, *, axis, **_: torch.nn.functional.normalize(x, dim=axis)
    ),
    Case("l2_normalize", unit_calls("inside"), why="Caffe's epsilon", label="inside"),
    Case("conv2d", conv_calls(), functional("conv2d")),
    Case("conv_transpose2d", conv_calls(transposed=True), functional("conv_transpose2d")),
    Case("linear", linear_calls(), functional("linear")),
    Case("batch_norm", norm_calls(True, True), torch_norm, label="training"),
    Case("batch_norm", norm_calls(False, True), torch_norm, label="running"),
    Case("batch_norm", norm_calls(True, False), why="the dialects", label="training-dialects"),
    Case("batch_norm", norm_calls(False, False), why="the dialects", label="running-dialects"),
    Case("max_pool2d", pool_calls(False), torch_pool),
    Case("max_pool2d", darknet_pool_calls(), why="Darknet's padding", label="darknet"),
    Case("avg_pool2d", pool_calls(True), torch_pool),
    Case(
        "global_avg_pool2d",
        unary(shape=array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=4)),
        lambda torch, x: torch.nn.functional.adaptive_avg_pool2d(x, 1),
    ),
    Case("resize", resize_calls(), torch_resize),
    Case("upsample", upsample_calls(), torch_upsample),
    Case("roi_align", roi_calls(True), torch_align),
    Case("roi_align", roi_calls(True, "max"), why="torchvision has no maximum", label="max"),
    Case("roi_pool", roi_calls(False), torch_roi_pool),
    Case("crop_and_resize", crop_calls(), torch_crop),
    Case("crop_and_resize", crop_calls("nearest"), why="at halves torch rounds to even", label="nearest"),
    Case("dropout", unary(rate=st.sampled_from([0.0, 0.25, 0.9]), rng=seeds), why="other random numbers"),
    Case(
        "drop_block",
        unary(
            shape=array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=6),
            rate=st.sampled_from([0.0, 0.3]),
            block=st.integers(1, 3),
            rng=seeds,
        ),
        why="other random numbers",
    ),
    Case("mse", loss_calls(), functional("mse_loss")),
    Case("smooth_l1", smooth_l1_calls(), functional("smooth_l1_loss")),
    Case("bce_with_logits", bce_calls(), torch_bce),
    Case("focal", focal_calls(), torch_focal),
    Case("iou_loss", iou_calls(), torch_iou_loss),
    Case("cross_entropy", cross_entropy_calls(), torch_cross_entropy),
]
