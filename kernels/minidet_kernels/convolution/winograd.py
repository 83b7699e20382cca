"""Winograd's convolution for 3 x 3 filters of stride 1, in NumPy: fewer products, more sums.

The output is cut into tiles of m x m.  Each looks at a tile of n x n inputs, n = m + 2, and tiles and filters are both
carried to n^2 points, where the convolution is a plain product, channel by channel:

    V[p, c, t]  =  (B^T x B)[p]  of tile t, channel c         inputs            (n^2, C, tiles)
    U[p, o, c]  =  (G w G^T)[p]                               filters           (n^2, O, C)
    M[p]        =  U[p] @ V[p]                                n^2 matrix products, where the time goes
    y           =  A^T M A                                    m^2 outputs of each tile

(``toom_cook`` has the matrices and why this is so.)  Written for vectors, ``B^T x B`` is one matrix, the Kronecker
product of ``B^T`` with itself, times the tile's n^2 numbers: so each transform is one matrix product too.

The filters are transformed anew at each call.  Keeping ``U`` would save little: whoever keeps it has to make sure at
each call that ``w`` is still what it was, which means reading all of it, and to hold 4 times its memory.  So there is
nothing to invalidate: a changed filter is a changed result.

Rounding: sums and differences of large numbers that cancel lose accuracy.  With u the unit roundoff, an output is off
by at most

    u (C + q(G) + q(B^T) + q(A^T) + 2)   times   |A^T| [ sum_c (|G| |w| |G^T|) * (|B^T| |x| |B|) ] |A|

plus the bias's own rounding, where q is the square of the most numbers other than zero in a row, plus one: the
roundings along any one path through the four lines above (Higham, chapter 3; Barabasz et al. 2020).  For F(4, 3) the
first factor is u (C + 55).  An infinity or a NaN spreads to all the outputs of the tiles that see it, and sums of
products within a factor of about 1,000 of the largest float overflow.  So it is for float32 networks, and float64 takes
it only when it is pinned.
"""

from __future__ import annotations

from ..arrays import Array, namespace
from .geometry import IntOrPair, out_sizes, pair
from .im2col import Windows, blocks, unroll
from .toom_cook import F2, F4, Scheme

#: About how many bytes of transformed inputs to make at a time.
BUFFER = 2**24


def transform_filters(w: Array, scheme: Scheme) -> Array:
    """``U`` (n^2, O, C) of the filters ``w`` (O, C, 3, 3)."""
    (O, C, r, _), xp = w.shape, namespace(w)
    taps = xp.ascontiguousarray(w.transpose(2, 3, 0, 1)).reshape(r * r, O * C)
    return (_twice(scheme.G, w) @ taps).reshape(scheme.n**2, O, C)


def convolve(x: Array, w: Array, bias: Array | None, padding: IntOrPair, scheme: Scheme) -> Array:
    """``conv2d`` of stride 1 by any scheme, in the arrays' own dtype."""
    xp, (N, C, _, _), O = namespace(x), x.shape, len(w)
    (oh, ow), n, m = out_sizes(x.shape, w.shape, 1, padding, 1), scheme.n, scheme.m
    U, into, back = transform_filters(w, scheme), _twice(scheme.Bt, x), _twice(scheme.At, x)
    windows = Windows((n, n), (m, m), pair(padding), (1, 1))  # the tiles of inputs are windows like any other
    y = xp.empty((N, O, oh, ow), x.dtype)
    for block in blocks((N, C, n, n, -(-oh // m), -(-ow // m)), x.itemsize, BUFFER):
        images, rows, columns = *block.shape, -(-ow // m)
        tiles = xp.empty((n, n, C, images, rows, columns), x.dtype)
        unroll(x[block.images], tiles.transpose(3, 2, 0, 1, 4, 5), windows, block.rows)
        V = into @ tiles.reshape(n * n, C * images * rows * columns)
        M = U @ V.reshape(n * n, C, images * rows * columns)  # (n^2, O, tiles)
        outputs = (back @ M.reshape(n * n, O * images * rows * columns)).reshape(m, m, O, images, rows, columns)
        whole = outputs.transpose(3, 2, 4, 0, 5, 1).reshape(images, O, rows * m, columns * m)
        inside = y[block.images, :, block.rows.start * m : block.rows.stop * m]
        inside[...] = whole[:, :, : inside.shape[2], :ow]
    if bias is not None:
        y += bias[:, None, None]
    return y


def _twice(matrix: Array, like: Array) -> Array:
    """The transform by ``matrix`` along both axes of a tile, as one matrix on the tile's numbers in a row."""
    return namespace(like).asarray(namespace(matrix).kron(matrix, matrix).astype(like.dtype))


def conv2d_f2(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """F(2 x 2, 3 x 3); see ``minidet_kernels.convolution.conv2d``."""
    return convolve(x, w, bias, padding, F2)


def conv2d_f4(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """F(4 x 4, 3 x 3); see ``minidet_kernels.convolution.conv2d``."""
    return convolve(x, w, bias, padding, F4)
