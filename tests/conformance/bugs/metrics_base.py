"""Average precision, runs and outlines in plain floats, with switches for what people get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidet.conformance.operators import Inputs


def box_overlaps(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """IoU (D, T), and intersection over the detection's own area."""
    d, t = inputs["boxes"].astype(float)[:, None], inputs["truth_boxes"].astype(float)[None]
    inter = np.maximum(np.minimum(d[..., 2:], t[..., 2:]) - np.maximum(d[..., :2], t[..., :2]), 0).prod(axis=-1)
    own, theirs = (d[..., 2:] - d[..., :2]).prod(axis=-1), (t[..., 2:] - t[..., :2]).prod(axis=-1)
    return _shares(inter, own, theirs)


def mask_overlaps(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """The same of masks."""
    d, t = (inputs[n].astype(float).reshape(len(inputs[n]), -1) for n in ("masks", "truth_masks"))
    return _shares(d @ t.T, d.sum(axis=1)[:, None], t.sum(axis=1)[None])


def _shares(inter: np.ndarray, own: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    union, own = own + theirs - inter, np.broadcast_to(own, inter.shape)
    return inter / np.maximum(union, 1e-9), inter / np.maximum(own, 1e-9)


def coco_ap(inputs: Inputs, bug: str = "") -> np.ndarray:
    """The profile ``minidet``, or with one of the bugs."""
    if "masks" in inputs:
        empty = any(not len(inputs[name]) for name in ("masks", "truth_masks"))
        iou, ioa = (
            (np.zeros((len(inputs["masks"]), len(inputs["truth_masks"]))),) * 2 if empty else mask_overlaps(inputs)
        )
        sizes = inputs["masks"].sum(axis=(1, 2))
    else:
        iou, ioa = box_overlaps(inputs)
        boxes = inputs["boxes"]
        sizes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    crowd = inputs["truth_crowd"] != 0
    overlap = iou if bug == "IoU with crowds" else np.where(crowd, ioa, iou)
    low, high = inputs["area_range"]
    ignored = crowd | (inputs["truth_area"] < low) | (inputs["truth_area"] > high)
    outside = (sizes < low) | (sizes > high)
    if bug == "misses out of range count":
        outside = np.zeros_like(outside)
    aps = []
    for c in range(inputs["classes"]):
        truths = np.flatnonzero(inputs["truth_labels"] == c)
        n = int((~ignored[truths]).sum())
        if bug == "recall over all truths" and n:
            n = len(truths)
        some = np.flatnonzero(inputs["labels"] == c)
        if bug == "classes are not compared":
            truths = np.arange(len(ignored))
        at = [_one(inputs, overlap, ignored, outside, truths, some, t / 100, n, bug) for t in inputs["thresholds"]]
        aps.append(np.mean(at) if n else np.nan)
    return np.array(aps)


def _one(
    inputs: Inputs, overlap: np.ndarray, ignored: np.ndarray, outside: np.ndarray, truths: np.ndarray, some: np.ndarray,
    threshold: float, n: int, bug: str,
) -> float:  # fmt: skip
    crowd, scores = inputs["truth_crowd"] != 0, inputs["scores"]
    rows: list[tuple[float, bool]] = []
    images = sorted(set(inputs["images"].tolist()))
    for image in images:
        here = [t for t in truths if inputs["truth_images"][t] == image or bug == "images are not compared"]
        mine = sorted((d for d in some if inputs["images"][d] == image), key=lambda d: -scores[d])
        if bug == "not sorted before matching":
            mine = sorted(mine)
        if bug != "no limit":
            mine = mine[: inputs["limit"]]
        taken: set[int] = set()
        for d in mine:
            enough = [t for t in here if overlap[d, t] >= threshold and overlap[d, t] > 0]
            if bug != "a truth is matched twice":
                enough = [t for t in enough if t not in taken or crowd[t]]
            if bug == "the first that is enough":
                enough = enough[:1]
            best = max(enough, key=lambda t: (not ignored[t], overlap[d, t], t), default=-1)
            if best >= 0:
                taken.add(int(best))
            left_out = ignored[best] if best >= 0 else outside[d]
            if bug == "what takes an ignored truth is false":
                left_out = best < 0 and outside[d]
            if not left_out:
                hit = best >= 0 and not (bug == "what takes an ignored truth is false" and ignored[best])
                rows.append((float(scores[d]), hit))
    if bug != "not ranked over images":
        rows.sort(key=lambda row: -row[0])
    return of_101_points([hit for _, hit in rows], n, bug) if n else 0.0


def of_101_points(hits: Sequence[bool], n: int, bug: str) -> float:
    """AP of a ranking, each recall compared as integers."""
    tp = np.cumsum(hits).astype(int) if hits else np.zeros(0, int)
    precision = tp / np.arange(1, len(tp) + 1)
    if bug != "precision is not made monotone":
        precision = np.maximum.accumulate(precision[::-1])[::-1] if len(tp) else precision
    values = []
    for i in range(1 if bug == "no recall 0" else 0, 101):
        reached = [p for p, k in zip(precision, tp, strict=True) if 100 * k >= i * n]
        values.append(reached[0] if reached else 0.0)
    return float(np.mean(values))


def voc_ap(inputs: Inputs, bug: str = "") -> np.ndarray:
    """The profile ``minidet``, or with one of the bugs."""
    overlap, _ = box_overlaps(inputs)
    scores, n = inputs["scores"], len(inputs["truth_images"])
    if not n:
        return np.array(np.nan)
    rows: list[tuple[float, bool]] = []
    for image in sorted(set(inputs["images"].tolist())):
        here = [t for t in range(n) if inputs["truth_images"][t] == image or bug == "images are not compared"]
        mine = sorted(
            np.flatnonzero(inputs["images"] == image), key=lambda d: scores[d] if bug == "worst first" else -scores[d]
        )
        taken: set[int] = set()
        for d in mine:
            enough = [t for t in here if overlap[d, t] >= inputs["threshold"]]
            if bug != "a truth is matched twice":
                enough = [t for t in enough if t not in taken]
            best = max(enough, key=lambda t: (overlap[d, t], -t), default=-1)
            taken.add(int(best))
            rows.append((float(scores[d]), best >= 0))
    if bug != "not ranked over images":
        rows.sort(key=lambda row: -row[0])
    hits = [hit for _, hit in rows]
    if bug == "the last detection is left out":
        hits = hits[:-1]
    if bug == "recall over the images with truths":
        n = len(set(inputs["truth_images"].tolist()))
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    if bug != "precision is not made monotone":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    return np.array(float(sum(p for p, hit in zip(precision, hits, strict=True) if hit) / n))


def rle(inputs: Inputs, bug: str = "") -> np.ndarray:
    """By where pixels change."""
    mask = inputs["mask"]
    pixels = mask.T.reshape(-1) if bug != "width and height exchanged" else mask.T.reshape(mask.shape).T.reshape(-1)
    changes = np.flatnonzero(np.diff(pixels)) + 1
    if bug == "the last run is missing":
        return np.diff(np.concatenate([[0] * (1 + int(pixels[0])), changes])).astype(np.int64)
    edges = np.concatenate([[0], changes, [len(pixels)]])
    if bug == "a run ends with each column":
        edges = np.unique(np.concatenate([edges, np.arange(0, len(pixels), len(mask))]))
    counts = np.diff(edges)
    if bug == "a mask without ones has no counts" and not pixels.any():
        return np.zeros(0, np.int64)
    if pixels[0] or bug == "always a zero first":
        counts = np.concatenate([[0], counts])
    if bug == "in bytes":
        return counts.astype(np.uint8).astype(np.int64) % 16
    return counts.astype(np.int64)


def polygon_mask(inputs: Inputs, bug: str = "") -> np.ndarray:
    """Crossings of each row of centres with the edges, or with one of the bugs."""
    h, w = inputs["size"]
    xy = inputs["polygon"].astype(float)
    mask = np.zeros((h, w), np.uint8)
    if bug == "its bounding box":
        (x1, y1), (x2, y2) = xy.min(axis=0), xy.max(axis=0)
        rows, columns = np.arange(h)[:, None] + 0.5, np.arange(w) + 0.5
        return ((rows >= y1) & (rows < y2) & (columns >= x1) & (columns < x2)).astype(np.uint8)
    if bug == "coordinates are cut to whole numbers":
        xy = np.trunc(xy)
    if bug == "coordinates are clipped to the mask":
        xy = np.clip(xy, 0, [w, h])
    ends = np.roll(xy, -1, axis=0)
    if bug == "the outline is not closed":
        xy, ends = xy[:-1], ends[:-1]
    for row, column in np.ndindex(h, w):
        x, y = column + 0.5, row + 0.5
        for (ax, ay), (bx, by) in zip(xy, ends, strict=True):
            crosses = (ax <= x) != (bx <= x)
            if bug == "both ends of an edge count":
                crosses = ax != bx and min(ax, bx) <= x <= max(ax, bx)
            # the sign of (y - ay)(bx - ax) - (x - ax)(by - ay), of small multiples of 1/8: exact
            if crosses and ((y - ay) * (bx - ax) - (x - ax) * (by - ay)) * (1 if bx > ax else -1) >= 0:
                mask[row, column] ^= 1
                if bug == "any edge above":
                    mask[row, column] = 1
    return mask


def of(function: Any, *names: str) -> dict[str, Any]:
    """The function with each of the bugs."""
    return {name: lambda inputs, name=name: function(inputs, name) for name in names}
