"""Launchers of the gradient of maxima over regions, ``runs.cu``."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4

WARPS, BYTES = 4, 8192
C = {"f": "float", "d": "double"}
INDEX = {"i": "int", "l": "long long"}
RUNS = Source(
    __file__,
    "runs.cu",
    WARPS=WARPS,
    BYTES=BYTES,
    instances=[f"runs_boxes<{i}>" for i in INDEX.values()]
    + [f"runs_back<{t}, {i}>" for t in C.values() for i in INDEX.values()],
)


def back(by: Source, g: Array, index: Array, regions: Array, shape: Sequence[int]) -> Array:
    """Send the entries ``g`` (K, C, L) to elements ``index`` (K, C, L), -1 for none, of maps of ``shape`` (N, C, H, W).

    ``regions`` (K, 5) float64 begin with their images.  Sums are in the dtype of ``g``, in the order of the entries.
    """
    xp, (N, c, H, W), (K, _, L) = namespace(g), map(int, shape), g.shape
    gx, boxes, index = xp.empty((N, c, H, W), g.dtype), xp.empty((c, K, 4), xp.int32), dense(index, 8)
    width = min(W, 64)
    height = min(BYTES // g.itemsize // width, H)
    down, across = cover(H, height), cover(W, width)
    entries, block = INDEX[index.dtype.char], (32, WARPS)
    by(f"runs_boxes<{entries}>", cover(K * c, WARPS), block, (index, boxes, i4(K), i4(c), i4(L), i4(W)))
    sizes = map(i4, (N, K, c, H, W, L, height, width, down, across))
    args = (dense(g), index, boxes, regions, gx, *sizes)
    by(f"runs_back<{C[g.dtype.char]}, {entries}>", cover(N * c * down * across, WARPS), block, args)
    return gx
