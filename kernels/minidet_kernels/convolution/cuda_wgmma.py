"""Launcher of the convolution for Hopper, by ``wgmma`` and copies of the tensor memory accelerator, in bf16.

It has never run on a GPU: on the CPU it is right, where the machinery is emulated, and for a GPU it is compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, f4
from . import cuda_wgmma_maps as maps  # what makes tensor maps; tests put the emulation's in its place
from .cuda_mma import EPILOGUE, KINDS, pack
from .cuda_mma_sizes import record
from .fused import ACTIVATIONS
from .geometry import IntOrPair, out_sizes, pair

STAGES, TILE, BLOCK = 4, 128, 384
WGMMA = Source(__file__, "wgmma_bf16.cu", fused=True, STAGES=STAGES)


def conv2d_fused(
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
    """`minidet_kernels.convolution.conv2d_fused` by ``wgmma_bf16.cu``: one group, and see ``takes_wgmma``."""
    kind, (N, C, H, W), (O, _, kh, kw) = KINDS["bf16"], x.shape, w.shape
    (oh, ow), (sh, sw), (ph, pw) = out_sizes(x.shape, w.shape, stride, padding, dilation), pair(stride), pair(padding)
    y = namespace(x).empty((N, O, oh, ow), x.dtype)
    packed: Any = pack(x, kind, (N, 1, C, H * W))
    filters: Any = pack(w, kind, (O, 1, C, kh * kw))
    S = kind.fill(C)
    # The pixels under the first tap: from -padding on, in steps, as many as there are outputs.
    low, high = (-pw, -ph), ((ow - 1) * sw - pw - (W - 1), (oh - 1) * sh - ph - (H - 1))
    of_w = maps.tiled(filters.data.ptr, 2, (S, kh * kw, O), (2 * S, 2 * S * kh * kw), (64, 1, TILE))
    of_x = maps.windows(
        packed.data.ptr, 2, (S, W, H, N), (2 * S, 2 * S * W, 2 * S * W * H), low, high, 64, TILE, (sw, sh)
    )
    sizes: dict[str, int] = {
        "images": N,
        "filters": O,
        "channels": S,
        "oh": oh,
        "ow": ow,
        "kernel_h": kh,
        "kernel_w": kw,
    }
    for name, value in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        sizes[f"{name}_h"], sizes[f"{name}_w"] = pair(value)
    epilogue = np.array((ACTIVATIONS.index(activation), order == "residual_first", f4(slope)), EPILOGUE)[()]
    more = [None if a is None else dense(a) for a in (bias, residual)]
    args = (of_w, of_x, y, *more, record(" ".join(sizes), **sizes), epilogue)
    blocks = cover(O, TILE) * cover(N * oh * ow, TILE)
    WGMMA("conv2d_wgmma", blocks, BLOCK, args, shared=STAGES * (2 * TILE * 128 + 16) + 8 * TILE)
    return y


def conv2d(x: Array, w: Array, bias: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``wgmma_bf16.cu``."""
    return conv2d_fused(x, w, bias, **options)
