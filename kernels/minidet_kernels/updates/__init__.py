"""Updates of parameters by optimisers: one parameter with its moments, from its gradient.

    sgd_update     v = momentum v + g + weight_decay p;  p = p - lr v
    adam_update    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p = p - lr m' / (sqrt(v') + eps)

Conventions:

- ``in_place=True`` changes the arrays that are given and returns them: what an optimiser does.  Otherwise they stay as
  they are, and the results are new.  ``g`` is never changed.
- All arithmetic is in the dtype of the arrays, one rounding per operation, in the order written; numbers given as
  options are rounded to that dtype first.  So every implementation is bitwise equal to the definition: a training run
  goes on from a checkpoint with the same numbers whatever computes it.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from . import check

HERE = __name__
CUDA = f"{HERE}.cuda"

__all__ = ["adam_update", "sgd_update"]


@op(
    Impl("pieces", f"{HERE}.pieces:sgd_update", arrays={"numpy", "cupy"}),
    Impl("cuda", f"{CUDA}:sgd_update", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes_sgd"),
    check=check.sgd_update,
)
def sgd_update(
    p: Array,
    g: Array,
    v: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    first: bool = False,
    in_place: bool = False,
) -> tuple[Array, ...]:
    """A step of gradient descent: ``p`` from its gradient ``g`` and the velocity ``v``, all of one shape and dtype.

    Returns ``(p, v)``, or ``(p,)`` without ``v``, which is descent without momentum.  ``first`` takes what ``v`` holds
    for nothing: it becomes the gradient.  ``nesterov`` looks ahead: ``p - lr (g + weight_decay p + momentum v)``.

    Raises ``ValueError`` for shapes or dtypes that differ, ``TypeError`` for another dtype than a floating one.
    """
    if not in_place:
        p, v = p.copy(), None if v is None else v.copy()
    down = g + weight_decay * p if weight_decay else g
    if v is None:
        p -= lr * down
        return (p,)
    if first:
        v[...] = down
    else:
        v *= momentum
        v += down
    p -= lr * (down + momentum * v if nesterov else v)
    return p, v


@op(
    Impl("pieces", f"{HERE}.pieces:adam_update", arrays={"numpy", "cupy"}),
    Impl("cuda", f"{CUDA}:adam_update", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes_adam"),
    check=check.adam_update,
)
def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    lr: float,
    step: int,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    in_place: bool = False,
) -> tuple[Array, Array, Array]:
    """Step ``step`` (from 1) of Adam: ``p``, ``m`` and ``v`` from the gradient ``g``, all of one shape and dtype.

    Kingma and Ba 2015, algorithm 1: ``m`` and ``v`` begin as zeros, and ``m' = m / (1 - b1^step)``, ``v'`` likewise.
    ``weight_decay`` times ``p`` is added to the gradient; with ``decoupled`` (AdamW, Loshchilov and Hutter 2019) ``p``
    shrinks by ``lr weight_decay`` of itself instead.

    Raises ``ValueError`` for shapes or dtypes that differ and a step below 1, ``TypeError`` for another dtype than a
    floating one.
    """
    if not in_place:
        p, m, v = p.copy(), m.copy(), v.copy()
    b1, b2 = betas
    if weight_decay and decoupled:
        p *= 1 - lr * weight_decay
    elif weight_decay:
        g = g + weight_decay * p
    m *= b1
    m += (1 - b1) * g
    v *= b2
    v += (1 - b2) * (g * g)
    root = np.sqrt(v) / (1 - b2**step) ** 0.5 + eps
    p -= lr / (1 - b1**step) * (m / root)
    return p, m, v
