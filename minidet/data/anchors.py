"""Anchors for a data set: k-means over the sizes of its boxes, with 1 - IoU for a distance.

Redmon and Farhadi, "YOLO9000: Better, Faster, Stronger", section 2 (dimension clusters): boxes are compared as if they
had one centre, so that only widths and heights count.  Large boxes then weigh no more than small ones, as they would
with Euclid's distance.  The first centres are drawn as Arthur and Vassilvitskii's k-means++ does, a box with the
probability of its distance to the nearest centre so far.  (They square distances, since they minimise their squares.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minidet.errors import InputError

from .dataset import Dataset
from .letterbox import place

CENTRES = ("median", "mean")
PLACEMENTS = ("letterbox", "stretch")


@dataclass(frozen=True, eq=False)
class Anchors:
    """Anchors, and how well they fit the boxes that they were made from.

    ``sizes`` (K, 2) float64, widths and heights in pixels of the input, by area, smallest first; ``mean_iou``, the mean
    over boxes of the IoU with the best anchor; ``recall``, the fraction of boxes for which that is at least .5.
    """

    sizes: np.ndarray
    mean_iou: float
    recall: float


def box_sizes(dataset: Dataset, size: tuple[int, int], *, placement: str = "letterbox") -> np.ndarray:
    """Widths and heights (N, 2) of the boxes that have an area, in pixels of an input of ``size`` (h, w).

    Boxes are cut to their picture first; crowds are left out.  ``placement``: "letterbox" or "stretch".  Raises
    ``InputError`` for a picture whose size is not known.
    """
    if placement not in PLACEMENTS:
        raise ValueError(f"placement {placement!r} is not known; expected one of {', '.join(PLACEMENTS)}")
    found = [np.zeros((0, 2))]
    for record in dataset:
        H, W = record.size
        if not (H and W):
            if not len(record.objects):
                continue
            raise InputError(f"{record.path}: the size of the picture was expected in {record.source}, found none")
        boxes = np.clip(record.objects.boxes[~record.objects.crowd], 0, [W, H, W, H])
        sides = boxes[:, 2:] - boxes[:, :2]
        inside = size if placement == "stretch" else _letterboxed((H, W), size)
        found.append(sides[(sides > 0).all(axis=1)] * [inside[1] / W, inside[0] / H])
    return np.concatenate(found)


def _letterboxed(image: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    placed = place(image, size)
    return placed.height, placed.width


def size_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes with one centre: widths and heights (N, 2) and (K, 2), all above 0, to (N, K)."""
    shared = np.minimum(a[:, None, :], b[None, :, :]).prod(axis=2)
    return shared / (a.prod(axis=1)[:, None] + b.prod(axis=1)[None, :] - shared)


def quality(sizes: np.ndarray, anchors: np.ndarray) -> tuple[float, float]:
    """The mean over ``sizes`` (N, 2) of the IoU with the best of ``anchors`` (K, 2), and the fraction at least .5."""
    best = size_iou(sizes, anchors).max(axis=1)
    return float(best.mean()), float((best >= 0.5).mean())


def kmeans_anchors(
    sizes: np.ndarray, count: int, *, seed: int = 0, centre: str = "median", restarts: int = 10, rounds: int = 300
) -> Anchors:
    """``count`` anchors for boxes of ``sizes`` (N, 2), the best of ``restarts`` runs from one seed.

    ``centre`` of a cluster: the "median" of widths and of heights, or the "mean".  A run ends when no box changes its
    cluster, or after ``rounds``; of all its rounds the one with the greatest mean IoU counts, since neither centre
    maximises it for certain.  A cluster that loses all its boxes takes the box that fits worst.

    Raises ``InputError`` where there are fewer different sizes than anchors; ``ValueError`` for other arguments.
    """
    sizes = np.asarray(sizes, np.float64)
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError(f"sizes (N, 2), all above 0, were expected, found an array of shape {sizes.shape}")
    if centre not in CENTRES or count < 1 or restarts < 1:
        raise ValueError(
            f"a centre of {', '.join(CENTRES)}, a count and restarts from 1 were expected, found {centre!r}, {count} "
            f"and {restarts}"
        )
    different = len(np.unique(sizes, axis=0))
    if different < count:
        raise InputError(f"{count} anchors need as many different sizes of boxes, found {different}")
    rng = np.random.default_rng(seed)
    best, score = np.zeros((0, 2)), -1.0
    for _ in range(restarts):
        anchors, value = _run(sizes, count, rng, centre, rounds)
        if value > score:
            best, score = anchors, value
    best = best[np.lexsort((best[:, 0], best.prod(axis=1)))]
    return Anchors(best, *quality(sizes, best))


def _run(sizes: np.ndarray, count: int, rng: np.random.Generator, centre: str, rounds: int) -> tuple[np.ndarray, float]:
    """The best centres of one run and their mean IoU."""
    centres = _first(sizes, count, rng)
    middle = np.median if centre == "median" else np.mean
    best, score = centres, -1.0
    before = np.full(len(sizes), -1)
    for _ in range(rounds):
        overlap = size_iou(sizes, centres)  # (N, K)
        nearest = overlap.argmax(axis=1)
        fit = overlap.max(axis=1)
        if fit.mean() > score:
            best, score = centres, float(fit.mean())
        if (nearest == before).all():
            break
        before, centres = nearest, centres.copy()
        for k in range(count):
            mine = sizes[nearest == k]
            if len(mine):
                centres[k] = middle(mine, axis=0)
            else:
                worst = int(fit.argmin())
                centres[k], fit[worst] = sizes[worst], 1.0
    return best, score


def _first(sizes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` different sizes, each drawn by its distance to those before."""
    chosen = [int(rng.integers(len(sizes)))]
    distance = 1 - size_iou(sizes, sizes[chosen])[:, 0]
    while len(chosen) < count:
        # By hand, not by rng.choice, whose tolerance of sums that are not quite 1 has changed before.
        steps = np.cumsum(distance)
        at = int(np.searchsorted(steps, rng.random() * steps[-1], side="right"))
        at = min(at, int(np.flatnonzero(distance)[-1]))
        chosen.append(at)
        distance = np.minimum(distance, 1 - size_iou(sizes, sizes[at : at + 1])[:, 0])
        distance[at] = 0.0
    return sizes[chosen].copy()
