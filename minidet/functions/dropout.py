"""Random removal of activations in training.  The layers make it the identity outside training."""

from __future__ import annotations

import numpy as np
from minidet_kernels.arrays import Array, namespace

from ..autograd import differentiable
from .broadcasting import Result

Rng = np.random.Generator | int


@differentiable
def dropout(x: Array, *, rate: float = 0.5, rng: Rng) -> Result:
    """Set each element to 0 with probability ``rate`` and divide the others by 1 - rate (Srivastava et al. 2014).

    ``rng`` is a NumPy generator, which advances, or a seed.  The numbers are drawn on the host, so that a seed means
    the same on every device.  Raises ``ValueError`` for a rate outside 0 to 1.
    """
    _check_rate(rate, "dropout")
    keep = np.random.default_rng(rng).random(x.shape, dtype=np.float32) >= rate
    scale = namespace(x).asarray(keep).astype(x.dtype)
    if rate < 1:
        scale /= 1 - rate
    return x * scale, (lambda g: g * scale,)


@differentiable
def drop_block(x: Array, *, rate: float = 0.1, block: int = 7, rng: Rng) -> Result:
    """Set square blocks of each map to 0 and scale the rest up (DropBlock, Ghiasi et al. 2018): x (N, C, H, W).

    A block of ``block`` x ``block`` elements (or what fits of it) starts at each position where it lies inside the
    map with probability rate H W / (block^2 (H - block + 1) (W - block + 1)), so that about the share ``rate`` is
    removed; the rest is multiplied by (all elements) / (elements kept).  ``rng`` as in ``dropout``.
    """
    _check_rate(rate, "drop_block")
    if x.ndim != 4 or block < 1:
        raise ValueError(f"drop_block() of shape {x.shape} in blocks of {block}; (N, C, H, W) and >= 1 are expected")
    keep = np.ones(x.shape, bool)
    h, w = x.shape[2:]
    bh, bw = min(block, h), min(block, w)
    if keep.size:
        starts = h - bh + 1, w - bw + 1
        probability = rate * h * w / (bh * bw * starts[0] * starts[1])
        start = np.random.default_rng(rng).random((*x.shape[:2], *starts), dtype=np.float32) < probability
        rows = np.zeros((*x.shape[:2], h, starts[1]), bool)  # every start, repeated downwards
        for i in range(bh):
            rows[:, :, i : i + starts[0]] |= start
        for j in range(bw):  # and then to the right
            keep[:, :, :, j : j + starts[1]] &= ~rows
    kept = int(keep.sum())
    scale = namespace(x).asarray(keep).astype(x.dtype)
    scale *= keep.size / kept if kept else 0
    return x * scale, (lambda g: g * scale,)


def _check_rate(rate: float, name: str) -> None:
    if not 0 <= rate <= 1:
        raise ValueError(f"{name}() at the rate {rate}; 0 to 1 is expected")
