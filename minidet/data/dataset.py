"""A data set in memory: what is in which image, apart from the pixels, which are read when they are asked for.

Every reader makes one of these and every writer takes one, whatever the format; training, evaluation and the checker
know nothing else.  Boxes are x1 y1 x2 y2 *edges* in pixels (the whole image is 0 0 W H, a width is x2 - x1), labels
count from 0, masks are runs of the image's size; a reader whose format means something else converts, and says how.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from minidet_kernels.masks import Runs

from .image import load_image
from .policy import Remark

_LEFT_OUT: Any = None


@dataclass(frozen=True, eq=False)
class Objects:
    """N objects of one image.

    boxes       (N, 4) float64, x1 y1 x2 y2 edges in pixels, as annotated: possibly empty, inverted or out of bounds.
    labels      (N,) int64, 0-based classes.
    crowd       (N,) bool, a group that is not told apart (COCO's iscrowd); default none.
    difficult   (N,) bool, not to be counted (VOC's difficult); default none.
    areas       (N,) float64, the area in pixels that was annotated (COCO's area), NaN where none was; default NaN.
    ids         (N,) int64, the annotation's number in its file; default 0, 1, ...
    masks       N masks of the image's size (``minidet_kernels.masks.Runs``), or None for a set without masks.
    keypoints   (N, K, 3) float64, x and y in pixels and visibility 0, 1 or 2; None for a set without keypoints.
    truncated   (N,) bool, cut by the picture's edge or by another object (VOC's truncated); default none.
    polygons    the outlines as annotated: for each object a tuple of (P, 2) float64 arrays of x and y in pixels, or
                None for one without; None for a set without.  Whoever moves the masks drops them.

    The arrays are converted and checked when made: ``ValueError`` for one whose length is not N.
    """

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray = _LEFT_OUT
    difficult: np.ndarray = _LEFT_OUT
    areas: np.ndarray = _LEFT_OUT
    ids: np.ndarray = _LEFT_OUT
    masks: Runs | None = None
    keypoints: np.ndarray | None = None
    truncated: np.ndarray = _LEFT_OUT
    polygons: tuple[tuple[np.ndarray, ...] | None, ...] | None = None

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float64).reshape(-1, 4)
        n = len(boxes)
        defaults: dict[str, tuple[Any, Any]] = {
            "labels": (np.int64, None),
            "crowd": (np.bool_, np.zeros(n, bool)),
            "difficult": (np.bool_, np.zeros(n, bool)),
            "truncated": (np.bool_, np.zeros(n, bool)),
            "areas": (np.float64, np.full(n, np.nan)),
            "ids": (np.int64, np.arange(n)),
        }
        object.__setattr__(self, "boxes", boxes)
        for name, (dtype, default) in defaults.items():
            given = getattr(self, name)
            array: np.ndarray = np.asarray(default if given is None else given, dtype)
            if array.shape != (n,):
                raise ValueError(f"{name} of shape ({n},) was expected beside {n} boxes, found {array.shape}")
            object.__setattr__(self, name, array)
        if self.masks is not None and len(self.masks) != n:
            raise ValueError(f"{n} masks were expected beside {n} boxes, found {len(self.masks)}")
        if self.keypoints is not None:
            keypoints = np.asarray(self.keypoints, np.float64)
            if keypoints.ndim != 3 or keypoints.shape[0] != n or keypoints.shape[2] != 3:
                raise ValueError(f"keypoints of shape ({n}, K, 3) were expected, found {keypoints.shape}")
            object.__setattr__(self, "keypoints", keypoints)
        if self.polygons is not None:
            if len(self.polygons) != n:
                raise ValueError(f"polygons of {n} objects were expected, found {len(self.polygons)}")
            object.__setattr__(self, "polygons", tuple(_polygons(one) for one in self.polygons))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, which: np.ndarray | slice | Sequence[int]) -> Objects:
        """Some of the objects: a slice, indices, or a bool for each."""
        index = np.arange(len(self))[which if isinstance(which, slice) else np.asarray(which)]
        masks = None if self.masks is None else self.masks.take(index)
        keypoints = None if self.keypoints is None else self.keypoints[index]
        polygons = None if self.polygons is None else tuple(self.polygons[int(i)] for i in np.atleast_1d(index))
        return Objects(
            self.boxes[index], self.labels[index], self.crowd[index], self.difficult[index], self.areas[index],
            self.ids[index], masks, keypoints, self.truncated[index], polygons,
        )  # fmt: skip


def _polygons(given: Sequence[np.ndarray] | None) -> tuple[np.ndarray, ...] | None:
    """The outlines of one object, checked."""
    if given is None:
        return None
    polygons = tuple(np.asarray(one, np.float64) for one in given)
    for one in polygons:
        if one.ndim != 2 or one.shape[1] != 2:
            raise ValueError(f"a polygon of shape (P, 2), x and y, was expected, found {one.shape}")
    return polygons


@dataclass(frozen=True, eq=False)
class Record:
    """One image and what is in it.

    path    of the image's file, relative to the data set's root, with forward slashes.
    size    (H, W) in pixels, as the annotation says; (0, 0) where it does not.
    id      the image's number in its file (COCO's image id); unique in a data set.
    objects what is in it.
    source  where the annotation stands, for messages: "Annotations/a.xml" or "instances.json, annotation 12".
    """

    path: str
    size: tuple[int, int]
    id: int
    objects: Objects
    source: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Records and what their labels mean.

    root            the folder that every ``path`` is relative to; no path leads out of it.
    names           the name of every class, indexed by label.
    records         one for each image, in the order of the file.
    category_ids    the number of each class in COCO files, indexed by label; default 1, 2, ...
    keypoint_names  the name of each keypoint; empty for a set without.
    skeleton        pairs of keypoints (0-based) to be joined by a line.
    remarks         what the reader met and what it did about it (``minidet.data.policy``), counted by ``summary``.
    """

    root: Path
    names: tuple[str, ...]
    records: tuple[Record, ...]
    category_ids: tuple[int, ...] = ()
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    remarks: tuple[Remark, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "records", tuple(self.records))
        object.__setattr__(self, "category_ids", tuple(self.category_ids) or tuple(range(1, len(self.names) + 1)))
        if len(self.category_ids) != len(self.names):
            raise ValueError(f"{len(self.names)} category ids were expected, found {len(self.category_ids)}")

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def image(self, index: int) -> np.ndarray:
        """The pixels of image ``index``, (H, W, 3) uint8 RGB.  Raises ``ImageError`` naming the file."""
        return load_image(self.root / self.records[index].path)

    def subset(self, indices: Sequence[int] | np.ndarray) -> Dataset:
        """The data set of some of the records, in that order."""
        return replace(self, records=tuple(self.records[int(i)] for i in indices))
