"""Columns put in the order that ``coco`` works in: groups of one image and class, and classes by score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .coco_match import bucket
from .columns import FoundColumns, TruthColumns, check_columns
from .rules import Rules

#: More detections than any image has.
NO_LIMIT = 1 << 62


@dataclass(frozen=True, eq=False)
class Plan:
    """What takes part, and in which order; T truths by class, then image, D detections in the orders said.

    classes    how many.        dropped  truths left out because they have no area.
    truth      (T,) their place in the columns; ``truth_splits`` (K + 1,) where each class begins.
    areas      (T,) float64, of the truths.
    crowd, ignored, no_match    (T,) bool: may be found many times; does not count; never makes a match.
    ranked     (D,) detections, by class, then score; ``splits`` (K + 1,) where each class begins.
    grouped    (D,) detections, by class, image, then score; ``position`` (D,) the place of each in ``ranked``.
    sizes      (D,) float64, areas of the detections as ``grouped``.
    groups     (G, 4) int64, of each group with a detection: its detections (in ``grouped``, no more than the limit),
               from and to, and its truths.     image  (G,) int64.
    """

    classes: int
    dropped: int
    truth: np.ndarray
    truth_splits: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    no_match: np.ndarray
    ranked: np.ndarray
    splits: np.ndarray
    grouped: np.ndarray
    position: np.ndarray
    sizes: np.ndarray
    groups: np.ndarray
    image: np.ndarray


def columns_of(truths: TruthColumns, found: FoundColumns, rules: Rules, kind: str) -> Plan:
    """The plan of an evaluation; the columns have been checked."""
    images, classes = truths.images, truths.classes
    size, empty = _truth_sizes(truths, kind)
    keep = ~(truths.crowd & (rules.crowd == "drop")) & ~(empty & (rules.zero_area == "drop"))
    truth = np.flatnonzero(keep)
    key = truths.label[truth] * images + truths.image[truth]
    order = np.argsort(key, kind="stable")
    truth, key = truth[order], key[order]
    annotated = truths.area[truth]
    crowd = truths.crowd[truth] & (rules.crowd == "ignore")
    ignored = crowd | (truths.difficult[truth] & (rules.difficult == "ignore"))
    if kind == "keypoints" and truths.keypoints is not None:
        ignored = ignored | ~(truths.keypoints[truth, :, 2] > 0).any(axis=1)

    taking_part = np.arange(len(found.scores))
    if rules.score_floor is not None:
        taking_part = np.flatnonzero(found.scores >= rules.score_floor)
    by_image = bucket(taking_part, found.image, images)
    by_score = by_image[np.argsort(-found.scores[by_image], kind="stable")]
    ranked = bucket(by_score, found.label, classes)
    grouped = bucket(bucket(ranked, found.image, images), found.label, classes)
    position = np.empty(len(found.scores), np.int64)
    position[ranked] = np.arange(len(ranked))

    keys = found.label[grouped] * images + found.image[grouped]
    begin = np.flatnonzero(np.diff(keys, prepend=-1))
    end = np.append(begin[1:], len(keys)) if len(begin) else begin
    end = np.minimum(end, begin + (len(keys) if rules.limit is None else rules.limit))
    sides = [np.searchsorted(key, keys[begin], side=side) for side in ("left", "right")]
    return Plan(
        classes=classes,
        dropped=int((empty & (rules.zero_area == "drop")).sum()),
        truth=truth,
        truth_splits=_splits(truths.label[truth], classes),
        areas=np.where(np.isnan(annotated), size[truth], annotated)
        if rules.area == "annotated"
        else truths.boxes[truth, 2] * truths.boxes[truth, 3],
        crowd=crowd,
        ignored=ignored,
        no_match=(truths.ids[truth] == 0) & (rules.zero_id == "unmatched"),
        ranked=ranked,
        splits=_splits(found.label[ranked], classes),
        grouped=grouped,
        position=position[grouped],
        sizes=_found_sizes(found, kind)[grouped],
        groups=np.stack([begin, end, *sides], axis=1).astype(np.int64),
        image=keys[begin] % images if images else keys[begin],
    )


def _splits(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=classes))])


def _truth_sizes(truths: TruthColumns, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The area of each truth as it is drawn, and whether there is none."""
    w, h = truths.boxes[:, 2], truths.boxes[:, 3]
    if kind == "masks":
        size = _mask_sizes(truths)
        return size, size == 0
    return w * h, ~((w > 0) & (h > 0))


def _found_sizes(found: FoundColumns, kind: str) -> np.ndarray:
    if kind == "masks":
        return _mask_sizes(found)
    if kind == "keypoints" and found.keypoints is not None:
        points = found.keypoints[:, :, :2]
        sides = points.max(axis=1, initial=-np.inf) - points.min(axis=1, initial=np.inf)
        return sides[:, 0] * sides[:, 1]
    return found.boxes[:, 2] * found.boxes[:, 3]


def _mask_sizes(columns: TruthColumns | FoundColumns) -> np.ndarray:
    """Pixels of each mask, (N,) float64, in the order of the columns."""
    from minidet_kernels.masks.pairs import pixels

    out = np.empty(len(columns.image), np.float64)
    masks = columns.masks or []
    if masks:
        out[bucket(np.arange(len(out)), columns.image, len(masks))] = np.concatenate([pixels(one) for one in masks])
    return out


def local(image: np.ndarray, images: int) -> np.ndarray:
    """The number of each row among those of its image."""
    order = bucket(np.arange(len(image)), image, images)
    first = np.concatenate([[0], np.cumsum(np.bincount(image, minlength=images))])
    out = np.empty(len(image), np.int64)
    out[order] = np.arange(len(image)) - first[image[order]]
    return out


def check(truths: TruthColumns, found: FoundColumns, kind: str, keypoints: int) -> None:
    """Refuse columns that are missing, do not fit each other, or hold what is no number."""
    check_columns(truths, found)
    for what, columns in (("truths", truths), ("detections", found)):
        if kind == "masks":
            _check_masks(what, columns, truths.images)
        elif kind == "keypoints":
            _check_keypoints(what, columns, keypoints)
    if kind == "masks":
        both = np.intersect1d(truths.image, found.image)
        for i in both.tolist():
            mine, theirs = found.masks[i].size, truths.masks[i].size  # type: ignore[index]
            if mine != theirs:
                raise ValueError(
                    f"detections: masks of image {i} are {mine} (height, width), those of its truths {theirs}"
                )


def _check_masks(what: str, columns: TruthColumns | FoundColumns, images: int) -> None:
    if columns.masks is None:
        raise ValueError(f"{what}: there are no masks; evaluate kind 'boxes', or read a file with segmentations")
    if len(columns.masks) != images:
        raise ValueError(f"{what}: masks of {images} images were expected, found {len(columns.masks)}")
    wanted = np.bincount(columns.image, minlength=images)
    found = np.array([len(one) for one in columns.masks], np.int64).reshape(images)
    if (wanted != found).any():
        i = int((wanted != found).argmax())
        raise ValueError(f"{what}: {wanted[i]} masks of image {i} were expected, found {found[i]}")


def _check_keypoints(what: str, columns: TruthColumns | FoundColumns, keypoints: int) -> None:
    if columns.keypoints is None:
        raise ValueError(f"{what}: there are no keypoints; evaluate kind 'boxes', or read a file with keypoints")
    shape = (len(columns.image), keypoints, 3)
    if columns.keypoints.shape != shape:
        raise ValueError(
            f"{what}: keypoints of shape {shape} were expected, one for each sigma, found {columns.keypoints.shape}"
        )
    if not np.isfinite(columns.keypoints).all():
        raise ValueError(f"{what}: keypoints must be finite; found NaN or infinity")
