"""Adding up at repeated places, in the order of the index, on either device: the same bits from run to run."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from minidet_kernels.arrays import Array, namespace


def add_at(z: Array, index: Any, g: Array) -> None:
    """``numpy.add.at(z, index, g)``: ``g`` has the shape of ``z[index]``, and ``z`` is contiguous.

    CuPy's own adds with atomics, in an order that nobody knows, so sums of floats would differ from run to run.  Here
    the places are sorted, equal ones in the order in which they came; then the first of each place is added, then the
    second, and so on: NumPy's order, and its bits.  It waits for the device, to learn how often a place is repeated.
    """
    xp = namespace(z)
    if xp is np:
        np.add.at(z, index, g)
        return
    place, value = _places(z.shape, index, xp).ravel(), g.ravel()
    if not place.size:
        return
    count = xp.arange(place.size)
    order = xp.lexsort(xp.stack([count, place]))
    place, value = place[order], value[order]
    first = xp.concatenate([xp.ones(1, xp.bool_), place[1:] != place[:-1]])
    turn = count - xp.flatnonzero(first)[xp.cumsum(first) - 1]  # 0 for the first of a place, 1 for the next, ...
    flat = z.reshape(-1)  # a view
    for now in range(int(turn.max()) + 1):
        mine = turn == now
        flat[place[mine]] += value[mine]


def _places(shape: tuple[int, ...], index: Any, xp: Any) -> Array:
    """Where each selected element lies in the flattened array, int64; nothing of the array's size is made."""
    place: Any = 0
    for axis, n in enumerate(shape):
        along = (1,) * axis + (n,) + (1,) * (len(shape) - axis - 1)
        steps = (xp.arange(n, dtype=xp.int64) * prod(shape[axis + 1 :])).reshape(along)
        place = place + xp.broadcast_to(steps, shape)[index]
    return place
