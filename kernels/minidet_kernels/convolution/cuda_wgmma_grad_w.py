"""Launcher of the gradient of the filters for Hopper, in bf16: ``wgmma``, and the tensor memory accelerator's copies.

It has never run on a GPU: on the CPU it is right, where the machinery is emulated, and for a GPU it is compiled.
"""

from __future__ import annotations

from math import prod

from ..arrays import Array, namespace
from ..cuda import Source, cover, i4
from . import cuda_wgmma
from .check import Shape
from .cuda_mma import GRAD_W, KINDS, pack
from .cuda_mma_sizes import record
from .cuda_wgmma import BLOCK, STAGES, address
from .geometry import IntOrPair, pair

#: Terms of a tile, and the filters or channels that a copy brings of each.
TERMS = PIECE = 64
#: What the shares are dealt out to: the processors of an H200, on any GPU, so that the bits are the same.
PROCESSORS = 132
#: What a share costs beside its tiles, in tiles: its sums, 128 KB, are written and read again, by each processor with a
#: 132nd of 4.3 TB/s, which is 8 us, or 13 tiles of 1024 clocks; and it begins with nothing to do.
COST = 16
#: The most shares of all blocks together, which bounds the memory for their sums to 69 MB unless the filters need more.
MOST = 4 * PROCESSORS
#: A block's filters and columns.
FEW, NARROW, WIDE = (64, 256), (128, 128), (128, 256)
WGMMA_GRAD_W = Source(
    __file__,
    "wgmma_grad_w.cu",
    instances=[f"conv2d_grad_w_wgmma<{m}, {n}>" for m, n in (FEW, NARROW, WIDE)],
    fused=True,
    STAGES=STAGES,
)


def tile_for(filters: int, pieces: int) -> tuple[int, int]:
    """A block's filters and columns: 256 columns need fewer bytes for a product, unless more of them are empty."""
    if filters <= FEW[0]:
        return FEW
    return WIDE if 8 * 4 * cover(pieces, 4) <= 9 * 2 * cover(pieces, 2) else NARROW


def tiles_of_share(blocks: int, tiles: int) -> int:
    """How many tiles of terms a share takes, so that the busiest processor is done first; of equals the most."""

    def time(shares: int) -> int:
        return cover(blocks * shares, PROCESSORS) * (cover(tiles, shares) + COST)

    return cover(tiles, min(range(1, min(tiles, max(1, MOST // blocks)) + 1), key=time))


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
    """`minidet_kernels.convolution.conv2d_grad_w` by ``wgmma_grad_w.cu``: one group; see ``takes_wgmma_grad_w``."""
    kind, (N, C, H, W), (O, _, kh, kw), (oh, ow) = KINDS["bf16"], x.shape, shape, g.shape[2:]
    empty, places = namespace(g).empty, N * oh * ow
    gw = empty(tuple(shape), g.dtype)
    packed = pack(x, kind, (N, 1, C, H * W), "Right").reshape(N, H, W, 1, -1)
    upstream = pack(g, kind, (N, 1, O, oh * ow), "Left")
    S, So = packed.shape[-1], upstream.shape[-1]
    BM, BN = tile_for(O, pieces := kh * kw * cover(S, PIECE))
    blocks, tiles = cover(O, BM) * cover(pieces, BN // PIECE), cover(places, TERMS)
    shares = cover(tiles, each := tiles_of_share(blocks, tiles))
    parts = empty((shares, O, kh * kw, S), g.dtype)
    of_g = cuda_wgmma.maps.tiled(address(upstream), 2, (So, places, 1), (2 * So, 2 * So * places), (PIECE, TERMS, 1))
    of_x = cuda_wgmma.windows_of(packed, (oh, ow), pair(stride), pair(padding), TERMS)
    sizes = {"places": places, "filters": O, "channels": S, "oh": oh, "ow": ow, "kernel_h": kh, "kernel_w": kw}
    for name, value in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        sizes[f"{name}_h"], sizes[f"{name}_w"] = pair(value)
    sizes["tiles_of_share"] = each
    args, shared = (of_g, of_x, parts, record(" ".join(sizes), **sizes)), STAGES * (128 * (BM + BN) + 16)
    WGMMA_GRAD_W(f"conv2d_grad_w_wgmma<{BM}, {BN}>", (blocks, shares), BLOCK, args, shared=shared)
    last = (parts, gw, i4(shares), i4(O), i4(C), i4(S), i4(kh * kw))
    GRAD_W("mma_grad_w_sum", cover(prod(shape), 256), 256, last)
    return gw
