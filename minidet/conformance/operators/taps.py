"""Which input lies under which tap of a filter, for which output: what convolution and its gradients share.

Along an axis it is a table T of zeros and ones, T[i, u, r] = 1 where output i multiplies tap u by input r.  With T for
the rows and S for the columns, everything is one form that is linear in each of x, w and g,

    sum  T[i, u, r] S[j, v, q] x[n, c, r, q] w[o, c, u, v] g[n, o, i, j]

and the convolution and its two gradients are what is left of it without g, x or w.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .operator import Dialect


@dataclass(frozen=True)
class Axis:
    """``n`` elements under ``k`` taps, at ``stride`` and ``dilation``, with zeros ``before`` and ``after``."""

    n: int
    k: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def count(self) -> int:
        """How many outputs there are; below 1 where the taps do not fit."""
        return (self.n + self.before + self.after - (self.k - 1) * self.dilation - 1) // self.stride + 1


def axis(n: int, k: int, stride: int, padding: int, dilation: int, rule: str) -> Axis:
    """An axis with its zeros by one of the values of ``padding``."""
    if rule == "symmetric":
        return Axis(n, k, stride, dilation, padding, padding)
    total = max((math.ceil(n / stride) - 1) * stride + (k - 1) * dilation + 1 - n, 0)
    less, more = total // 2, total - total // 2
    return Axis(n, k, stride, dilation, *((less, more) if rule == "same_upper" else (more, less)))


def table(one: Axis, dialect: Dialect) -> np.ndarray:
    """T (count, k, n)."""
    found = np.zeros((max(one.count, 0), one.k, one.n))
    for i in range(one.count):
        for u in range(one.k):
            r = i * one.stride + u * one.dilation - one.before
            if 0 <= r < one.n:
                found[i, u if dialect["kernel"] == "as_is" else one.k - 1 - u, r] = 1
    return found


def tables(
    shape: tuple[int, ...], taps: tuple[int, ...], stride: int, padding: int, dilation: int, dialect: Dialect
) -> tuple[np.ndarray, np.ndarray] | None:
    """Those of the rows and the columns of maps of ``shape`` under filters of ``taps``; None where none fits."""
    rows, columns = (
        axis(n, k, stride, padding, dilation, dialect["padding"]) for n, k in zip(shape[2:], taps[2:], strict=True)
    )
    return None if min(rows.count, columns.count) < 1 else (table(rows, dialect), table(columns, dialect))


def windows(x: np.ndarray, rows: np.ndarray, columns: np.ndarray, groups: int) -> np.ndarray:
    """What lies under the taps, (N, groups, C / groups, i, u, j, v)."""
    grouped = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    return np.einsum("iur,ngcrjv->ngciujv", rows, np.einsum("jvq,ngcrq->ngcrjv", columns, grouped))


def spread(under: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The transpose of ``windows``: the sum of all that lies on each element, (N, C, H, W)."""
    found = np.einsum("iur,ngciuq->ngcrq", rows, np.einsum("jvq,ngciujv->ngciuq", columns, under))
    return found.reshape(len(found), found.shape[1] * found.shape[2], *found.shape[3:])


def filters(w: np.ndarray, groups: int) -> np.ndarray:
    """(O, C / groups, kh, kw) as (groups, O / groups, C / groups, kh, kw)."""
    return w.reshape(groups, len(w) // groups, *w.shape[1:])


def grouped(g: np.ndarray, groups: int) -> np.ndarray:
    """(N, O, oh, ow) as (N, groups, O / groups, oh, ow)."""
    return g.reshape(len(g), groups, g.shape[1] // groups, *g.shape[2:])


def bound(summed: int, one: np.ndarray, other: np.ndarray) -> float:
    """Rounding of sums of ``summed`` products, in steps of eps, whatever the algorithm is.

    Direct sums stay within summed * sum |one| |other| of each element; by FFT or Winograd's the error of an element
    also comes of its neighbours, so that the greatest of ``other`` stands for all.
    """
    if not one.size or not other.size:
        return 0.0
    return 2.0 * (summed + 2) * float(np.abs(one).sum()) * float(np.abs(other).max())
