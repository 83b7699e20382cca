"""What is refused of runs, in one line, before any is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, is_array, namespace
from ..overlap import check as overlap


def _integers(where: str, name: str, x: Array) -> None:
    if not is_array(x):
        raise TypeError(f"{where}: {name} must be an array, not {type(x).__name__}; use np.asarray({name}, np.int64)")
    if x.dtype.kind not in "iu":
        raise TypeError(f"{where}: {name} must be integers, not {x.dtype}; use {name}.astype(np.int64)")
    if x.ndim != 1:
        raise ValueError(f"{where}: {name} must have one axis, not shape {x.shape}")


def sizes(where: str, size: Any) -> None:
    """Refuse anything but (height, width)."""
    if not (isinstance(size, tuple | list) and len(size) == 2 and all(isinstance(n, int | np.integer) for n in size)):
        raise TypeError(f"{where}: size is (height, width), two integers, not {size!r}")
    if min(size) < 0:
        raise ValueError(f"{where}: size is (height, width), not negative, not {tuple(size)}")


def runs(where: str, names: tuple[str, str], counts: Array, splits: Array, size: tuple[int, int]) -> None:
    """Refuse runs and splits, which the caller names so, that are not those of masks of this size."""
    name, splits_name = names
    _integers(where, name, counts)
    _integers(where, splits_name, splits)
    xp = namespace(counts, splits)
    places = splits.astype(np.int64)
    steps = places[1:] - places[:-1]
    if not len(splits) or splits[0] != 0 or splits[-1] != len(counts) or (steps < 0).any():
        raise ValueError(f"{where}: {splits_name} must lead from 0 to {len(counts)}, the number of runs, never back")
    counts, pixels = counts.astype(np.int64), size[0] * size[1]
    if ((counts < 0) | (counts > pixels)).any():
        run = int(((counts < 0) | (counts > pixels)).argmax())
        mask = int((splits <= run).sum()) - 1
        raise ValueError(
            f"{where}: mask {mask} of {name} has a run of {counts[run]}, "
            f"not between 0 and {size[0]} x {size[1]} = {pixels}; is size (height, width) that of these masks?"
        )
    total = xp.concatenate([xp.zeros(1, np.int64), xp.cumsum(counts)])
    sums = total[splits[1:]] - total[splits[:-1]]
    if (sums != pixels).any():
        mask = int((sums != pixels).argmax())
        raise ValueError(
            f"{where}: the runs of mask {mask} of {name} sum to {sums[mask]}, not to {size[0]} x {size[1]} = {pixels}; "
            "is size (height, width) that of these masks?"
        )


def mask_iou(
    a: Array,
    a_splits: Array,
    b: Array,
    b_splits: Array,
    crowd: Array | None = None,
    *,
    size: tuple[int, int],
    empty: str = "zero",
) -> None:
    """Check the arguments of ``mask_iou``."""
    sizes("mask_iou", size)
    runs("mask_iou", ("a", "a_splits"), a, a_splits, size)
    runs("mask_iou", ("b", "b_splits"), b, b_splits, size)
    if crowd is not None:
        overlap.crowds("mask_iou", crowd, len(b_splits) - 1)
    overlap.options("mask_iou", "exclusive", empty)


def small(*arrays: Any, size: tuple[int, int], **options: Any) -> str | None:
    """Why an implementation that counts pixels in int32 does not take masks of this size, or None."""
    h, w = size
    return None if h * w < 2**31 else f"takes masks of fewer than 2**31 pixels, not {h} x {w}"


def dense(where: str, masks: Array) -> None:
    """Refuse anything but (N, h, w) of zeros and ones."""
    if not isinstance(masks, np.ndarray):
        raise TypeError(f"{where}: masks must be a NumPy array, not {type(masks).__name__}")
    if masks.dtype.kind not in "biu":
        raise TypeError(f"{where}: masks must be bool or integers, not {masks.dtype}; use masks > 0.5")
    if masks.ndim != 3:
        raise ValueError(f"{where}: masks must have shape (N, h, w), not {masks.shape}; one mask is masks[None]")
    if masks.dtype.kind != "b" and masks.size and not 0 <= masks.min() <= masks.max() <= 1:
        found = f"{masks.min()} to {masks.max()}"
        raise ValueError(f"{where}: masks must hold 0 and 1, not {found}; use masks != 0, or one mask per label")
