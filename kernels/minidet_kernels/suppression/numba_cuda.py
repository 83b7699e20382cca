"""NMS in Numba CUDA: the mask is the readable twin of ``nms_mask.cu``, and one block settles who stays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, uint64

from ..arrays import Array, namespace
from ..cuda import cover, f4
from ..cuda.numba_cuda import cuda, launch
from ..overlap.check import EMPTY
from ..overlap.numba_cuda import iou

WORD = 64  # boxes of a word of the mask, and threads of a block


@cuda.jit
def _mask(boxes: Any, mask: Any, threshold: Any, inclusive: Any, pixel: Any, empty: Any) -> None:
    """Bit k of ``mask[i, w]``: box i drops box 64 w + k, which comes after it, were it kept itself."""
    others = cuda.shared.array((WORD, 4), float32)
    n, t, first = boxes.shape[0], cuda.threadIdx.x, cuda.blockIdx.x * WORD
    if first + t < n:
        for part in range(4):
            others[t, part] = boxes[first + t, part]
    cuda.syncthreads()
    row = cuda.blockIdx.y * WORD + t
    if row >= n:
        return
    bits = uint64(0)
    for k in range(WORD):
        if row < first + k < n:
            overlap = iou(boxes[row], others[k], pixel, empty)
            if overlap > threshold or (inclusive and overlap == threshold):
                bits |= uint64(1) << uint64(k)
    mask[row, cuda.blockIdx.x] = bits


@cuda.jit
def _settle(mask: Any, kept: Any) -> None:
    """From the best box on: one that nobody dropped stays, and drops whom its row names.  One block."""
    dropped = cuda.shared.array(0, uint64)  # as many words as were asked for at the launch
    words = mask.shape[1]
    for w in range(cuda.threadIdx.x, words, cuda.blockDim.x):
        dropped[w] = uint64(0)
    cuda.syncthreads()
    for i in range(mask.shape[0]):
        stays = (dropped[i // WORD] >> uint64(i % WORD)) & uint64(1) == uint64(0)
        cuda.syncthreads()  # everybody has read before anybody writes
        if stays:
            for w in range(cuda.threadIdx.x, words, cuda.blockDim.x):
                dropped[w] |= mask[i, w]
        if cuda.threadIdx.x == 0:
            kept[i] = stays
        cuda.syncthreads()


def nms(
    boxes: Array,
    scores: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.nms``."""
    xp, n, words = namespace(boxes), len(boxes), cover(len(boxes), WORD)
    # Two keys, since CuPy's argsort has no stable kind: the lower index first among equal scores.
    order = xp.lexsort(xp.stack([xp.arange(n, dtype=xp.float64), -scores.astype(xp.float64)]))
    mask, kept = xp.empty((n, words), np.uint64), xp.zeros(n, xp.bool_)
    options = (f4(threshold), np.int32(compare == "inclusive"), f4(width == "inclusive"), f4(EMPTY[empty]))
    launch(_mask, (words, words), WORD, (boxes[order], mask, *options))
    launch(_settle, min(n, 1), min(words, 1024), (mask, kept), shared=8 * words)
    return order[kept].astype(xp.int64)
