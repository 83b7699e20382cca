"""Runs from COCO's objects and back: ``{"size": [h, w], "counts": ...}``, counts as a list or as a string.

In a string, every count from the fourth on is written as its difference to the one two before it, since the runs of one
column and of the next are alike.  A number is cut into pieces of 5 bits, lowest first, as few as hold it with its sign
(two's complement); a sixth bit says that another piece follows; and 48 is added, so that it is a character.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from ..arrays import Array
from . import check
from .runs import Runs

#: Pieces of the longest number: what int64 holds.
PIECES = 12


def from_coco(objects: Sequence[Mapping[str, Any]], *, size: tuple[int, int] | None = None) -> Runs:
    """The runs of COCO's masks, all of one size.

    Each has ``size``, [h, w], and ``counts``, a list, ``str`` or ``bytes``.  The argument ``size`` (h, w) says what
    size they must have; without it, there must be a mask.

    Raises ``ValueError`` for masks of different sizes, for counts that do not sum to h x w, and for a string that is
    none of COCO's; ``TypeError`` for what is no mask at all.
    """
    for i, one in enumerate(objects):
        if not (isinstance(one, Mapping) and {"size", "counts"} <= set(one)):
            raise TypeError(f"from_coco: mask {i} must have 'size' and 'counts'; polygons are not runs")
        found = tuple(one["size"])
        size = found if size is None else size
        if found != tuple(size):
            raise ValueError(f"from_coco: mask {i} has size {found}, others {size}; masks of one call have one size")
    if size is None:
        raise ValueError("from_coco: without masks, their size is not known; give size=(height, width)")
    if not objects:
        return Runs(np.zeros(0, np.int64), np.zeros(1, np.int64), size)
    counts = [one["counts"] for one in objects]
    strings = [i for i, c in enumerate(counts) if isinstance(c, str | bytes)]
    parsed = dict(zip(strings, _parse([counts[i] for i in strings], strings), strict=True))
    lists = [parsed[i] if i in parsed else np.asarray(c).reshape(-1) for i, c in enumerate(counts)]
    for i, c in enumerate(lists):
        if len(c) and c.dtype.kind not in "iu":
            raise TypeError(f"from_coco: counts of mask {i} must be integers, not {c.dtype}")
    splits = np.concatenate([[0], np.cumsum([len(c) for c in lists])])
    flat = np.concatenate([c.astype(np.int64) for c in lists])
    check.sizes("from_coco", size)
    check.runs("from_coco", ("counts", "splits"), flat, splits, size)
    return Runs(flat, splits, size)


def to_coco(runs: Runs, *, compressed: bool = True) -> list[dict[str, Any]]:
    """COCO's objects, one for each mask: counts as a string (``str``, fit for JSON), or as a list of integers."""
    size = list(runs.size)
    if compressed:
        return [{"size": size, "counts": text} for text in _write(runs)]
    return [{"size": size, "counts": c.tolist()} for c in np.split(runs.counts, runs.splits[1:])[: len(runs)]]


def _within(lengths: Array) -> Array:
    """0, 1, 2, ... for each of the lengths, one after the other."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _write(runs: Runs) -> list[str]:
    late = np.flatnonzero(_within(np.diff(runs.splits)) > 2)
    x = runs.counts.copy()
    x[late] -= runs.counts[late - 2]
    pieces = np.frexp(np.where(x < 0, ~x, x).astype(np.float64))[1] // 5 + 1  # its bits and the sign's
    place = _within(pieces)
    codes = (np.repeat(x, pieces) >> 5 * place) & 31 | np.where(place < np.repeat(pieces, pieces) - 1, 32, 0)
    text = (codes + 48).astype(np.uint8).tobytes().decode("ascii")
    ends = np.concatenate([[0], np.cumsum(pieces)])[runs.splits].tolist()
    return [text[start:end] for start, end in pairwise(ends)]


def _parse(strings: list[str | bytes], names: list[int]) -> list[Array]:
    """The counts of each string."""
    encoded = [s.encode("utf-8") if isinstance(s, str) else s for s in strings]
    stops = np.cumsum([len(s) for s in encoded], dtype=np.int64)  # of each string, in bytes
    codes = np.frombuffer(b"".join(encoded), np.uint8).astype(np.int64) - 48

    def fail(byte: int, why: str) -> NoReturn:
        mask = names[int(np.searchsorted(stops, byte, side="right"))]
        raise ValueError(f"from_coco: the string of mask {mask} {why}; it is none of COCO's run lengths")

    strange = (codes < 0) | (codes > 63)
    if strange.any():
        fail(int(strange.argmax()), f"has {chr(codes[strange][0] + 48)!r} in it")
    last = codes < 32  # the last piece of a number
    broken = [stop - 1 for s, stop in zip(encoded, stops.tolist(), strict=True) if s and not last[stop - 1]]
    if broken:
        fail(broken[0], "ends within a number")
    ends = np.flatnonzero(last)
    pieces = np.diff(ends, prepend=-1)
    if (pieces > PIECES).any():
        fail(int(ends[(pieces > PIECES).argmax()]), f"has a number of more than {5 * PIECES} bits")
    x = np.zeros(len(ends), np.int64)
    if len(x):
        x = np.add.reduceat((codes & 31) << 5 * _within(pieces), ends - pieces + 1)
        x -= (codes[ends] >> 4) << 5 * pieces  # the highest bit is the sign's
    numbers = np.diff(np.searchsorted(ends, stops), prepend=0)  # of each string
    _sum_differences(x, _within(numbers))
    return np.split(x, np.cumsum(numbers))[: len(strings)]


def _sum_differences(x: Array, within: Array) -> None:
    """Add to each number the one two before it in its string, but not to the first three, in place and in order."""
    for first in (1, 2):
        series = np.flatnonzero((within >= first) & (within % 2 == first % 2))
        start = within[series] == first
        total = np.cumsum(x[series])
        before = (total - x[series])[start]  # what was summed when each string began
        x[series] = total - before[np.cumsum(start) - 1]
