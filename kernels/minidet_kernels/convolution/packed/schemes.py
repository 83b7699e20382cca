"""The Winograd schemes of the packed kernels: 3 x 3 filters of stride 1 or 2, tiles of 4 x 4 or 5 x 5 outputs.

Along one axis a scheme is three matrices (``toom_cook``): inputs and filters are evaluated at points, multiplied there,
and the outputs interpolated.  In two dimensions all pairs are taken::

    y  =  A^T [ sum over phases and channels of  (F w F^T) * (B x B^T) ] A

*Stride 1* is F(m, 3): m + 2 points.

*Stride 2* does not have such a form, but its two phases do.  The inputs that the filter's outer taps meet, every other
one, are met as by a filter of two taps and stride 1; those between them as by a filter of one::

    y[j]  =  (w0 x[2j] + w2 x[2j + 2])  +  w1 x[2j + 1]

Both are polynomials of degree 1, the second with a leading coefficient of zero, so F(m, 2) takes both at the same m + 1
points, and they are added before they are interpolated.  The value at infinity is the leading coefficient: there the
second has nothing to add.  That makes 2 m + 1 products for m outputs of three taps, in two dimensions 81 for sixteen
outputs, where the direct sum takes 144.

The points are symmetric, which halves the work of the transforms, and were chosen by the error that they leave.  With
sums over 256 channels the largest, of the largest output, was 2.6e-6 for F(4, 3), 4.0e-6 for F(5, 3), 1.4e-6 for
F(4, 2) and 2.5e-6 for F(5, 2).  Here the products of distances divide the rows of ``B^T`` and not those of ``G``:
many more filters are transformed than tiles, and powers of the points take fewer operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np

from ..toom_cook import toom_cook
from ..vectors import Builder, Value, combine


def _symmetric(*points: tuple[int, int], zero: bool = False) -> list[Fraction]:
    pairs = [Fraction(*point) for point in points]
    return [Fraction(0)] * zero + [sign for point in pairs for sign in (point, -point)]


@dataclass(frozen=True, eq=False)
class Scheme:
    """F(m x m, 3 x 3) of a stride, from the finite points of one axis."""

    name: str
    stride: int
    points: list[Fraction]

    def __post_init__(self) -> None:
        taps = 3 if self.stride == 1 else 2
        plain = toom_cook(self.points, taps)
        distances = np.append(1 / plain.G[:-1, 0], 1.0)[:, None]  # a row of G begins with 1 / distances; infinity's not
        halves = np.eye(plain.n)
        for k, l in self.pairs:
            halves[np.ix_((k, l), (k, l))] = [[0.5, 0.5], [0.5, -0.5]]
        fields = {"m": plain.m, "n": plain.n, "At": plain.At, "G": plain.G * distances, "Bt": plain.Bt / distances}
        for name, value in {**fields, "_halves": halves}.items():
            object.__setattr__(self, name, value)

    m: int = 0
    n: int = 0
    At: np.ndarray = None  # type: ignore[assignment]
    G: np.ndarray = None  # type: ignore[assignment]
    Bt: np.ndarray = None  # type: ignore[assignment]
    _halves: np.ndarray = None  # type: ignore[assignment]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The places of p and -p among the points."""
        first = len(self.points) % 2
        return [(k, k + 1) for k in range(first, len(self.points), 2)]

    @property
    def reach(self) -> int:
        """The inputs of a tile along an axis."""
        return self.stride * (self.m - 1) + 3

    @property
    def phases(self) -> list[int]:
        """The point that each transformed input, or filter, of an axis belongs to."""
        every = range(self.n)
        return [*every] if self.stride == 1 else [k for k in every for _ in range(1 if k == self.n - 1 else 2)]

    @property
    def groups(self) -> list[list[tuple[int, int]]]:
        """For each of the n^2 points the pairs of phases, (vertical, horizontal), that are summed there."""
        at = [[e for e, point in enumerate(self.phases) if point == k] for k in range(self.n)]
        return [list(product(at[i], at[j])) for i, j in product(range(self.n), repeat=2)]

    @property
    def taps(self) -> np.ndarray:
        """The transform of a filter's three taps, (values, 3)."""
        if self.stride == 1:
            return self.G
        return np.array([*([one, 0, power] for one, power in self.G), [0, 1, 0]])

    @property
    def values(self) -> list[int]:
        """Which of the transformed taps each phase is multiplied by: the inner tap is the same at all points."""
        if self.stride == 1:
            return self.phases
        return [k if first else self.n for k in range(self.n) for first in (True, False)][:-1]

    # The same transforms as sums of vectors.  The rows of a pair agree in the even powers and differ by a sign in the
    # odd ones, so both come from one even and one odd sum.

    def _to_points(self, b: Builder, matrix: np.ndarray, vectors: Sequence[Value]) -> list[Value]:
        count = len(matrix)
        out = [combine(b, row, vectors) for row in self._halves[:count, :count] @ matrix]
        for k, l in self.pairs:
            even, odd = out[k], out[l]
            out[k], out[l] = (join(even, odd, flags=("contract",)) for join in (b.fadd, b.fsub))
        return out

    def inputs(self, b: Builder, vectors: Sequence[Value]) -> list[Value]:
        """The phases of ``reach`` inputs."""
        if self.stride == 1:
            return self._to_points(b, self.Bt, vectors)
        outer = self._to_points(b, self.Bt, vectors[0::2])
        inner = self._to_points(b, self.Bt[:-1, :-1], vectors[1::2])
        return [v for pair in zip(outer, inner, strict=False) for v in pair] + [outer[-1]]

    def filters(self, b: Builder, taps: Sequence[Value]) -> list[Value]:
        """The values of three taps."""
        if self.stride == 1:
            return self._to_points(b, self.G, taps)
        return [*self._to_points(b, self.G, taps[0::2]), taps[1]]

    def outputs(self, b: Builder, vectors: Sequence[Value]) -> list[Value]:
        """The m outputs of the sums at n points."""
        sums = list(vectors)
        for k, l in self.pairs:
            sums[k], sums[l] = b.fadd(vectors[k], vectors[l]), b.fsub(vectors[k], vectors[l])
        return [combine(b, row, sums) for row in self.At @ self._halves]


#: Stride 1 with tiles of 4 and of 5, stride 2 with tiles of 4 and of 5: ``2 * (stride - 1) + (m - 4)``.
SCHEMES = (
    Scheme("F(4x4, 3x3)", 1, _symmetric((3, 4), (3, 2), zero=True)),
    Scheme("F(5x5, 3x3)", 1, _symmetric((3, 8), (7, 8), (7, 4))),
    Scheme("polyphase F(4x4, 2x2)", 2, _symmetric((1, 2), (5, 4))),
    Scheme("polyphase F(5x5, 2x2)", 2, _symmetric((3, 4), (5, 4), zero=True)),
)
