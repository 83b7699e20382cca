"""Launcher of the convolution for Hopper, by ``wgmma`` and copies of the tensor memory accelerator, in bf16.

It has never run on a GPU: on the CPU it is right, where the machinery is emulated, and for a GPU it is compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, f4
from . import cuda_wgmma_maps as maps  # what makes tensor maps; tests put the emulation's in its place
from .check import Shape
from .cuda_mma import EPILOGUE, KINDS, pack
from .cuda_mma_sizes import record
from .fused import ACTIVATIONS
from .geometry import IntOrPair, out_sizes, pair

STAGES, ROWS, BLOCK = 4, 128, 384
WGMMA = Source(
    __file__, "wgmma_bf16.cu", instances=[f"conv2d_wgmma<{n}>" for n in (128, 256)], fused=True, STAGES=STAGES
)


def places_for(filters: int, places: int) -> int:
    """The places of a block: 256, which need fewer bytes for a product, where that keeps 132 processors busy."""
    return 256 if cover(filters, ROWS) * cover(places, 256) >= 132 else 128


def address(x: Any) -> int:
    """Where an array on the device begins."""
    return int(x.data.ptr)


def windows_of(x: Array, out: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], pixels: int) -> Any:
    """The tensor map of what lies under the taps: so many pixels of 64 channels of ``x`` (N, H, W, 1, S), packed.

    Under the first tap: from -padding on, in steps, as many as there are outputs, ``out`` in a picture.
    """
    (N, H, W, _, S), (oh, ow), (sh, sw), (ph, pw) = x.shape, out, stride, padding
    low, high = (-pw, -ph), ((ow - 1) * sw - pw - (W - 1), (oh - 1) * sh - ph - (H - 1))
    strides = (2 * S, 2 * S * W, 2 * S * W * H)
    return maps.windows(address(x), 2, (S, W, H, N), strides, low, high, 64, pixels, (sw, sh))


def _launch(
    x: Array,
    w: Array,
    y: Array,
    more: list[Array | None],
    epilogue: Any,
    taps: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    turned: bool,
) -> None:
    """``x`` (N, H, W, 1, S) and ``w`` (O, kh kw, 1, S), packed, to ``y`` (N, O, oh, ow); a padding may be negative."""
    (N, O, oh, ow), (kh, kw), S = y.shape, taps, x.shape[-1]
    BN = places_for(O, N * oh * ow)
    of_w = maps.tiled(address(w), 2, (S, kh * kw, O), (2 * S, 2 * S * kh * kw), (64, 1, ROWS))
    of_x = windows_of(x, (oh, ow), stride, padding, BN)
    sizes = {"images": N, "filters": O, "channels": S, "oh": oh, "ow": ow, "kernel_h": kh, "kernel_w": kw}
    for name, (down, across) in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        sizes |= {f"{name}_h": down, f"{name}_w": across}
    sizes["turned"] = int(turned)
    args = (of_w, of_x, y, *more, record(" ".join(sizes), **sizes), epilogue)
    blocks = cover(O, ROWS) * cover(N * oh * ow, BN)
    WGMMA(f"conv2d_wgmma<{BN}>", blocks, BLOCK, args, shared=STAGES * (128 * (ROWS + BN) + 16) + 8 * BN)


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
    y = namespace(x).empty((N, O, *out_sizes(x.shape, w.shape, stride, padding, dilation)), x.dtype)
    packed = pack(x, kind, (N, 1, C, H * W), "Right").reshape(N, H, W, 1, -1)
    filters = pack(w, kind, (O, 1, C, kh * kw), "Left")
    epilogue = np.array((ACTIVATIONS.index(activation), order == "residual_first", f4(slope)), EPILOGUE)[()]
    more = [None if a is None else dense(a) for a in (bias, residual)]
    _launch(packed, filters, y, more, epilogue, (kh, kw), pair(stride), pair(padding), pair(dilation), False)
    return y


def conv2d(x: Array, w: Array, bias: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``wgmma_bf16.cu``."""
    return conv2d_fused(x, w, bias, **options)


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
    """`minidet_kernels.convolution.conv2d_grad_x` of stride 1: the convolution of ``g`` by the filters turned around.

    ``gx[a] = sum over u of g[a + p - u d] w[u]``, which with ``u = k - 1 - t`` reads from ``a - (d (k - 1) - p)`` on.
    """
    kind, (N, O, oh, ow), (_, C, kh, kw) = KINDS["bf16"], g.shape, w.shape
    gx = namespace(g).empty(tuple(shape), g.dtype)
    packed = pack(g, kind, (N, 1, O, oh * ow), "Right").reshape(N, oh, ow, 1, -1)
    filters = pack(w, kind, (1, 1, O, C * kh * kw), "Left").reshape(C, kh * kw, 1, -1)
    down, across = (d * (k - 1) - p for k, d, p in zip((kh, kw), pair(dilation), pair(padding), strict=True))
    plain = np.zeros((), EPILOGUE)[()]
    _launch(packed, filters, gx, [None, None], plain, (kh, kw), (1, 1), (down, across), pair(dilation), True)
    return gx
