"""Masks moved as the pixels are, without being decoded: a column of runs is copied, cut and stretched as a whole."""

from __future__ import annotations

import numpy as np
from minidet_kernels.masks import Runs, merge


def gather(runs: Runs, rows: np.ndarray, columns: np.ndarray) -> Runs:
    """Masks whose pixel i, j is pixel ``rows[i], columns[j]`` of ``runs``, and 0 where either index is negative.

    ``rows`` (h,) and ``columns`` (w,) are integers below the size of ``runs``.  Where they are not negative they form
    one block, and ``rows`` never decrease in it or never increase.  The size of the result is (h, w).
    """
    size = (len(rows), len(columns))
    width, n = runs.size[1], len(runs)
    down = np.flatnonzero(rows >= 0)
    if n == 0 or len(down) == 0:
        return _empty(n, size)
    top, source = int(down[0]), rows[down]
    flipped = source[0] > source[-1]
    if flipped:
        source = source[::-1]
    mask, column, first, last = _segments(runs)
    # The segments of column c of mask n lie from starts[n, c] to starts[n, c + 1].
    starts = np.searchsorted(mask * width + column, np.arange(n * width + 1))
    wanted = (np.arange(n)[:, None] * width + columns)[:, columns >= 0].ravel()  # (n * columns that are seen,)
    place = (np.arange(n)[:, None] * size[1] + np.flatnonzero(columns >= 0)).ravel()
    counts = starts[wanted + 1] - starts[wanted]
    ends = np.cumsum(counts)
    chosen = np.arange(counts.sum()) + np.repeat(starts[wanted] - (ends - counts), counts)
    begin = np.searchsorted(source, first[chosen])  # the first row of the result that shows it, and the one after
    end = np.searchsorted(source, last[chosen])
    if flipped:
        begin, end = len(source) - end, len(source) - begin
    base = np.repeat(place, counts) * size[0] + top
    begin, end = (base + begin)[begin < end], (base + end)[begin < end]
    if flipped:
        order = np.argsort(begin, kind="stable")
        begin, end = begin[order], end[order]
    return _from_spans(begin, end, n, size)


def _segments(runs: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The runs of ones, none longer than its column: mask, column, first row and the row after, in that order."""
    height, width = runs.size
    lengths = np.diff(runs.splits)
    within = np.arange(len(runs.counts)) - np.repeat(runs.splits[:-1], lengths)
    end = np.cumsum(runs.counts)  # pixels of all masks before it
    ones = (within % 2 == 1) & (runs.counts > 0)
    begin, end = (end - runs.counts)[ones], end[ones]
    if height == 0:
        return (np.zeros(0, np.int64),) * 4
    of_column, after = begin // height, (end - 1) // height  # columns of all masks, the first and the last
    pieces = after - of_column + 1
    ends = np.cumsum(pieces)
    number = np.arange(pieces.sum()) - np.repeat(ends - pieces, pieces)
    column = np.repeat(of_column, pieces) + number
    first = np.maximum(np.repeat(begin, pieces), column * height) - column * height
    last = np.minimum(np.repeat(end, pieces), (column + 1) * height) - column * height
    return column // max(width, 1), column % max(width, 1), first, last


def _from_spans(begin: np.ndarray, end: np.ndarray, n: int, size: tuple[int, int]) -> Runs:
    """Runs from spans of ones, by the number of the pixel in all n masks, in order and none over another."""
    area = size[0] * size[1]
    # Spans that touch become one, but not over the border between two masks.
    new = np.ones(len(begin), bool)
    new[1:] = (begin[1:] > end[:-1]) | (begin[1:] % area == 0)
    begin, end = begin[new], end[np.append(new[1:], True)[: len(end)]]
    mask = begin // area
    spans = np.bincount(mask, minlength=n)
    splits = np.concatenate([[0], np.cumsum(2 * spans + 1)])
    # Every mask is: a run of zeros and one of ones for each span, then the zeros that remain.
    edges = np.empty(splits[-1], np.int64)
    at = 2 * np.arange(len(begin)) + mask
    edges[at], edges[at + 1] = begin, end
    edges[splits[1:] - 1] = (np.arange(n) + 1) * area
    return Runs(np.diff(edges, prepend=0), splits, size)


def _empty(n: int, size: tuple[int, int]) -> Runs:
    return Runs(np.full(n, size[0] * size[1]), np.arange(n + 1), size)


def concatenate(parts: list[Runs]) -> Runs:
    """The masks of all parts, one after the other; ``parts`` is not empty and all have one size."""
    shifts = np.cumsum([0] + [len(p.counts) for p in parts])
    splits = [p.splits[:-1] + shift for p, shift in zip(parts, shifts[:-1], strict=True)]
    return Runs(np.concatenate([p.counts for p in parts]), np.concatenate([*splits, shifts[-1:]]), parts[0].size)


def minus(runs: Runs, cover: Runs) -> Runs:
    """The masks of ``runs`` without the pixels of the one mask ``cover``."""
    # With a run of no zeros before it, every run changes its colour.
    rest = Runs(np.concatenate([[0], cover.counts]), np.array([0, len(cover.counts) + 1]), cover.size)
    parts = [merge(concatenate([runs.take(np.array([i])), rest]), intersect=True) for i in range(len(runs))]
    return concatenate([*parts, _empty(0, runs.size)])
