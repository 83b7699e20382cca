"""Suppression within classes and images on the device: ``padded`` never waits, and fits into a CUDA graph.

The operators of the table that treat each class by itself stand on it; they wait once, to know how many are kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, i4, too_large
from .cuda import rule_of, takes_floats
from .cuda_order import InOrder, in_order, listed, no_room

GREEDY_THREADS, FAST_THREADS = 256, 128
GREEDY = Source(__file__, "greedy.cu", instances=("greedy<false>", "greedy<true>"), THREADS=GREEDY_THREADS)
FAST = Source(__file__, "fast.cu", THREADS=FAST_THREADS)
#: Classes in a range no wider than this are counted from the lowest; others are looked up.
FEW = 1024


def padded(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    images: Array | None = None,
    *,
    threshold: float,
    most: int,
    number_of_classes: int = 1,
    number_of_images: int = 1,
    floor: float = -float("inf"),
    beta: float | None = None,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> tuple[Array, Array]:
    """``batched_nms`` of several images, without waiting for the device: ``kept`` and ``count``.

    Takes CuPy's arrays: ``boxes`` (n, 4) and ``scores`` (n,), float32, of all images together; ``classes`` and
    ``images`` (n,), integers, say whose each is: 0 .. ``number_of_classes`` - 1 and 0 .. ``number_of_images`` - 1;
    without them, 0.  Returns ``kept`` (number_of_images, most), int64, indices of boxes: of each image the best
    ``most`` of those kept, best score first, ties by lower index, and -1 beyond the last; and ``count``
    (number_of_images,), int32.

    A box is left out when its score is below ``floor`` or NaN, or its class or image is none of those numbered: so a
    buffer of fixed size may hold fewer boxes.  NaN coordinates are not looked for: such a box drops none and is dropped
    by none.  The other options are ``batched_nms``'s; with ``beta`` it is ``diou_nms``.

    All sizes follow from the arguments, and nothing is copied to the host: the launches may be captured in a CUDA
    graph, after one call outside of it that compiles the kernels.  A replayed graph writes where its arrays were, so
    capture it with a memory pool of its own that lives as long as the graph does (``cupy.cuda.using_allocator``).

    Raises ``TypeError`` for other dtypes, ``ValueError`` for a wrong shape, or when classes and images are too many for
    keys of 64 bits: their bits, those of the greatest index, and 32 for the score.
    """
    n, segments = len(boxes), number_of_classes * number_of_images
    if why := takes_floats(boxes, scores):
        raise TypeError(f"padded: {why}")
    shapes = {"scores": scores, "classes": classes, "images": images}
    if boxes.shape != (n, 4) or any(x is not None and x.shape != (n,) for x in shapes.values()):
        given = ", ".join(f"{name} {x.shape}" for name, x in shapes.items() if x is not None)
        raise ValueError(f"padded: boxes must have shape (n, 4) and the rest (n,), not {boxes.shape}, {given}")
    if most < 0 or number_of_classes < 1 or number_of_images < 1:
        raise ValueError(
            f"padded: {most} of {number_of_classes} classes in {number_of_images} images: count from 0, 1, 1"
        )
    if why := too_large(boxes=boxes.size) or no_room(n, segments):
        raise ValueError(f"padded {why}")
    if not n:
        xp = namespace(boxes)
        return xp.full((number_of_images, most), -1, xp.int64), xp.zeros(number_of_images, xp.int32)
    found = in_order(
        boxes, scores, classes, images, classes_of=number_of_classes, images_of=number_of_images, floor=floor
    )
    _greedy(found, rule_of(threshold, compare, width, empty, 0.0 if beta is None else beta), beta is not None)
    return listed(found, most)


def _greedy(found: InOrder, rule: Any, distant: bool) -> None:
    kernel = f"greedy<{'true' if distant else 'false'}>"
    GREEDY(kernel, found.segments, GREEDY_THREADS, (found.boxes, found.starts, found.kept, rule))


def numbered(classes: Array | None) -> tuple[Array | None, int]:
    """Classes, any integers, counted from 0, and how many there are; waits for the device."""
    if classes is None:
        return None, 1
    low, high = (int(classes.min()), int(classes.max())) if len(classes) else (0, 0)
    if high - low < FEW:  # a class without boxes costs a block that does nothing
        wide = (
            classes if classes.dtype == np.uint64 else classes.astype(np.int64, copy=False)
        )  # int8: 127 - -128 is no int8
        return (wide - wide.dtype.type(low)).astype(np.int64, copy=False), high - low + 1
    known, number = namespace(classes).unique(classes, return_inverse=True)
    return number.ravel(), max(1, len(known))


def takes(boxes: Array, scores: Array, classes: Array | None = None, **_: Any) -> str | None:
    """Why the kernels refuse these boxes, or ``None``."""
    n = len(boxes)
    if no_room(n, n) and classes is not None and (why := no_room(n, numbered(classes)[1])):
        return why
    return takes_floats(boxes, scores) or too_large(boxes=boxes.size)


def _kept(boxes: Array, scores: Array, classes: Array | None, **options: Any) -> Array:
    number, many = numbered(classes)
    kept, count = padded(boxes, scores, number, most=len(boxes), number_of_classes=many, **options)
    return kept[0, : int(count[0])]


def batched_nms(boxes: Array, scores: Array, classes: Array, **options: Any) -> Array:
    """As ``minidet_kernels.batched_nms``."""
    return _kept(boxes, scores, classes, **options)


def diou_nms(boxes: Array, scores: Array, classes: Array | None = None, *, beta: float = 1.0, **options: Any) -> Array:
    """As ``minidet_kernels.diou_nms``: a power other than 1 may differ in the last digit of a double, rounded once."""
    return _kept(boxes, scores, classes, beta=float(beta), **options)


def fast_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.fast_nms``."""
    xp, n = namespace(boxes), len(boxes)
    if not n:
        return xp.zeros(0, xp.int64)
    number, many = numbered(classes)
    found = in_order(boxes, scores, number, classes_of=many)
    rule = rule_of(threshold, compare, width, empty)
    args = (found.keys, found.boxes, found.starts, found.kept, i4(n), i4(many), i4(found.index_bits), rule)
    FAST("fast", cover(n, FAST_THREADS), FAST_THREADS, args)
    kept, count = listed(found, n)
    return kept[0, : int(count[0])]
