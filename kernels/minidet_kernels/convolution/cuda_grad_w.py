"""Launcher of the gradient of the filters by tiles in registers, with its sums in splits that are added in order."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .check import Shape
from .cuda_epilogue import NOTHING
from .cuda_registers import ENOUGH, LEAST, SUM, Tile, blocks
from .geometry import IntOrPair, out_sizes, pair

LARGE, FLAT, SMALL = Tile(128, 128, 8, 8, 8), Tile(32, 128, 8, 4, 8), Tile(64, 64, 8, 8, 4)


def _instance(tile: Tile) -> str:
    return f"conv2d_grad_w_registers<{', '.join(map(str, tile))}>"


REGISTERS = Source(
    __file__, "registers_grad_w.cu", fused=True, instances=[_instance(tile) for tile in (LARGE, FLAT, SMALL)]
)
_FIELDS = (
    "groups channels H W filters oh ow kh kw images step_h step_w first_h first_w tap_h tap_w "
    "at_g at_x i j x_past_row x_past_image g_past_image"
)
#: The kernel's ``Walk``.
WALK = np.dtype([(name, np.int32) for name in _FIELDS.split(" ")])


def walk(
    x: Shape,
    w: Shape,
    terms: int,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> np.ndarray:
    """The sizes, and how the place of a term moves ``terms`` terms later."""
    (N, C, H, W), (O, Cg, kh, kw), (oh, ow) = x, w, out_sizes(x, w, stride, padding, dilation)
    (sh, sw), (ph, pw) = pair(stride), pair(padding)
    n, i, j = terms // (oh * ow), terms % (oh * ow) // ow, terms % ow
    at_g, at_x = n * O * oh * ow + terms % (oh * ow), n * C * H * W + i * sh * W + j * sw
    past = (sh * W - ow * sw, C * H * W - oh * sh * W, (O - 1) * oh * ow)
    sizes = (groups, Cg, H, W, O // groups, oh, ow, kh, kw, N, sh, sw, -ph, -pw, *pair(dilation))
    return np.array((*sizes, at_g, at_x, i, j, *past), WALK)


def choose(filters: int, columns: int) -> Tile:
    """The tile that is least empty; sums are split, so there are always enough of them."""
    if filters <= FLAT.BM:
        return FLAT
    return SMALL if min(filters, columns) <= SMALL.BM else LARGE


def conv2d_grad_w(x: Array, g: Array, *, shape: Shape, groups: int = 1, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_w` by ``registers_grad_w.cu``."""
    xp, (O, Cg, kh, kw) = namespace(g), shape
    gw, filters, columns = xp.empty(tuple(shape), g.dtype), O // groups, Cg * kh * kw
    tile, terms = choose(filters, columns), len(g) * prod(g.shape[2:])
    count = blocks(tile, filters, columns)
    splits = max(1, min(ENOUGH // max(1, count * groups), terms // LEAST))
    into = gw if splits == 1 else xp.empty((splits, gw.size), g.dtype)
    steps = i4(cover(cover(terms, tile.BK), splits))
    p = walk(x.shape, shape, tile.BK, groups=groups, **options)
    REGISTERS(_instance(tile), (count, splits, groups), tile.threads, (dense(x), dense(g), into, steps, p))
    if splits > 1:
        sizes = (i4(splits), i4(gw.size), i4(1), i4(1), NOTHING)
        SUM("conv2d_sum_splits", cover(gw.size, 256), 256, (into, None, None, gw, *sizes))
    return gw
