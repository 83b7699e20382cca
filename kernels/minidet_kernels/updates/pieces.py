"""Updates by operations on whole arrays; of NumPy's, on pieces small enough to stay in the caches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array, namespace

#: How many numbers of a parameter to change at a time (measured).
PIECE = 1 << 16


def pieces(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Views of the same pieces of some arrays of one shape, small enough that temporary results stay in the caches.

    Of NumPy's arrays, laid out alike; others are one piece.
    """
    if all(isinstance(a, np.ndarray) and a.flags.c_contiguous for a in arrays):
        flat = [a.reshape(a.size) for a in arrays]
        for start in range(0, arrays[0].size, PIECE):
            yield tuple(a[start : start + PIECE] for a in flat)
    else:
        yield arrays


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
    """See ``minidet_kernels.updates.sgd_update``."""
    if not in_place:
        p, v = p.copy(), None if v is None else v.copy()
    if v is None:
        for part, slope in pieces(p, g):
            part -= lr * (slope + weight_decay * part if weight_decay else slope)
        return (p,)
    for part, slope, speed in pieces(p, g, v):
        down = slope + weight_decay * part if weight_decay else slope
        if first:
            speed[...] = down
        else:
            speed *= momentum
            speed += down
        part -= lr * (down + momentum * speed if nesterov else speed)
    return p, v


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
    """See ``minidet_kernels.updates.adam_update``."""
    if not in_place:
        p, m, v = p.copy(), m.copy(), v.copy()
    xp, (b1, b2) = namespace(p), betas
    for part, slope, mean, square in pieces(p, g, m, v):
        if weight_decay and decoupled:
            part *= 1 - lr * weight_decay
        elif weight_decay:
            slope = slope + weight_decay * part
        mean *= b1
        mean += (1 - b1) * slope
        square *= b2
        root = slope * slope
        root *= 1 - b2
        square += root
        xp.sqrt(square, out=root)
        root /= (1 - b2**step) ** 0.5
        root += eps
        xp.divide(mean, root, out=root)
        root *= lr / (1 - b1**step)
        part -= root
    return p, m, v
