"""Our coders, anchors, priors, matchers and levels, called as the suite calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from minidet_kernels.overlap import match

from minidet.boxes.anchors import AnchorLevel
from minidet.boxes.convert import clip, cxcywh_to_xyxy, xyxy_to_cxcywh
from minidet.boxes.encoding import LARGEST, decode, encode
from minidet.boxes.levels import fpn_level
from minidet.boxes.priors import PriorMap, priors, shapes
from minidet.boxes.rcnn import box_targets, decode_boxes
from minidet.boxes.yolo import YoloHead
from minidet.train.prior_match import match_priors
from minidet.train.rcnn_match import BELOW, BETWEEN, match_boxes


def ssd_encode(boxes: Any, priors: Any, variances: Any) -> Any:
    with np.errstate(divide="ignore"):  # of the logarithm of no width
        return encode(xyxy_to_cxcywh(boxes), xyxy_to_cxcywh(priors), variances=variances)


def ssd_decode(deltas: Any, priors: Any, variances: Any, *, largest: float | None = None, inside: bool = False) -> Any:
    boxes = cxcywh_to_xyxy(decode(deltas, xyxy_to_cxcywh(priors), variances=variances, largest=largest))
    return clip(boxes, (1, 1)) if inside else boxes


def rcnn_encode(boxes: Any, anchors: Any, weights: Any) -> Any:
    return box_targets(boxes, anchors, tuple(1 / weights[::2]))


def rcnn_decode(deltas: Any, anchors: Any, weights: Any, size: Any, *, inside: bool = False) -> Any:
    boxes = decode_boxes(deltas, anchors, tuple(1 / weights[::2]))
    return clip(boxes, size) if inside else boxes


def yolo_decode(raw: Any, anchors: Any, size: Any, scale_x_y: float, *, new_coords: bool = False) -> Any:
    classes = raw.shape[1] // len(anchors) - 5
    head = YoloHead(tuple(map(tuple, anchors.tolist())), classes, scale_x_y, new_coords)
    boxes, scores = head.decode(raw, size)
    return boxes[0], scores[0]


def anchors(sizes: Any, ratios: Any, cells: Any, stride: int, *, rule: str = "torchvision", offset: float = 0.0) -> Any:
    level = AnchorLevel(tuple(sizes.tolist()), tuple(ratios.tolist()), rule, offset)
    return level.anchors(*cells, (cells[0] * stride, cells[1] * stride))


def ssd_priors(
    small: float, large: float, ratios: Any, cells: Any, size: Any, step: float, *, clip: Any = "none",
    own_step: bool = True, **options: Any,
) -> Any:  # fmt: skip
    of_a_cell = shapes(small, large, ratios.tolist(), **options)
    made = priors([PriorMap(*cells, step if own_step else None, of_a_cell)], size, clip=clip)
    return cxcywh_to_xyxy(made)


def rcnn_match(
    anchors: Any, truths: Any, high: float, low: float, *, low_quality: Any = "ties", untouched: Any = "leave"
) -> Any:
    return match_boxes(anchors, truths, high=high, low=low, low_quality=low_quality, untouched=untouched).truth


def kernels_match(anchors: Any, truths: Any, high: float, low: float, *, rung: str) -> Any:
    """By the best partners alone: a truth below ``high`` has all anchors that overlap it as its best one does."""
    run = match.using(rung)
    truth, iou, _, best = run(anchors, truths)
    one = anchors.dtype.type
    found = np.where(iou >= one(high), truth, np.where(iou >= one(low), BETWEEN, BELOW))
    for k in range(len(truths)):
        if best[k] > 0:
            _, own, _, _ = run(anchors, truths[k : k + 1])
            found = np.where(own == best[k], truth, found)
    return found if len(truths) else np.full(len(anchors), BELOW, np.int64)


def ssd_match(priors: Any, truths: Any, threshold: float, *, forced: Any = "last", compare: Any = "inclusive") -> Any:
    return match_priors(priors, truths, threshold=threshold, forced=forced, compare=compare).truth


def level(boxes: Any, lowest: int, highest: int, **options: Any) -> Any:
    return fpn_level(boxes, lowest=lowest, highest=highest, **options)


#: What the profile ``minidet`` is asked of, by operator.
FUNCTIONS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "ssd_encode": {"encode": ssd_encode},
    "ssd_decode": {"decode": ssd_decode},
    "rcnn_encode": {"box_targets": rcnn_encode},
    "rcnn_decode": {"decode_boxes": rcnn_decode},
    "yolo_decode": {"YoloHead": yolo_decode},
    "anchors": {"AnchorLevel": anchors},
    "ssd_priors": {"priors": ssd_priors},
    "match": {
        "match_boxes": rcnn_match,
        **{f"match, {rung}": partial(kernels_match, rung=rung) for rung in ("definition", *match.rungs("numpy"))},
    },
    "ssd_match": {"match_priors": ssd_match},
    "fpn_level": {"fpn_level": level},
}
#: Our other options: the function with them, and the conventions in which that departs from the profile.
OPTIONS: tuple[tuple[str, Callable[..., Any], Mapping[str, str]], ...] = (
    ("ssd_decode", partial(ssd_decode, largest=LARGEST), {"clamp": "log_62.5"}),
    ("ssd_decode", partial(ssd_decode, inside=True), {"clip": "unit"}),
    ("rcnn_decode", partial(rcnn_decode, inside=True), {"clip": "edges"}),
    ("yolo_decode", partial(yolo_decode, new_coords=True), {"activation": "before", "wh": "square"}),
    ("anchors", partial(anchors, rule="detectron2"), {"base": "exact", "order": "sizes_first"}),
    ("anchors", partial(anchors, rule="detectron"), {"base": "legacy"}),
    ("anchors", partial(anchors, offset=0.5), {"offset": "middle"}),
    ("ssd_priors", partial(ssd_priors, order="small, ratios, large"), {"order": "small_ratios_large"}),
    ("ssd_priors", partial(ssd_priors, sizes="truncated"), {"sizes": "truncated"}),
    ("ssd_priors", partial(ssd_priors, own_step=False), {"centre": "map"}),
    ("ssd_priors", partial(ssd_priors, clip="corners"), {"clip": "corners"}),
    ("ssd_priors", partial(ssd_priors, clip="centres"), {"clip": "centres"}),
    ("ssd_priors", partial(ssd_priors, clip="sides"), {"clip": "sides"}),
    ("match", partial(rcnn_match, low_quality="none"), {"low_quality": "none"}),
    ("match", partial(rcnn_match, low_quality="first"), {"low_quality": "one_last"}),
    ("match", partial(rcnn_match, untouched="all"), {"untouched": "all"}),
    (
        "match",
        partial(rcnn_match, low_quality="first", untouched="all"),
        {"low_quality": "one_last", "untouched": "all"},
    ),
    ("ssd_match", partial(ssd_match, forced="none"), {"forced": "none"}),
    ("ssd_match", partial(ssd_match, compare="strict"), {"compare": "strict"}),
    ("ssd_match", partial(ssd_match, forced="bipartite"), {"forced": "bipartite", "untouched": "left"}),
    ("fpn_level", partial(level, rule="detectron2"), {"rule": "eps_inside_1e-8"}),
    ("fpn_level", partial(level, rule="matterport"), {"rule": "round"}),
    ("fpn_level", partial(level, side="inclusive"), {"width": "inclusive"}),
)
