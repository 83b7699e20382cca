"""Launchers of the kernels that lower scores: ``soft.cu`` and ``matrix.cu``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, f4, i4, too_large
from ..overlap.check import EMPTY
from .check import KERNELS
from .cuda_batched import numbered, takes
from .cuda_order import in_order, listed

SOFT_THREADS, MATRIX_THREADS = 256, 128
SOFT = Source(__file__, "soft.cu", THREADS=SOFT_THREADS)
MATRIX = Source(
    __file__,
    "matrix.cu",
    instances=(
        *(f"matrix_most<{given}>" for given in ("false", "true")),
        *(f"matrix_lower<{given}, {gaussian}>" for given in ("false", "true") for gaussian in ("false", "true")),
    ),
    THREADS=MATRIX_THREADS,
)
#: ``soft.cu``'s Softly; ``decay`` counts KERNELS.
SOFTLY = np.dtype(
    [
        *((name, "f4") for name in ("threshold", "pixel", "empty", "floor")),
        ("inclusive", "?"), ("at_floor", "?"), ("decay", "i4"), ("most", "i4"), ("by", "f8"),
    ],
    align=True,
)  # fmt: skip


def soft_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    kernel: str = "gaussian",
    sigma: float = 0.5,
    spread: str = "sigma",
    threshold: float = 0.3,
    floor: float = 0.001,
    at_floor: str = "dropped",
    most: int | None = None,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> tuple[Array, Array]:
    """As ``minidet_kernels.soft_nms``: an exponential may differ in a double's last digit, and is then rounded once."""
    xp, n = namespace(boxes), len(boxes)
    chosen = n if most is None else min(n, int(most))
    if not n or not chosen:
        return xp.zeros(0, xp.int64), xp.zeros(0, scores.dtype)
    number, many = numbered(classes)
    found = in_order(boxes, scores, number, classes_of=many, with_scores=True)
    numbers = threshold, width == "inclusive", EMPTY[empty], floor, compare == "inclusive", at_floor == "kept"
    by = float(sigma) * (2 if spread == "two_sigma" else 1)
    rule = np.array((*numbers, KERNELS.index(kernel), chosen, by), SOFTLY)[()]
    lowered = xp.empty(n, scores.dtype)
    args = (found.keys, dense(boxes, 16), found.boxes, found.starts, found.scores, found.kept, lowered)
    SOFT("soft", many, SOFT_THREADS, (*args, i4(found.index_bits), rule))
    kept, count = listed(found, chosen, scores=lowered)
    taken = kept[0, : int(count[0])]
    return taken, lowered[taken]


def _matrix(
    boxes: Array | None,
    given: Array | None,
    scores: Array,
    classes: Array | None,
    kernel: str,
    sigma: float,
    *numbers: Any,
) -> Array:
    xp, n = namespace(scores), len(scores)
    out = xp.empty(n, scores.dtype)
    if not n:
        return out
    number, many = numbered(classes)
    found = in_order(boxes, scores, number, classes_of=many)
    what, gaussian = "false" if given is None else "true", "true" if kernel == "gaussian" else "false"
    most, grid = xp.empty(n, scores.dtype), cover(n, MATRIX_THREADS)
    pairs, sizes = (found.keys, found.boxes, given, found.starts), (i4(n), i4(many), i4(found.index_bits), *numbers)
    MATRIX(f"matrix_most<{what}>", grid, MATRIX_THREADS, (*pairs, most, *sizes))
    args = (*pairs, most, dense(scores), out, *sizes, np.float64(sigma))
    MATRIX(f"matrix_lower<{what}, {gaussian}>", grid, MATRIX_THREADS, args)
    return out


def matrix_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    kernel: str = "gaussian",
    sigma: float = 0.5,
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.matrix_nms``: a factor may differ in the last digit of an exponential in double."""
    return _matrix(boxes, None, scores, classes, kernel, sigma, f4(width == "inclusive"), f4(EMPTY[empty]))


def takes_matrix(iou: Array, scores: Array, classes: Array | None = None, **_: Any) -> str | None:
    """Why the kernel refuses these overlaps, or ``None``."""
    return takes(iou, scores, classes) or too_large(scores=scores.size)


def matrix_nms_of(
    iou: Array, scores: Array, classes: Array | None = None, *, kernel: str = "gaussian", sigma: float = 0.5
) -> Array:
    """As ``minidet_kernels.matrix_nms_of``: a factor may differ in the last digit of an exponential in double."""
    return _matrix(None, dense(iou), scores, classes, kernel, sigma, f4(0), f4(0))
