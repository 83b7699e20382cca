"""The segmentations of one image in a COCO file as runs: polygons, lists of runs, and strings of them, mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minidet_kernels.masks import Runs, from_coco, from_polygons


class MaskError(Exception):
    """What is wrong with segmentation ``which``."""

    def __init__(self, which: int, why: str) -> None:
        super().__init__(why)
        self.which = which


def masks_of(segmentations: Sequence[Any], size: tuple[int, int], rule: str | None) -> Runs:
    """The runs of the segmentations, each a list of polygons, or an object with ``size`` and ``counts``.

    ``size`` (h, w) is that of the image, (0, 0) where it is not known: then that of the first runs.  Polygons are drawn
    by ``rule``; without one they are refused.  Raises ``MaskError``.
    """
    if not segmentations:
        return Runs(np.zeros(0, np.int64), np.zeros(1, np.int64), size)
    drawn = [isinstance(one, list) for one in segmentations]
    if size == (0, 0):
        if any(drawn):
            raise MaskError(drawn.index(True), "polygons are drawn in an image, whose height and width are not given")
        first = segmentations[0]
        if isinstance(first, dict) and _is_size(first.get("size")):
            size = (first["size"][0], first["size"][1])
    if not any(drawn):
        return _one_by_one(segmentations, size, None)
    if rule is None:
        raise MaskError(drawn.index(True), "runs were expected, {'size': [h, w], 'counts': ...}, found polygons")
    if all(drawn):
        return _one_by_one(segmentations, size, rule)
    runs = []
    for n, (one, is_drawn) in enumerate(zip(segmentations, drawn, strict=True)):
        try:
            runs.append(_one_by_one([one], size, rule if is_drawn else None))
        except MaskError as error:
            raise MaskError(n, str(error)) from None
    splits = np.concatenate([[0], np.cumsum([len(one.counts) for one in runs])])
    return Runs(np.concatenate([one.counts for one in runs]), splits, size)


def _one_by_one(segmentations: Sequence[Any], size: tuple[int, int], rule: str | None) -> Runs:
    """All at once; and where that fails one by one, to say which it is."""
    try:
        return _read(segmentations, size, rule)
    except (ValueError, TypeError) as error:
        for n, one in enumerate(segmentations):
            try:
                _read([one], size, rule)
            except (ValueError, TypeError) as own:
                raise MaskError(n, _plain(own)) from None
        raise MaskError(0, _plain(error)) from None


def _read(segmentations: Sequence[Any], size: tuple[int, int], rule: str | None) -> Runs:
    if rule is not None:
        return from_polygons(segmentations, size=size, rule=rule)
    for one in segmentations:
        if not (isinstance(one, dict) and _is_size(one.get("size")) and isinstance(one.get("counts"), str | list)):
            raise TypeError("masks: runs were expected, {'size': [h, w], 'counts': ...}")
    texts = [one["counts"] for one in segmentations]
    if all(type(text) is str for text in texts) and all(one["size"] == [*size] for one in segmentations):
        from minidet_kernels.masks.strings import from_strings

        runs = from_strings(texts, size)
        if runs is not None:
            return runs
    return from_coco(segmentations, size=size)


def _plain(error: Exception) -> str:
    """The message without the function's name and the number of the mask, which is the only one."""
    return str(error).partition(": ")[2].removeprefix("object 0 has ").replace(" of mask 0", "")


def _is_size(size: Any) -> bool:
    return isinstance(size, list) and len(size) == 2 and all(type(n) is int and n >= 0 for n in size)
