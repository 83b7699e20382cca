"""How far a layer's output may be from the exact one: from the length of its sums and the dtype.

With eps the distance from 1 to the next number (twice what one rounding can be), n the products of a sum, k the lesser
of n + 2 and 8 sqrt(n), and dx a bound of the input's own error:

=====================  =========================================================================================
input's normalising    6 eps (|factor x| + |shift|)
convolution, linear    k eps sum |w| |x|  +  eps |b|  +  sum |w| dx,  in any order of adding
batch norm             6 eps |w / deviation| (|x| + |mean|)  +  2 eps |b|  +  |w / deviation| dx,  folded or not
max pooling, nearest   no rounding: the greatest, the copied dx
mean pooling           (n + 2) eps mean |x|  +  mean dx
bilinear               (8 + 2 size) eps max |x|,  as coordinates are rounded too,  +  resized dx
ReLU, leaky ReLU       2 eps |y|  +  dx
other activations      8 eps (|x| + |y|)  +  slope dx,  with the greatest slope that they have
length of channels     (channels + 8) eps |y|;  only of exact inputs
=====================  =========================================================================================

n + 2 holds for any roundings.  8 sqrt(n) holds where they go up as often as down, with a probability that makes an
exception unheard of: lambda = 16 in Higham and Mary, "A new approach to probabilistic rounding error analysis" (2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import functions as F
from ... import nn
from ...autograd import Tensor
from ...models.normalise import Normalise

#: The greatest slope of an activation, unless it is below 1.13, as that of SiLU (1.0998), GELU (1.129), Mish (1.0885).
SLOPES: Mapping[type[nn.Module], float] = {nn.SELU: 1.76, nn.HardSwish: 1.5}
STEEPEST = 1.76


def layer_bound(module: Any, x: np.ndarray, dx: np.ndarray, y: np.ndarray, eps: float) -> np.ndarray | None:
    """The bound of each element of ``y``, what ``module`` makes of ``x`` (float64); None for a layer without one."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        return _products(module, x, dx, eps)
    if isinstance(module, Normalise):
        factor, shift = (np.abs(one.data) for one in (module.factor, module.shift))
        bound: np.ndarray = factor * (dx + 6 * eps * np.abs(x)) + 6 * eps * shift
        return bound[:, ::-1] if module.channels == "bgr" else bound
    if isinstance(module, nn.BatchNorm2d):
        return _normalised(module, x, dx, eps)
    if isinstance(module, nn.MaxPool2d):
        return _data(module.forward(Tensor(dx)))
    if isinstance(module, nn.AvgPool2d | nn.GlobalAvgPool2d):
        size = getattr(module, "size", x.shape[2:])
        n = int(np.prod(size if isinstance(size, tuple) else (size, size)))
        return _data(module.forward(Tensor(dx + (n + 2) * eps * np.abs(x))))
    if isinstance(module, nn.Upsample):
        copied = _data(module.forward(Tensor(dx)))
        return copied if module.mode == "nearest" else copied + (8 + 2 * max(y.shape[2:])) * eps * np.abs(x).max()
    if isinstance(module, nn.Identity | nn.Dropout | nn.Flatten):
        return dx.reshape(y.shape)
    if isinstance(module, nn.ReLU | nn.ReLU6 | nn.LeakyReLU | nn.PReLU):
        return dx + 2 * eps * np.abs(y)
    if isinstance(module, POINTWISE):
        return SLOPES.get(type(module), 1.13) * dx + 8 * eps * (np.abs(x) + np.abs(y))
    if isinstance(module, nn.L2Norm) and not dx.any():
        return (x.shape[1] + 8) * eps * np.abs(y)
    return None


POINTWISE = (
    nn.ELU, nn.GELU, nn.SELU, nn.HardSigmoid, nn.HardSwish, nn.Mish, nn.Sigmoid, nn.SiLU, nn.Softplus, nn.Tanh,
)  # fmt: skip


def glue_bound(pre: np.ndarray, dpre: np.ndarray, y: np.ndarray, eps: float) -> np.ndarray:
    """Where a function, element by element, follows the last layer of a block: an activation or a sum."""
    return STEEPEST * dpre + 8 * eps * (np.abs(pre) + np.abs(y))


def _data(y: Tensor) -> np.ndarray:
    return y.data


def _products(module: Any, x: np.ndarray, dx: np.ndarray, eps: float) -> np.ndarray:
    w = np.abs(module.weight.data)
    bias = None if module.bias is None else Tensor(eps * np.abs(module.bias.data))
    if isinstance(module, nn.Linear):
        return _data(F.linear(Tensor(_terms(w.shape[1]) * eps * np.abs(x) + dx), Tensor(w), bias))
    options = {name: getattr(module, name) for name in ("stride", "padding", "dilation", "groups")}
    if isinstance(module, nn.ConvTranspose2d):
        n = w[:, 0].size // module.groups
        spread = Tensor(_terms(n) * eps * np.abs(x) + dx)
        return _data(F.conv_transpose2d(spread, Tensor(w), bias, output_padding=module.output_padding, **options))
    return _data(F.conv2d(Tensor(_terms(w[0].size) * eps * np.abs(x) + dx), Tensor(w), bias, **options))


def _terms(n: int) -> float:
    return min(n + 2, 8 * math.sqrt(n))


def _normalised(module: nn.BatchNorm2d, x: np.ndarray, dx: np.ndarray, eps: float) -> np.ndarray:
    deviation = np.sqrt(module.running_var.data + (module.eps if module.epsilon == "inside" else 0))
    deviation = deviation + (module.eps if module.epsilon == "outside" else 0)
    scale, mean, bias = (
        np.abs(one).reshape(1, -1, *(1,) * (x.ndim - 2))
        for one in (module.weight.data / deviation, module.running_mean.data, module.bias.data)
    )
    bound: np.ndarray = scale * (6 * eps * (np.abs(x) + mean) + dx) + 2 * eps * bias
    return bound
