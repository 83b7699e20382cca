"""Launchers of the convolutions by tensor cores: inputs rounded to tf32, fp16 or bf16, sums in float32.

The arrays of the operators are float32 with the channels before the pixels.  Tensor cores want numbers of half the
precision or less, and copies of 16 bytes along the axis that is summed over.  So ``mma_pack.cu`` writes rounded copies
with the channels last, once, and ``mma_conv.cu`` and ``mma_grad_w.cu`` work on these.

``tf32x3`` makes two numbers of each, the nearest tf32 and that of the rest, and three products of one: b b' + b s' +
s b' for (b + s) (b' + s').  What it loses is at most 3 parts in 2^22, about as much as float32 in a sum of a few terms,
at a third of the speed.  What is infinite may come out as NaN.

They are never chosen by themselves: ``rounds_to`` says why, and ``pin(conv2d="mma_tf32")`` asks for one.

Errors.  Rounding a factor changes it by a part of at most u = 2^-11 (tf32, fp16) or 2^-8 (bf16), so a product of two by
2 u + u^2, and a sum by that part of the sum of the products' sizes; what sums in float32 lose comes on top, as in any
other implementation.  In fp16 numbers below 2^-14 are rounded to multiples of 2^-24, and from 65520 on they are
infinite, which then the result shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, f4, i4
from .check import Shape
from .cuda_mma_sizes import Axis, axes, division, record
from .fused import ACTIVATIONS
from .geometry import IntOrPair, out_sizes, pair

STAGES = 3
#: Blocks that keep a large GPU busy: two for each of 132 processors.  A number of its own, not the GPU's, so that sums
#: are cut up in the same way everywhere, and have the same bits.
BUSY = 264


@dataclass(frozen=True)
class Kind:
    """What inputs are rounded to: the kernels' name for it, NumPy's type of a word, and the words of 16 bytes."""

    name: str
    word: str
    vector: int
    parts: int = 1

    @property
    def terms(self) -> int:
        """The places that a tile of ``mma_grad_w.cu`` sums over."""
        return 4 * self.vector

    def fill(self, channels: int) -> int:
        """``channels``, rounded up to whole chunks."""
        return cover(channels, self.vector) * self.vector


KINDS = {"tf32": Kind("Tf32", "float32", 4), "f16": Kind("F16", "uint16", 8), "bf16": Kind("Bf16", "uint16", 8)}
KINDS["tf32x3"] = Kind("Tf32", "float32", 4, parts=3)
#: The tiles: a block's and a warp's rows and columns.
SMALL, LARGE = (64, 64, 32, 32), (128, 128, 64, 64)


def _instances(*kernels: str) -> list[str]:
    kinds = [kind for kind in KINDS.values() if kind.parts == 1]
    return [_name(k, kind, tile) for k in kernels for kind in kinds for tile in (SMALL, LARGE)]


def _name(kernel: str, kind: Kind, tile: tuple[int, ...]) -> str:
    return f"{kernel}<{', '.join([kind.name, *map(str, tile)])}>"


PARTS = ["Whole<Tf32>", "Whole<F16>", "Whole<Bf16>", "Left", "Right"]
PACK = Source(__file__, "mma_pack.cu", instances=[f"mma_pack<{parts}>" for parts in PARTS])
CONV = Source(__file__, "mma_conv.cu", instances=_instances("mma_conv"), fused=True, STAGES=STAGES)
GRAD_W = Source(__file__, "mma_grad_w.cu", instances=_instances("mma_grad_w"), fused=True, STAGES=STAGES)


def tile_for(rows: int, columns: int, times: int) -> tuple[int, int, int, int]:
    """The large tile, which reads each number half as often, where it keeps the GPU busy and is not mostly empty."""
    full = rows > 64 and columns > 64
    return LARGE if full and cover(rows, 128) * cover(columns, 128) * times >= BUSY else SMALL


def pack(x: Array, kind: Kind, shape: tuple[int, int, int, int], side: str, *, stacked: bool = False) -> Array:
    """``x`` taken as (A, G, R, Q), rounded and turned to (A, Q, G, S): S is R filled up with zeros.

    Of a kind with parts they stand side by side, (A, Q, G, 3 S), or ``stacked``, (3 A, Q, G, S), in the order of a
    ``"Left"`` or a ``"Right"`` factor.
    """
    A, G, R, Q = shape
    S, n = kind.fill(R), kind.parts
    to = namespace(x).empty((n * A, Q, G, S) if stacked else (A, Q, G, n * S), kind.word)
    name = side if n > 1 else f"Whole<{kind.name}>"
    pitch, apart = (S, A * Q * G * S) if stacked else (n * S, S)
    args = (dense(x), to, i4(G), i4(R), i4(Q), i4(S), i4(pitch), i4(apart))
    if to.size:
        PACK(f"mma_pack<{name}>", (cover(Q, 32) * cover(S, 32), G, A), (32, 8), args)
    return to


def _gather(kind: Kind, arrays: tuple[Array | None, ...], epilogue: Any, sizes: dict[str, int]) -> None:
    """One launch of ``mma_conv.cu``, of w, x, y, bias and residual."""
    pixels = sizes["images"] * sizes["places_h"] * sizes["places_w"]
    rows, groups = sizes["rows"], sizes["groups"]
    tile = tile_for(rows, pixels, groups)
    BM, BN, WM, WN = tile
    grid, block = (cover(rows, BM) * cover(pixels, BN), groups), 32 * (BM // WM) * (BN // WN)
    shared = STAGES * 128 * (BM + BN) + 8 * BN
    args = (*arrays, record(LATTICE, **sizes), epilogue)
    CONV(_name("mma_conv", kind, tile), grid, block, args, shared=shared)


LATTICE = (
    "images groups rows channels in_h in_w out_h out_w kernel_h kernel_w places_h places_w first_h first_w "
    "step_h step_w stride_h stride_w from_h from_w by_h by_w taps_h taps_w tap_h tap_w tap_step_h tap_step_w"
)
EPILOGUE = np.dtype([("activation", "i4"), ("residual_first", "i4"), ("slope", "f4")])


def conv2d_fused(
    kind: str,
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "linear",
    slope: float = 0.1,
    order: str = "activation_first",
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """`minidet_kernels.convolution.conv2d_fused`, inputs as ``kind`` says, by one launch of ``mma_conv.cu``."""
    k, (N, _, H, W), (O, Cg, kh, kw) = KINDS[kind], x.shape, w.shape
    oh, ow = out_sizes(x.shape, w.shape, stride, padding, dilation)
    y = namespace(x).empty((N, O, oh, ow), x.dtype)
    maps, filters = pack(x, k, (N, groups, Cg, H * W), "Right"), pack(w, k, (O, 1, Cg, kh * kw), "Left")
    epilogue = np.array((ACTIVATIONS.index(activation), order == "residual_first", f4(slope)), EPILOGUE)[()]
    more = [None if a is None else dense(a) for a in (bias, residual)]
    lattice = [
        Axis(places=n, first=0, step=1, stride=s, start=-p, by=d, taps=t, tap=0, tap_step=1)
        for n, s, p, d, t in zip((oh, ow), pair(stride), pair(padding), pair(dilation), (kh, kw), strict=True)
    ]
    sizes = {"images": N, "groups": groups, "rows": O // groups, "channels": k.parts * k.fill(Cg), "in_h": H, "in_w": W}
    sizes |= {"out_h": oh, "out_w": ow, "kernel_h": kh, "kernel_w": kw}
    _gather(k, (filters, maps, y, *more), epilogue, sizes | axes(*lattice))
    return y


def conv2d_grad_x(
    kind: str,
    g: Array,
    w: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_x`, inputs as ``kind`` says: a launch for each phase of the stride."""
    k, (N, C, H, W), (O, Cg, kh, kw), (oh, ow) = KINDS[kind], shape, w.shape, g.shape[2:]
    gx = namespace(g).empty((N, C, H, W), g.dtype)
    maps = pack(g, k, (N, groups, O // groups, oh * ow), "Right")
    filters = pack(w, k, (groups, 1, O // groups, Cg * kh * kw), "Left")
    sizes = {
        "images": N,
        "groups": groups,
        "rows": Cg,
        "channels": k.parts * k.fill(O // groups),
        "in_h": oh,
        "in_w": ow,
    }
    sizes |= {"out_h": H, "out_w": W, "kernel_h": kh, "kernel_w": kw}
    epilogue = np.zeros((), EPILOGUE)[()]
    phases = [
        [Axis.of_phase(a, *of_axis) for a in range(min(of_axis[0], of_axis[3]))]
        for of_axis in zip(pair(stride), pair(padding), pair(dilation), (H, W), (kh, kw), strict=True)
    ]
    for down in phases[0]:
        for across in phases[1]:
            _gather(k, (filters, maps, gx, None, None), epilogue, sizes | axes(down, across))
    return gx


def conv2d_grad_w(
    kind: str,
    x: Array,
    g: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_w`, inputs as ``kind`` says: shares of the places, added up in order."""
    k, (N, _, H, W), (O, Cg, kh, kw), (oh, ow) = KINDS[kind], x.shape, shape, g.shape[2:]
    gw = namespace(g).empty(tuple(shape), g.dtype)
    maps = pack(x, k, (N, groups, Cg, H * W), "Right", stacked=True)
    upstream = pack(g, k, (N, groups, O // groups, oh * ow), "Left", stacked=True)
    rows, channels, places = O // groups, k.fill(Cg), k.parts * N * oh * ow  # parts as if they were more images
    columns = kh * kw * channels
    if not gw.size:
        return gw
    tile = tile_for(rows, columns, groups * cover(places, 1024))
    BM, BN, WM, WN = tile
    blocks = cover(rows, BM) * cover(columns, BN)
    # Enough shares to keep the GPU busy, none of less than 8 tiles: what a share costs is to be written and read again.
    tiles = cover(places, k.terms)
    each = max(8, cover(tiles, max(1, BUSY // (blocks * groups))))
    shares = cover(tiles, each)
    parts = namespace(g).empty((max(1, shares), O, kh * kw, channels), g.dtype)
    sizes = {"places": places, "groups": groups, "rows": rows, "filters": k.fill(rows), "channels": channels}
    sizes |= {"H": H, "W": W, "oh": oh, "ow": ow, "kernel_h": kh, "kernel_w": kw}
    for name, value in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        sizes[f"{name}_h"], sizes[f"{name}_w"] = pair(value)
    sizes |= {"tiles_of_share": each, **division("by_image", oh * ow), **division("by_row", ow)}
    shared = STAGES * k.terms * (BM + BN) * np.dtype(k.word).itemsize
    args = (upstream, maps, parts, record(" ".join(sizes), **sizes))
    GRAD_W(_name("mma_grad_w", k, tile), (blocks, groups, shares), 32 * (BM // WM) * (BN // WN), args, shared=shared)
    last = (parts, gw, i4(shares), i4(O), i4(Cg), i4(channels), i4(kh * kw))
    GRAD_W("mma_grad_w_sum", cover(prod(shape), 256), 256, last)
    return gw
