"""Convolution by the fast Fourier transform: a product for each frequency, however large the filter.

Sliding a filter over a plane is a product of their spectra.  With ``^`` for the transform of a plane of L1 x L2 pixels
that holds the padded image, or the filter in its first corner with d - 1 zeros between the taps:

    y    =  every s-th place of the inverse of  sum over c of  conj(w^[o, c]) x^[n, c]
    grad_x  =  the inside of the inverse of     sum over o of  w^[o, c] g^[n, o]          g with s - 1 zeros between
    grad_w  =  every d-th place of the inverse  sum over n of  conj(g^[n, o]) x^[n, c]

What leaves a plane on one side comes back on the other.  That does no harm where it falls on zeros, or on what is not
kept, so the padding on one side is enough for both: L is at least n + p, and no less than filter and output.  It is
rounded up to a number without prime factors beyond 5.

The operations are about 2.5 L1 L2 log2(L1 L2) for each plane of ``x``, ``w`` and ``y``, and 4 L1 L2 for each product of
two planes; the number of taps does not matter.  It pays for large filters; of many channels only for many images, since
the filters have to be transformed too.

Rounding.  An output mixes with its whole plane, so the error is one of norms.  A stage of radix r of the transform adds
r terms, times constants and a twiddle factor that are rounded too: r + 5 roundings along each path, of sums that are at
most sqrt(r) times the norm, and a transform is its stages one after the other (Higham, section 24.1; there for r = 2).
So its error in the 2-norm is at most u e(L1 L2) times the norm, with e(n) the sum of sqrt(r) (r + 5) over the prime
factors r of n.  By the inequalities of Cauchy and Schwarz, and of Young, an output is off by at most

    u [ (2 e + C + 4) sum_c |w_c|_2 |x_c|_2  +  (e + 2) sum_c |w_c|_1 |x_c|_2 ]

in first order, where |a|_2 and |a|_1 are the norms of whole planes.  For ordinary images the error is near that of a
plain sum; but beside pixels that are 1e6 times larger, others of the plane lose six digits.  An infinity or a NaN
reaches all outputs of its image that its group gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair, Pair, extent, out_sizes, pair

#: About how many bytes of spectra of filters to hold at a time (measured).
BUFFER = 2**20


def factors(n: int) -> list[int]:
    """The prime factors of ``n``, smallest first."""
    found, p = [], 2
    while n > 1:
        if n % p:
            p += 1
        else:
            found.append(p)
            n //= p
    return found


def good_size(n: int) -> int:
    """The least number from ``n`` on whose prime factors are 2, 3 and 5."""
    while n > 1 and factors(n)[-1] > 5:
        n += 1
    return max(1, n)


def sizes(x: Shape, w: Shape, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair) -> Pair:
    """The plane (L1, L2) for ``x`` (N, C, H, W) and ``w`` (O, C/groups, kh, kw)."""
    s, p, d, out = pair(stride), pair(padding), pair(dilation), out_sizes(x, w, stride, padding, dilation)
    least = [max(x[2 + i] + p[i], extent(w[2 + i], d[i]), (out[i] - 1) * s[i] + 1) for i in range(2)]
    return good_size(least[0]), good_size(least[1])


def _spectrum(a: Array, plane: Pair, first: Pair = (0, 0), every: Pair = (1, 1)) -> Array:
    """The transform (..., L1, L2 // 2 + 1) of ``a`` (..., h, w) with its pixels ``every`` so many from ``first`` on."""
    laid_out = np.zeros((*a.shape[:-2], *plane), a.dtype)
    laid_out[_places(a.shape[-2:], first, every)] = a
    return np.fft.rfft2(laid_out)


def _places(shape: Shape, first: Pair, every: Pair) -> tuple[Any, ...]:
    return (..., *(slice(f, f + (n - 1) * e + 1 if n else f, e) for n, f, e in zip(shape, first, every, strict=True)))


def _plane(spectrum: Array, plane: Pair, shape: Shape, first: Pair = (0, 0), every: Pair = (1, 1)) -> Array:
    """The inverse: of the plane, the places of ``_spectrum``."""
    return np.fft.irfft2(spectrum, plane)[_places(shape, first, every)]


def _parts(count: int, numbers: int) -> Iterator[slice]:
    """Cut ``count`` filters, with spectra of so many numbers each, into parts that fit in ``BUFFER`` bytes."""
    step = max(1, BUFFER // max(1, 8 * numbers))
    return (slice(first, first + step) for first in range(0, count, step))


def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """See ``minidet_kernels.convolution.conv2d``."""
    (N, _, H, W), (O, Cg, kh, kw) = x.shape, w.shape
    out, plane = (
        out_sizes(x.shape, w.shape, stride, padding, dilation),
        sizes(x.shape, w.shape, stride, padding, dilation),
    )
    pixels = _spectrum(x.reshape(N, groups, 1, Cg, H, W), plane, pair(padding))
    filters = w.reshape(groups, O // groups, Cg, kh, kw)
    y = np.empty((N, groups, O // groups, *out), x.dtype)
    for part in _parts(O // groups, groups * pixels[:1, :1].size):
        taps = _spectrum(filters[:, part], plane, every=pair(dilation)).conj()
        y[:, :, part] = _plane(_sum(taps, pixels, axis=-3), plane, out, every=pair(stride))
    y = y.reshape(N, O, *out)
    if bias is not None:
        y += bias[:, None, None]
    return y


def conv2d_grad_x(
    g: Array,
    w: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """See ``minidet_kernels.convolution.conv2d_grad_x``."""
    (N, C, H, W), (O, Cg, kh, kw) = shape, w.shape
    plane = sizes(shape, w.shape, stride, padding, dilation)
    outputs = _spectrum(g.reshape(N, groups, O // groups, 1, *g.shape[2:]), plane, every=pair(stride))
    filters = w.reshape(groups, O // groups, Cg, kh, kw)
    x = np.empty((N, groups, Cg, H, W), g.dtype)
    for part in _parts(Cg, groups * outputs[:1, :1].size):
        taps = _spectrum(filters[:, :, part], plane, every=pair(dilation))
        x[:, :, part] = _plane(_sum(taps, outputs, axis=-4), plane, (H, W), pair(padding))
    return x.reshape(N, C, H, W)


def conv2d_grad_w(
    x: Array,
    g: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """See ``minidet_kernels.convolution.conv2d_grad_w``."""
    (N, _, H, W), (O, Cg, kh, kw) = x.shape, shape
    plane = sizes(x.shape, shape, stride, padding, dilation)
    pixels = _spectrum(x.reshape(N, groups, 1, Cg, H, W), plane, pair(padding))
    outputs = g.reshape(N, groups, O // groups, 1, *g.shape[2:])
    w = np.empty((groups, O // groups, Cg, kh, kw), x.dtype)
    for part in _parts(O // groups, groups * pixels[:1, :1].size):
        slid = _spectrum(outputs[:, :, part], plane, every=pair(stride)).conj()
        w[:, part] = _plane(_sum(slid, pixels, axis=-6), plane, (kh, kw), every=pair(dilation))
    return w.reshape(shape)


def _sum(a: Array, b: Array, axis: int) -> Array:
    """``(a * b).sum(axis)`` of spectra that broadcast, counted from the last; without the product of all of them."""
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    total = np.zeros(np.broadcast_shapes(a.shape[1:], b.shape[1:]), a.dtype)
    for one, other in zip(a, b, strict=True):
        total += one * other
    return total
