"""COCO's strings of runs, read and written by compiled loops: the format is told in ``coco``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit

from .coco import PIECES
from .runs import Runs, trusted


@njit(cache=True, nogil=True)
def _parse(text: Any, ends: Any, pixels: int, counts: Any, splits: Any) -> bool:
    """Runs of the strings, the n-th of which ends at ``ends[n]``; false for what are no runs of so many pixels."""
    used, begin = 0, 0
    for n in range(len(ends)):
        first, total, at = used, np.int64(0), begin
        while at < ends[n]:
            x, shift, code = np.int64(0), 0, np.int64(32)
            while code & 32:
                code = np.int64(text[at]) - 48 if at < ends[n] else np.int64(-1)
                if code < 0 or code > 63 or shift >= 5 * PIECES:
                    return False
                x |= (code & 31) << shift
                shift += 5
                at += 1
            if code & 16:
                x |= np.int64(-1) << shift
            if used - first > 2:
                x += counts[used - 2]
            if x < 0 or x > pixels:
                return False
            counts[used] = x
            total += x
            used += 1
        if total != pixels:
            return False
        begin = ends[n]
        splits[n + 1] = used
    return True


@njit(cache=True, nogil=True)
def _write(counts: Any, splits: Any, out: Any, ends: Any) -> int:
    """The strings of runs into ``out``, where the n-th ends at ``ends[n]``; how many bytes."""
    used = 0
    for n in range(len(splits) - 1):
        for r in range(splits[n], splits[n + 1]):
            x = counts[r]
            if r - splits[n] > 2:
                x -= counts[r - 2]
            more = True
            while more:
                code = x & 31
                x >>= 5
                more = x != (-1 if code & 16 else 0)
                out[used] = code + (80 if more else 48)
                used += 1
        ends[n] = used
    return used


def from_strings(texts: Sequence[str], size: tuple[int, int]) -> Runs | None:
    """As ``from_coco`` of strings for masks of ``size`` (h, w); None where it would raise, which says what is wrong."""
    try:
        text = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
    except UnicodeEncodeError:
        return None
    ends = np.cumsum(np.array([len(one) for one in texts], np.int64))
    counts, splits = np.empty(len(text), np.int64), np.zeros(len(texts) + 1, np.int64)
    if not _parse(text, ends, size[0] * size[1], counts, splits):
        return None
    return trusted(counts[: splits[-1]].copy(), splits, size)


def to_strings(runs: Runs) -> list[str]:
    """COCO's string of each mask: the ``counts`` of ``to_coco``."""
    out, ends = np.empty(PIECES * len(runs.counts) + PIECES, np.uint8), np.empty(len(runs), np.int64)
    text = out[: _write(runs.counts, runs.splits, out, ends)].tobytes().decode("ascii")
    return [text[begin:end] for begin, end in pairwise([0, *ends.tolist()])]
