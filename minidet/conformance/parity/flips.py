"""What else a layer could be, by the conventions of its operator: for each a name and a module in its place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ... import nn
from ...autograd import Tensor

Change = Callable[[np.ndarray], np.ndarray]


class Changed(nn.Module):
    """``module`` of a changed input."""

    def __init__(self, module: nn.Module, given: Change) -> None:
        self.module, self.given = module, given

    def forward(self, x: Tensor) -> Any:
        """The module's output."""
        return self.module.forward(Tensor(self.given(x.data)))


def flips(module: nn.Module, x: np.ndarray) -> Iterator[tuple[str, nn.Module]]:
    """Names, as ``operator.convention=value``, and modules; ``x`` is what the layer is given."""
    if isinstance(module, nn.Conv2d):
        yield from _convolutions(module, x)
    elif isinstance(module, nn.BatchNorm2d):
        yield from _norms(module, x)
    elif isinstance(module, nn.MaxPool2d):
        yield from _pools(module)
    elif isinstance(module, nn.AvgPool2d):
        yield (
            "avg_pool2d.padding=" + ("left_out" if module.count_include_pad else "counted"),
            other(module, count_include_pad=not module.count_include_pad),
        )
        yield "avg_pool2d.windows=ceil_dropped", other(module, convention="caffe")
    elif isinstance(module, nn.Upsample):
        yield from _samplings(module)
    elif isinstance(module, nn.L2Norm):
        for name, eps, epsilon in (("inside_1e-10", 1e-10, "inside"), ("floor_1e-12", 1e-12, "floor")):
            yield f"l2_norm.epsilon={name}", other(module, eps=eps, epsilon=epsilon)
    elif isinstance(module, nn.Linear) and module.bias is not None:
        yield "linear.bias=none", other(module, bias=None)
    elif isinstance(module, ACTIVATIONS):
        yield from activations()


def other(module: nn.Module, **changes: Any) -> Any:
    """A copy with other attributes."""
    one = copy.copy(module)
    vars(one).update(changes)
    return one


def activations() -> Iterator[tuple[str, nn.Module]]:
    """All that may stand for an activation."""
    for slope in (0.01, 0.1, 0.2, 0.3):
        yield f"leaky_relu.slope={slope}", nn.LeakyReLU(slope)
    for kind in (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Mish, nn.HardSwish, nn.Sigmoid, nn.Tanh, nn.ELU, nn.Softplus):
        yield f"activation={kind.__name__}", kind()
    for form in ("none", "tanh"):
        yield f"gelu.form={'exact' if form == 'none' else form}", nn.GELU(form)
    yield "activation=none", nn.Identity()


ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.Mish, nn.HardSwish, nn.Sigmoid, nn.Tanh, nn.ELU, nn.Softplus, nn.GELU,
)  # fmt: skip


def _padded(sides: Sequence[tuple[int, int]]) -> Change:
    return lambda x: np.pad(x, sides)


def _pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _convolutions(module: nn.Conv2d, x: np.ndarray) -> Iterator[tuple[str, nn.Module]]:
    weight = module.weight.data
    extents = [d * (k - 1) + 1 for d, k in zip(_pair(module.dilation), weight.shape[2:], strict=True)]
    totals = [
        max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(x.shape[2:], _pair(module.stride), extents, strict=True)
    ]
    for name, before in (("same_upper", [t // 2 for t in totals]), ("same_lower", [-(-t // 2) for t in totals])):
        sides = [(0, 0), (0, 0), *((b, t - b) for b, t in zip(before, totals, strict=True))]
        yield f"conv2d.padding={name}", Changed(other(module, padding=0), _padded(sides))
    half = tuple((k - 1) // 2 for k in extents)
    for name, padding in (("symmetric", half), ("none", 0)):
        if _pair(padding) != _pair(module.padding):
            yield f"conv2d.padding={name}", other(module, padding=padding)
    yield "conv2d.kernel=reversed", other(module, weight=nn.Parameter(weight[:, :, ::-1, ::-1].copy()))
    if weight.shape[2] == weight.shape[3] > 1:
        yield "conv2d.kernel=transposed", other(module, weight=nn.Parameter(weight.swapaxes(2, 3).copy()))
    if module.bias is not None:
        yield "conv2d.bias=none", other(module, bias=None)
    if x.shape[1] == 3:
        yield "input.channels=reversed", Changed(other(module), lambda v: v[:, ::-1].copy())
        yield "input.range=255", Changed(other(module), lambda v: v * 255)
        yield "input.range=1", Changed(other(module), lambda v: v / 255)


def _norms(module: nn.BatchNorm2d, x: np.ndarray) -> Iterator[tuple[str, nn.Module]]:
    for place in ("inside", "outside"):
        for eps in ("1e-5", "1e-3", "1e-6"):
            if (place, float(eps)) != (module.epsilon, module.eps):
                yield f"batch_norm.epsilon={place}_{eps}", other(module, epsilon=place, eps=float(eps))
    axes = (0, *range(2, x.ndim))
    mean = nn.Buffer(x.mean(axis=axes))
    for name, more in (("biased", 0), ("unbiased", 1)):
        if x[:, 0].size > 1:
            own = other(module, running_mean=mean, running_var=nn.Buffer(x.var(axis=axes, ddof=more)))
            yield f"batch_norm.statistics=of_the_batch_{name}", own
    one = np.ones_like(module.running_var.data)
    yield "batch_norm.statistics=none", other(module, running_mean=nn.Buffer(0 * one), running_var=nn.Buffer(one))


def _pools(module: nn.MaxPool2d) -> Iterator[tuple[str, nn.Module]]:
    size = _pair(module.size)
    padding = module.padding if module.padding is not None else 0
    each = padding if module.convention != "darknet" else tuple(k // 2 for k in size)
    for name, convention, amount in (
        ("floor", "torch", each),
        ("floor", "torch", 0),
        ("ceil_dropped", "caffe", each),
        ("ceil_dropped", "caffe", 0),
        ("darknet", "darknet", None),
    ):
        yield f"max_pool2d.windows={name}", other(module, convention=convention, padding=amount)
    top, left = _pair(each)
    sides = [(0, 0), (0, 0), (top, top), (left, left)]
    zeros = Changed(other(module, convention="torch", padding=0), _padded(sides))
    yield "max_pool2d.padding_value=zero", zeros


def _samplings(module: nn.Upsample) -> Iterator[tuple[str, nn.Module]]:
    for name, mode, coordinates in (
        ("nearest_floor", "nearest", "asymmetric"),
        ("bilinear", "bilinear", "half_pixel"),
        ("bilinear_align_corners", "bilinear", "align_corners"),
        ("bilinear_asymmetric", "bilinear", "asymmetric"),
    ):
        yield f"resize.sampling={name}", other(module, mode=mode, coordinates=coordinates)
