"""Launchers of the overlap room's CUDA kernels: matrices and pairs."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, f4, i4, too_large
from .check import EMPTY

TILE, ROWS = 128, 16
IOU = Source(__file__, "iou_matrix.cu", TILE=TILE, ROWS=ROWS)

STRIPE, THREADS = 16, 128
KINDS = ("IOU", "GIOU", "DIOU", "CIOU", "CROWD")  # by the numbers of family.cuh
TYPES, WIDE = {"f": "float", "d": "double"}, ("true", "false")
MATRIX = Source(
    __file__,
    "family_matrix.cu",
    instances=(
        *(f"box_angles<{of}>" for of in TYPES.values()),
        *(
            f"family_matrix<{of}, {kind}, {wide}>"
            for of in TYPES.values()
            for kind in KINDS
            for wide in ("true", "false")
        ),
    ),
    STRIPE=STRIPE,
    THREADS=THREADS,
)
PAIRS = Source(
    __file__,
    "family_pairs.cu",
    instances=[f"family_pairs<{of}, {kind}>" for of in TYPES.values() for kind in KINDS if kind != "CROWD"],
)


def takes_iou(a: Array, b: Array, *, out: Array | None = None, **_: str) -> str | None:
    """Why ``iou_matrix.cu`` refuses these boxes, or ``None``."""
    if a.dtype.char != "f":
        return f"takes float32 boxes, not {a.dtype}"
    if cover(len(a), ROWS) > 65535:
        return f"takes up to {65535 * ROWS} boxes a, not {len(a)}"
    return takes_matrix(a, b, out=out)


def takes_matrix(a: Array, b: Array, *_: Array, out: Array | None = None, **__: str) -> str | None:
    """Why ``family_matrix.cu`` refuses these boxes, or ``None``."""
    if out is not None and not out.flags.c_contiguous:
        return "takes a contiguous out, not a view"
    if cover(len(b), THREADS * 16 // b.itemsize) > 65535:
        return f"takes up to {65535 * THREADS * 16 // b.itemsize} boxes b, not {len(b)}"
    return too_large(a=a.size, b=b.size)


def takes_pairs(a: Array, b: Array, **_: str) -> str | None:
    """Why ``family_pairs.cu`` refuses these boxes, or ``None``."""
    return too_large(a=a.size)


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.iou_matrix` by ``iou_matrix.cu``: bitwise the definition."""
    m, n = len(a), len(b)
    made = namespace(a).empty((m, n), a.dtype) if out is None else out
    args = (dense(a, 16), dense(b, 16), made, i4(m), i4(n), f4(width == "inclusive"), f4(EMPTY[empty]))
    IOU("iou_matrix", (cover(n, TILE), cover(m, ROWS)), TILE, args)
    return made


def _matrix(
    kind: str, a: Array, b: Array, width: str, empty: str, *, out: Array | None = None, crowd: Array | None = None
) -> Array:
    xp, m, n, of, each = namespace(a), len(a), len(b), TYPES[a.dtype.char], 16 // a.itemsize
    a, b, pixel, angles = dense(a, 16), dense(b, 16), a.dtype.type(width == "inclusive"), None
    made: Any = xp.empty((m, n), a.dtype) if out is None else out
    if not made.size:
        return made
    if kind == "CIOU":
        angles = xp.empty(m + n, a.dtype)
        for boxes, part in ((a, angles[:m]), (b, angles[m:])):
            args = (boxes, part, i4(len(boxes)), pixel)
            MATRIX(f"box_angles<{of}>", cover(len(boxes), THREADS), THREADS, args)
    wide = "true" if n % each == 0 and made.data.ptr % 16 == 0 else "false"
    numbers = (i4(m), i4(n), pixel, a.dtype.type(EMPTY[empty]))
    threads = min(THREADS, 32 * cover(n, 32 * each))
    grid = cover(m, STRIPE), cover(n, threads * each)
    MATRIX(f"family_matrix<{of}, {kind}, {wide}>", grid, threads, (a, b, angles, crowd, made, *numbers))
    return made


def iou_matrix_wide(
    a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero"
) -> Array:
    """`minidet_kernels.iou_matrix` by ``family_matrix.cu``: bitwise the definition."""
    return _matrix("IOU", a, b, width, empty, out=out)


def giou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.giou_matrix`: bitwise the definition."""
    return _matrix("GIOU", a, b, width, empty)


def diou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.diou_matrix`: bitwise the definition."""
    return _matrix("DIOU", a, b, width, empty)


def ciou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.ciou_matrix`: the definition's but for the last digit of an arc tangent."""
    return _matrix("CIOU", a, b, width, empty)


def crowd_iou_matrix(a: Array, b: Array, crowd: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.crowd_iou_matrix`: bitwise the definition."""
    return _matrix("CROWD", a, b, width, empty, crowd=dense(crowd, 1))


def _pairs(kind: str, a: Array, b: Array, width: str, empty: str) -> Array:
    made, of = namespace(a).empty(len(a), a.dtype), a.dtype.type
    args: tuple[Any, ...] = (dense(a, 16), dense(b, 16), made, i4(len(a)), of(width == "inclusive"), of(EMPTY[empty]))
    PAIRS(f"family_pairs<{TYPES[a.dtype.char]}, {kind}>", cover(len(a), 256), 256, args)
    return made


def iou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.iou_pairs`: bitwise the definition."""
    return _pairs("IOU", a, b, width, empty)


def giou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.giou_pairs`: bitwise the definition."""
    return _pairs("GIOU", a, b, width, empty)


def diou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.diou_pairs`: bitwise the definition."""
    return _pairs("DIOU", a, b, width, empty)


def ciou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.ciou_pairs`: the definition's but for the last digit of an arc tangent."""
    return _pairs("CIOU", a, b, width, empty)
