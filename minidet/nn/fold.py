"""Batch norm folded into the convolution before it."""

from __future__ import annotations

from minidet_kernels.arrays import Array, namespace

from ..functions.normalization import deviation
from .convolution import Conv2d
from .linear import Linear
from .normalization import BatchNorm2d


def fold_batch_norm(conv: Conv2d | Linear, bn: BatchNorm2d) -> tuple[Array, Array]:
    """The weight and bias of the one layer that computes ``bn(conv(x))`` in ``eval()``.

    With s = bn.weight / deviation per output channel (the deviation has epsilon where ``bn`` has it), the weight is
    s conv.weight and the bias bn.bias + s (conv.bias - bn.running_mean), computed in float64 and returned in the dtype
    of ``conv.weight``.  Real files hold odd variances: a negative one is taken as it is as long as the deviation is a
    positive number.  Where it is not (``bn`` itself gives NaN or infinities there) this raises ``ValueError`` naming
    the channel, as it does for shapes that do not fit.
    """
    weight, channels = conv.weight.data, bn.weight.shape[0]
    if weight.shape[0] != channels:
        raise ValueError(f"fold_batch_norm: {channels} channels of batch norm after {weight.shape[0]} outputs")
    xp = namespace(weight)
    sigma = deviation(bn.running_var.data, bn.eps, bn.epsilon)
    bad = xp.flatnonzero(~(xp.isfinite(sigma) & (sigma > 0)))
    if bad.size:
        c = int(bad[0])
        root = "sqrt(variance + eps)" if bn.epsilon == "inside" else "sqrt(variance) + eps"
        raise ValueError(
            f"fold_batch_norm: channel {c} has the variance {float(bn.running_var.data[c]):g}, so that {root} with "
            f"eps {bn.eps:g} is not a positive number; {bad.size} such channel{'s' if bad.size > 1 else ''} in all"
        )
    scale = bn.weight.data.astype(xp.float64) / sigma
    folded = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    offset = bn.running_mean.data if conv.bias is None else bn.running_mean.data - conv.bias.data.astype(xp.float64)
    bias = bn.bias.data - offset * scale
    return folded.astype(weight.dtype), bias.astype(weight.dtype)
