"""Convolution as a matrix product over unrolled windows (im2col and BLAS), for NumPy and CuPy.

    y  (O, oh*ow)  =  w (O, C*kh*kw)  @  columns (C*kh*kw, oh*ow)          of each image, and of each group

``columns`` holds every pixel once for each tap over it, kh*kw times the input, so it is made for a block at a time: as
many images, or as many rows of one image's output, as fit in ``BUFFER`` bytes.  The product is where the time goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..arrays import Array, library, namespace
from .check import Shape
from .geometry import IntOrPair, Pair, covered, out_sizes, pair

#: About how many bytes of columns to make at a time.  On the host: what stays in the caches (measured).
BUFFER = {"numpy": 2**22, "cupy": 2**28}

#: A product of fewer columns than this is slow, so a block has as many rows as that takes, whatever their bytes.
LEAST = 256


class Block(NamedTuple):
    """The outputs that are computed together: whole images, or some rows of one."""

    images: slice
    rows: slice

    @property
    def shape(self) -> Pair:
        """How many images and how many rows."""
        return self.images.stop - self.images.start, self.rows.stop - self.rows.start


def blocks(columns: Shape, itemsize: int, buffer: int) -> Iterator[Block]:
    """Cut all ``columns`` (N, C, kh, kw, oh, ow) into blocks that fit in ``buffer`` bytes or have ``LEAST`` columns."""
    images, C, kh, kw, rows, ow = columns
    fit = max(buffer // max(1, C * kh * kw * ow * itemsize), -(-LEAST // max(1, ow)))  # rows
    parts = -(-rows // fit)  # the fewest blocks of an image, then made equal
    height = -(-rows // max(1, parts))
    step = max(1, fit // max(1, rows))
    for n in range(0, images, step):
        for r in range(0, rows, max(1, height)):
            yield Block(slice(n, min(n + step, images)), slice(r, min(r + height, rows)))


class Windows(NamedTuple):
    """Which pixels lie under which tap: the geometry of one call."""

    taps: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    def under(
        self, u: int, v: int, size: Pair, rows: slice, ow: int
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """For tap (u, v): the outputs, counted from ``rows.start``, for which it lies on a pixel; and those pixels."""
        outputs, pixels = [], []
        for axis, (tap, first, last) in enumerate(((u, rows.start, rows.stop), (v, 0, ow))):
            s, p, d = self.stride[axis], self.padding[axis], self.dilation[axis]
            a, b = covered(size[axis], tap, s, p, d, first, last)
            start = a * s + tap * d - p
            outputs.append(slice(a - first, b - first))
            pixels.append(slice(start, start + (b - a - 1) * s + 1, s) if a < b else slice(0, 0))
        return (outputs[0], outputs[1]), (pixels[0], pixels[1])


def unroll(x: Array, columns: Array, windows: Windows, rows: slice) -> None:
    """Copy the pixels of ``x`` (n, C, H, W) to ``columns`` (n, C, kh, kw, rows, ow), zero where there is padding."""
    _, _, kh, kw, height, ow = columns.shape
    for u in range(kh):
        for v in range(kw):
            (i, j), (r, c) = windows.under(u, v, x.shape[2:], rows, ow)
            tap = columns[:, :, u, v]
            tap[:, :, i, j] = x[:, :, r, c]
            if i.start > 0:
                tap[:, :, : i.start] = 0
            if i.stop < height:
                tap[:, :, i.stop :] = 0
            if j.start > 0:
                tap[:, :, i, : j.start] = 0
            if j.stop < ow:
                tap[:, :, i, j.stop :] = 0


def roll(columns: Array, x: Array, windows: Windows, rows: slice) -> None:
    """Add ``columns`` (n, C, kh, kw, rows, ow) to the pixels of ``x`` they came from: the adjoint of ``unroll``."""
    _, _, kh, kw, _, ow = columns.shape
    for u in range(kh):
        for v in range(kw):
            (i, j), (r, c) = windows.under(u, v, x.shape[2:], rows, ow)
            x[:, :, r, c] += columns[:, :, u, v, i, j]


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
    xp, (N, C, _, _), (O, Cg, kh, kw) = namespace(x), x.shape, w.shape
    oh, ow = out_sizes(x.shape, w.shape, stride, padding, dilation)
    windows = Windows((kh, kw), pair(stride), pair(padding), pair(dilation))
    K, w3 = Cg * kh * kw, w.reshape(groups, O // groups, Cg * kh * kw)
    y = xp.empty((N, O, oh, ow), x.dtype)
    grouped = y.reshape(N, groups, O // groups, oh * ow)
    for block in blocks((N, C, kh, kw, oh, ow), x.itemsize, BUFFER[library(x)]):
        n, height = block.shape
        columns = xp.empty((n, C, kh, kw, height, ow), x.dtype)
        unroll(x[block.images], columns, windows, block.rows)
        out = grouped[block.images, ..., block.rows.start * ow : block.rows.stop * ow]
        xp.matmul(w3, columns.reshape(n, groups, K, height * ow), out=out)
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
    xp, (N, C, _, _), (O, Cg, kh, kw), (oh, ow) = namespace(g), shape, w.shape, g.shape[2:]
    windows = Windows((kh, kw), pair(stride), pair(padding), pair(dilation))
    transposed = w.reshape(groups, O // groups, Cg * kh * kw).swapaxes(1, 2)
    grouped = g.reshape(N, groups, O // groups, oh * ow)
    x = xp.zeros(shape, g.dtype)
    for block in blocks((N, C, kh, kw, oh, ow), g.itemsize, BUFFER[library(g)]):
        n, height = block.shape
        columns = xp.matmul(transposed, grouped[block.images, ..., block.rows.start * ow : block.rows.stop * ow])
        roll(columns.reshape(n, C, kh, kw, height, ow), x[block.images], windows, block.rows)
    return x


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
    xp, (N, C, _, _), (O, Cg, kh, kw), (oh, ow) = namespace(x), x.shape, shape, g.shape[2:]
    windows = Windows((kh, kw), pair(stride), pair(padding), pair(dilation))
    w = xp.zeros((groups, O // groups, Cg * kh * kw), x.dtype)
    for block in blocks((N, C, kh, kw, oh, ow), x.itemsize, BUFFER[library(x)]):
        n, height = block.shape
        columns = xp.empty((C, kh, kw, n, height, ow), x.dtype)  # the images side by side: one long product
        unroll(x[block.images], columns.transpose(3, 0, 1, 2, 4, 5), windows, block.rows)
        outputs = g[block.images, :, block.rows].swapaxes(0, 1).reshape(groups, O // groups, n * height * ow)
        w += outputs @ columns.reshape(groups, Cg * kh * kw, n * height * ow).swapaxes(1, 2)
    return w.reshape(shape)
