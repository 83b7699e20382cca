"""Coders, anchors, priors, matchers and levels as people write them, and what goes wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minidet.conformance.operators import Answer, Inputs

Implementation = Callable[[Inputs], Answer]
LARGEST = float(np.log(1000 / 16))


def sides(rows: Any) -> tuple[Any, Any]:
    """Centres and sides of boxes."""
    return (rows[:, :2] + rows[:, 2:]) / 2, rows[:, 2:] - rows[:, :2]


def corners(centre: Any, side: Any) -> Any:
    """Boxes of centres and sides."""
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1)


def cat(*parts: Any) -> Any:
    return np.concatenate(parts, axis=1)


# SSD's code, right but for an option.


def ssd_encode(
    given: Inputs, *, size_variance: int = 1, by: str = "priors", centre_only: bool = False, base: Any = np.log,
    turned: bool = False,
) -> Any:  # fmt: skip
    boxes, priors, (v, w) = given["boxes"], given["priors"], given["variances"].tolist()
    (c, s), (pc, ps) = sides(boxes), sides(priors)
    unit = ps if by == "priors" else np.maximum(s, 1)
    if turned:
        unit = ps[:, ::-1]
    with np.errstate(divide="ignore"):
        code = base(s / ps)
    return cat((c - pc) / unit / v, code if centre_only else code / (w if size_variance else v))


def ssd_decode(
    given: Inputs,
    *,
    at_once: bool = True,
    sized: bool = True,
    half: float = 0.5,
    swap: bool = False,
    first: bool = False,
) -> Any:
    deltas, priors, (v, w) = given["deltas"], given["priors"], given["variances"].tolist()
    pc, ps = sides(priors[:1].repeat(len(priors), axis=0) if first else priors)
    grown = np.exp(deltas[:, 2:] * (w if sized else v)) * ps
    centre = deltas[:, :2] * v * (ps[:, ::-1] if swap else ps) + pc
    if not at_once:  # the sides that are divided by are the new ones
        centre = deltas[:, :2] * v * grown + pc
    return cat(centre - grown / 2, centre - grown / 2 + grown * 2 * half)


# R-CNN's.


def rcnn_encode(
    given: Inputs, *, pixel: int = 0, own: int = 0, inverse: bool = False, turned: bool = False, base: Any = np.log
) -> Any:
    boxes, anchors, weights = given["boxes"], given["anchors"], given["weights"]
    (c, s), (ac, a) = sides(boxes), sides(anchors)
    code = base((s + pixel) / (a + own))
    step = (c - ac) / (a[:, ::-1] if turned else a)
    return cat(step * weights[:2], (-code if inverse else code) * weights[2:])


def rcnn_decode(
    given: Inputs, *, limit: float = LARGEST, after: bool = True, shared: bool = False, edge: float = 0.0,
    last: bool = False, both: bool = False,
) -> Any:  # fmt: skip
    deltas, anchors, weights = given["deltas"], given["anchors"], given["weights"]
    if last:
        anchors = anchors[-1:].repeat(len(anchors), axis=0)
    scaled = deltas / (weights[0] if shared else weights)
    ac, a = sides(anchors)
    if after:
        power = np.minimum(scaled[:, 2:], limit)
    else:  # what is clamped is not divided yet
        power = np.minimum(deltas[:, 2:], limit) / weights[2:]
    step = np.minimum(scaled[:, :2], limit / 4) if both else scaled[:, :2]
    boxes = corners(step * a + ac, np.exp(power) * a)
    boxes[:, 2:] -= edge
    return boxes


# YOLO's head.


def yolo_decode(
    given: Inputs, *, shift: bool = True, grid: str = "ij", strides: str = "xy", objectness: bool = True,
    layout: str = "a5", wide: str = "wh", place: str = "centre",
) -> Any:  # fmt: skip
    raw, anchors, (height, width), k = given["raw"], given["anchors"], given["size"], given["scale_x_y"]
    count, (h, w) = len(anchors), raw.shape[2:]
    t = raw.reshape(count, -1, h, w) if layout == "a5" else raw.reshape(-1, count, h, w).swapaxes(0, 1)
    t = t.transpose(2, 3, 0, 1)
    s = 1 / (1 + np.exp(-t))
    cells = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1)[:, :, None].astype(raw.dtype)
    if grid == "ji":
        cells = cells[..., ::-1]
    step = np.array([width / w, height / h] if strides == "xy" else [width / w] * 2, raw.dtype)
    centre = (k * s[..., :2] - ((k - 1) / 2 if shift else 0) + cells) * step
    side = np.exp(t[..., 2:4]) * (anchors if wide == "wh" else anchors[:, ::-1])
    if place == "corner":
        centre = centre + side / 2
    boxes = np.concatenate([centre - side / 2, centre + side / 2], axis=-1)
    scores = s[..., 5:] * (s[..., 4:5] if objectness else t[..., 4:5])
    return boxes.reshape(-1, 4), scores.reshape(len(boxes.reshape(-1, 4)), -1)


# Anchors and priors.


def anchors(
    given: Inputs, *, columns_first: bool = False, area: bool = True, halves: str = "even", before: bool = False,
    square: bool = False,
) -> Any:  # fmt: skip
    sizes, ratios, (rows, columns), stride = given["sizes"], given["ratios"], given["cells"], given["stride"]
    root = np.sqrt(ratios) if area else ratios
    w, h = ((f[:, None] * sizes).reshape(-1) for f in (1 / root, np.ones_like(root) if square else root))
    half = np.stack([w, h], axis=1) / 2
    if before:
        half = np.rint(half * 2) / 2
    else:
        half = np.rint(half) if halves == "even" else np.floor(half + 0.5)
    base = cat(-half, half)
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    if columns_first:
        x, y = x.T, y.T
    shifts = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4) * stride
    return (shifts + base).reshape(-1, 4)


def ssd_priors(
    given: Inputs, *, centre: float = 0.5, mean: str = "geometric", inverse: bool = True, axes: str = "xy",
    turned: bool = False,
) -> Any:  # fmt: skip
    small, large, ratios = given["small"], given["large"], given["ratios"].tolist()
    (rows, columns), (height, width), step = given["cells"], given["size"], given["step"]
    middle = np.sqrt(small * large) if mean == "geometric" else (small + large) / 2
    shapes = [(small, small), (middle, middle)]
    for r in ratios:
        pair = [(small * np.sqrt(r), small / np.sqrt(r)), (small / np.sqrt(r), small * np.sqrt(r))]
        shapes += pair if inverse else [pair[0], pair[0]]
        if turned:
            shapes[-2:] = shapes[:-3:-1]
    image = np.array([width, height] if axes == "xy" else [height, width])
    found = [
        [(i + centre) * step, (j + centre) * step, w, h] for j in range(rows) for i in range(columns) for w, h in shapes
    ]
    boxes = np.array(found)
    return corners(boxes[:, :2] / image, boxes[:, 2:] / image)


# Matchers.


def overlaps(a: Any, b: Any) -> Any:
    """The matrix, in the boxes' dtype."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    both = np.maximum(high - low, 0).prod(axis=2)
    area = [(c[:, 2:] - c[:, :2]).prod(axis=1) for c in (a, b)]
    union = area[0][:, None] + area[1] - both
    return np.where(union > 0, both / np.where(union > 0, union, 1), 0).astype(a.dtype)


def match(
    given: Inputs, *, own: bool = True, tie: bool = True, touched: bool = True, between: bool = True, low: bool = True,
    again: bool = False,
) -> Any:  # fmt: skip
    boxes, truths = given["anchors"], given["truths"]
    high, least = boxes.dtype.type(given["high"]), boxes.dtype.type(given["low"])
    if not len(truths):
        return np.full(len(boxes), -1, np.int64)
    m = overlaps(truths, boxes)
    best, most = m.argmax(axis=0), m.max(axis=0)
    found = np.where(most >= high, best, -2 if between else -1)
    found[most < least] = -1
    for k, row in enumerate(m):
        if row.max() > 0 or not touched:
            near = row == row.max() if tie else np.arange(len(row)) == row.argmax()
            if again:
                near &= most >= least
            if low:
                found[near] = best[near] if own else k
    return found


def ssd_match(
    given: Inputs,
    *,
    over: bool = True,
    forced: bool = True,
    above: bool = False,
    order: bool = False,
    left: bool = True,
) -> Any:
    priors, truths, least = given["priors"], given["truths"], given["priors"].dtype.type(given["threshold"])
    if not len(truths):
        return np.full(len(priors), -1, np.int64)
    m = overlaps(truths, priors)
    best, most = m.argmax(axis=0), m.max(axis=0)
    found = np.where(most >= least, best, -1)
    for k, row in enumerate(m):
        prior = row.argmax()
        if forced and (not above or row[prior] >= least) and (over or found[prior] < 0):
            found[prior] = k if not order else np.argsort(-m[:, prior], kind="stable")[0]
    return found if left else np.where(found < 0, 0, found)


def fpn_level(
    given: Inputs, *, limit: bool = True, root: bool = True, top: int = 0, nearest: bool = False, longest: bool = False
) -> Any:
    w, h = (given["boxes"][:, 2:] - given["boxes"][:, :2]).astype(np.float64).T
    area = np.maximum(w, h) ** 2 * ((w > 0) & (h > 0)) if longest else w * h
    with np.errstate(divide="ignore"):
        size = np.log2(np.sqrt(area) / 224) if root else np.log2(area / 224**2)
    level = np.trunc(4 + size + 1e-6) if nearest else np.floor(4 + size + 1e-6)
    if limit:
        level = level.clip(given["lowest"], given["highest"] - top)
    return np.maximum(level, -99).astype(np.int64)


def _of(function: Callable[..., Any], **options: Any) -> Implementation:
    return lambda given: function(given, **options)


RIGHT: Mapping[str, Implementation] = {
    "ssd_encode": ssd_encode,
    "ssd_decode": ssd_decode,
    "rcnn_encode": rcnn_encode,
    "rcnn_decode": rcnn_decode,
    "yolo_decode": yolo_decode,
    "anchors": anchors,
    "ssd_priors": ssd_priors,
    "match": match,
    "ssd_match": ssd_match,
    "fpn_level": fpn_level,
}
BUGS: Mapping[str, Mapping[str, Implementation]] = {
    "ssd_encode": {
        "the variance of centres for sides, too": _of(ssd_encode, size_variance=0),
        "differences by the box's sides, not the prior's": _of(ssd_encode, by="boxes"),
        "sides without their variance": _of(ssd_encode, centre_only=True),
        "a logarithm to base 2": _of(ssd_encode, base=np.log2),
        "x by the height, y by the width": _of(ssd_encode, turned=True),
    },
    "ssd_decode": {
        "centres shifted in sides that are decoded already": _of(ssd_decode, at_once=False),
        "the variance of centres for sides, too": _of(ssd_decode, sized=False),
        "half a side from the near corner to the far one": _of(ssd_decode, half=0.25),
        "x by the height, y by the width": _of(ssd_decode, swap=True),
        "the first prior for all": _of(ssd_decode, first=True),
    },
    "rcnn_encode": {
        "a pixel more for the box's sides, not the anchor's": _of(rcnn_encode, pixel=1),
        "a pixel more for the anchor's sides, not the box's": _of(rcnn_encode, own=1),
        "the logarithm of anchor by box": _of(rcnn_encode, inverse=True),
        "x by the height, y by the width": _of(rcnn_encode, turned=True),
        "a ratio of sides without its logarithm": _of(rcnn_encode, base=lambda ratio: ratio - 1),
    },
    "rcnn_decode": {
        "the limit before weights are divided by": _of(rcnn_decode, after=False),
        "the weight of x for all four": _of(rcnn_decode, shared=True),
        "a pixel less at the far corner alone": _of(rcnn_decode, edge=1.0),
        "the last anchor for all": _of(rcnn_decode, last=True),
        "a limit for the shifts of centres, too": _of(rcnn_decode, both=True),
    },
    "yolo_decode": {
        "scale_x_y without its shift back": _of(yolo_decode, shift=False),
        "rows and columns of the grid exchanged": _of(yolo_decode, grid="ji"),
        "the stride of x for y, too": _of(yolo_decode, strides="x"),
        "objectness without the logistic function": _of(yolo_decode, objectness=False),
        "channels by number, then by anchor": _of(yolo_decode, layout="5a"),
        "an anchor's height for its width": _of(yolo_decode, wide="hw"),
        "the near corner taken for the centre": _of(yolo_decode, place="corner"),
    },
    "anchors": {
        "columns of cells before rows": _of(anchors, columns_first=True),
        "the ratio without its root": _of(anchors, area=False),
        "halves rounded up": _of(anchors, halves="up"),
        "sides rounded, not corners": _of(anchors, before=True),
        "the ratio for the width alone": _of(anchors, square=True),
    },
    "ssd_priors": {
        "centres at the corners of cells": _of(ssd_priors, centre=0.0),
        "the arithmetic mean of small and large": _of(ssd_priors, mean="arithmetic"),
        "each ratio twice, its inverse never": _of(ssd_priors, inverse=False),
        "the image's height for its width": _of(ssd_priors, axes="yx"),
        "the inverse of a ratio first": _of(ssd_priors, turned=True),
    },
    "match": {
        "ties answer for the truth that asks": _of(match, own=False),
        "one of several equal anchors": _of(match, tie=False),
        "a truth without overlap asks, too": _of(match, touched=False),
        "between the thresholds is below": _of(match, between=False),
        "truths that nothing reaches are forgotten": _of(match, low=False),
        "ties only from the lower threshold on": _of(match, again=True),
    },
    "ssd_match": {
        "a prior that answers already is not given to another truth": _of(ssd_match, over=False),
        "no prior below the threshold": _of(ssd_match, forced=False),
        "the best prior only from the threshold on": _of(ssd_match, above=True),
        "the best prior answers for its own best truth": _of(ssd_match, order=True),
        "nothing is the first truth": _of(ssd_match, left=False),
    },
    "fpn_level": {
        "levels beyond the range": _of(fpn_level, limit=False),
        "the area without its root": _of(fpn_level, root=False),
        "the highest level is never given": _of(fpn_level, top=1),
        "cut towards zero": _of(fpn_level, nearest=True),
        "the longer side for the root of the area": _of(fpn_level, longest=True),
    },
}
