"""Launchers of ``order.cu`` and ``sort.cu``: boxes in the order of one key of 64 bits, and who is kept, listed.

Nothing here waits for the device, and no size depends on what is found there: all of it may be part of a CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, f4, i4

CHUNK = 4096
ORDER = Source(__file__, "order.cu")
SORT = Source(__file__, "sort.cu", CHUNK=CHUNK)


@dataclass(frozen=True)
class InOrder:
    """Boxes in the order of their ``keys`` (n,).

    ``boxes`` (n, 4) and ``scores`` (n,), if asked for; where each segment ``starts`` (segments + 1,); ``kept`` (n,),
    which begins as 1 for all that are not left out.
    """

    keys: Array
    boxes: Array | None
    scores: Array | None
    starts: Array
    kept: Array
    segments: int
    classes: int
    index_bits: int


def bits_of_index(n: int) -> int:
    """How many bits an index below ``n`` takes."""
    return max(1, (n - 1).bit_length())


def no_room(n: int, segments: int) -> str | None:
    """Why the keys of ``n`` boxes in so many segments do not fit into 64 bits, or ``None``."""
    if segments.bit_length() + 32 + bits_of_index(n) <= 64:
        return None
    return f"sorts by keys of 64 bits, which do not hold {segments} classes beside {n} boxes"


def sort(keys: Array) -> Array:
    """The keys (n,), uint64, in ascending order; ``keys`` is used up."""
    n = len(keys)
    chunk = min(CHUNK, 1 << max(1, (n - 1).bit_length()))
    SORT("sort_chunks", cover(n, chunk), min(1024, max(32, chunk // 2)), (keys, i4(n), i4(chunk)))
    other = namespace(keys).empty_like(keys) if n > chunk else keys
    while chunk < n:
        SORT("sort_merge", cover(n, 256), 256, (keys, other, i4(n), i4(chunk)))
        keys, other, chunk = other, keys, 2 * chunk
    return keys


def in_order(
    boxes: Array | None,
    scores: Array,
    classes: Array | None = None,
    images: Array | None = None,
    *,
    classes_of: int = 1,
    images_of: int = 1,
    floor: float = -float("inf"),
    with_scores: bool = False,
) -> InOrder:
    """Boxes (n, 4), float32, by image, class, score, index; ``classes`` and ``images`` (n,) count from 0."""
    xp, n, segments = namespace(scores), len(scores), classes_of * images_of
    bits, scores = bits_of_index(n), dense(scores)
    keys, grid = xp.empty(n, xp.uint64), cover(n, 256)
    groups = (None if x is None else dense(x.astype(xp.int64, copy=False), 8) for x in (classes, images))
    numbers = (i4(n), i4(classes_of), i4(images_of), f4(floor), i4(bits))
    ORDER("make_keys", grid, 256, (scores, *groups, keys, *numbers))
    keys = sort(keys)
    kept, starts = xp.empty(n, xp.uint8), xp.empty(segments + 1, xp.int32)
    source, placed = (None, None) if boxes is None else (dense(boxes, 16), xp.empty((n, 4), boxes.dtype))
    given, made = (scores, xp.empty(n, scores.dtype)) if with_scores else (None, None)
    args = (keys, source, given, placed, made, kept, starts, i4(n), i4(segments), i4(bits))
    ORDER("in_order", cover(max(n, segments + 1), 256), 256, args)
    return InOrder(keys, placed, made, starts, kept, segments, classes_of, bits)


def listed(found: InOrder, most: int, *, scores: Array | None = None) -> tuple[Array, Array]:
    """The indices of the kept, best first: (images, most), int64, -1 beyond the last; and their numbers, int32.

    The best by their scores, or by ``scores`` (n,), in the order of the boxes.
    """
    xp, n, images = namespace(found.keys), len(found.keys), found.segments // found.classes
    keys = xp.empty(n, xp.uint64)
    numbers = i4(n), i4(found.classes), i4(found.index_bits)
    ORDER("keys_of_kept", cover(n, 256), 256, (found.keys, found.kept, scores, keys, *numbers))
    keys = sort(keys)
    kept, count = xp.empty((images, most), xp.int64), xp.empty(images, xp.int32)
    args = (keys, kept, count, i4(n), i4(most), i4(found.index_bits))
    ORDER("list_kept", (max(1, cover(most, 256)), images), 256, args)
    return kept, count
