"""Every choice by which evaluators of detections differ, each by name.

Two programs that report "mAP" of the same boxes disagree because they differ in one of these.  A set of values is a
``Rules``; ``RULES`` holds the well-known ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

#: IoU .50, .55, ... .95, as quotients of integers rounded once.
COCO_THRESHOLDS = tuple(t / 100 for t in range(50, 100, 5))

#: The same as COCO's program makes them: its ninth is .8999999999999999.
LINSPACE_THRESHOLDS = tuple(float(t) for t in np.linspace(0.5, 0.95, 10))

#: The same in float32, as torchmetrics makes them.
FLOAT32_THRESHOLDS = tuple(float(np.float32(t)) for t in COCO_THRESHOLDS)

#: COCO's ranges of areas in pixels, both ends included.
COCO_AREAS = {"all": (0.0, 1e10), "small": (0.0, 1024.0), "medium": (1024.0, 9216.0), "large": (9216.0, 1e10)}


@dataclass(frozen=True)
class Rules:
    """How detections are matched and precision is integrated.  The defaults are COCO's, computed exactly.

    thresholds      of IoU; AP is the mean over them.
    interpolation   "coco101", the mean of the interpolated precision at recalls 0, .01, ... 1; "voc11", 0, .1, ... 1;
                    "all", the area under the interpolated curve (VOC 2010 and later); "yolov5", the trapezoids through
                    101 recalls of a curve drawn straight from its last point to precision 0 at recall 1; "ultralytics",
                    the same of a curve that falls to 0 at its last point.
    recall_bins     "exact": a recall k/n reaches the bin i/100 when 100 k >= i n; "float": compared as float64 with
                    ``numpy.linspace`` (COCO's program: k/n = .7 misses its own bin) or ``numpy.arange`` (VOC's);
                    "float32": with the bins rounded to float32 (torchmetrics).
    precision       "exact": tp / (tp + fp); "epsilon": tp / (tp + fp + 2^-52), as COCO's program does.
    match           "free": a detection takes the best truth that is not taken; "best": it looks at its best truth
                    alone, and is false when that is taken (VOC).
    compare         ">=" or ">" of IoU against the threshold.
    tie             of truths with equal IoU, which is taken: "last" (COCO's program) or "first".
    score_ties      of detections with equal scores, which is ranked first: "images", in the order of the images and
                    within an image as given; "hits_first" and "hits_last", the best and the worst that this order could
                    make of it; "together", none: they enter the curve at once.
    pixels          "exclusive": a box is x2 - x1 wide; "inclusive": x2 - x1 + 1 (VOC's development kit).
    crowd           "ignore": a detection inside a crowd (intersection over its own area) is not counted; "drop": crowds
                    are as if not annotated; "count": they are truths like any other.
    difficult       "ignore": neither it nor what matches it is counted; "count": a truth like any other.
    limit           most detections that take part, best first; None for no limit.
    limit_per       what ``limit`` is for: "class", each class of an image, or "image".
    area            of a truth, for the ranges: "annotated" (its own where not given) or "box".
    areas           names and ranges of areas, both ends included; the first is what AP is without a name.
    score_floor     detections with a lower score do not take part; None for none.
    zero_area       truths without area: "count" or "drop".
    zero_id         "matches"; "unmatched": a truth whose annotation id is 0 never makes a match, as in COCO's program.
    absent          a class without a truth: "skip", it has no AP; "zero", its AP is 0 and counts in the mean.
    """

    thresholds: tuple[float, ...] = COCO_THRESHOLDS
    interpolation: Literal["coco101", "voc11", "all", "yolov5", "ultralytics"] = "coco101"
    recall_bins: Literal["exact", "float", "float32"] = "exact"
    precision: Literal["exact", "epsilon"] = "exact"
    match: Literal["free", "best"] = "free"
    compare: Literal[">=", ">"] = ">="
    tie: Literal["first", "last"] = "last"
    score_ties: Literal["images", "together", "hits_first", "hits_last"] = "images"
    pixels: Literal["exclusive", "inclusive"] = "exclusive"
    crowd: Literal["ignore", "drop", "count"] = "ignore"
    difficult: Literal["ignore", "count"] = "count"
    limit: int | None = 100
    limit_per: Literal["class", "image"] = "class"
    area: Literal["annotated", "box"] = "annotated"
    areas: tuple[tuple[str, float, float], ...] = tuple((name, *ends) for name, ends in COCO_AREAS.items())
    score_floor: float | None = None
    zero_area: Literal["count", "drop"] = "count"
    zero_id: Literal["matches", "unmatched"] = "matches"
    absent: Literal["skip", "zero"] = "skip"

    def __post_init__(self) -> None:
        for name, allowed in _choices().items():
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(f"rules: {name} is one of {', '.join(allowed)}, found {value!r}")
        if not self.thresholds or not all(0 < t <= 1 for t in self.thresholds):
            raise ValueError(f"rules: thresholds are IoUs, at least one, above 0 and up to 1, found {self.thresholds}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"rules: limit is a number of detections from 1, or None, found {self.limit}")
        if not self.areas or any(low > high for _, low, high in self.areas):
            raise ValueError(f"rules: areas are (name, least, most), at least one, found {self.areas}")


@cache
def _choices() -> dict[str, tuple[str, ...]]:
    """The fields that are one of some words, and these."""
    hints = {name: get_args(hint) for name, hint in get_type_hints(Rules).items()}
    return {name: words for name, words in hints.items() if words and all(isinstance(word, str) for word in words)}


def _rules(base: Rules, **changes: Any) -> Rules:
    return replace(base, **changes)


_COCO = Rules()
_PYCOCOTOOLS = _rules(
    _COCO, thresholds=LINSPACE_THRESHOLDS, recall_bins="float", precision="epsilon", zero_id="unmatched"
)
_VOC = _rules(
    _COCO,
    thresholds=(0.5,),
    interpolation="all",
    match="best",
    compare=">",
    tie="first",
    difficult="ignore",
    limit=None,
)
_YOLOV5 = _rules(
    _COCO, interpolation="yolov5", match="best", crowd="count", limit=300, limit_per="image", score_floor=0.001
)

#: Rules by the name of whoever uses them.
RULES: dict[str, Rules] = {
    "coco": _COCO,
    "coco-boxes-area": _rules(_COCO, area="box"),  # areas of boxes where COCO's files have those of masks
    "pycocotools": _PYCOCOTOOLS,
    "torchmetrics": _rules(
        _PYCOCOTOOLS, thresholds=FLOAT32_THRESHOLDS, recall_bins="float32", area="box", zero_id="matches"
    ),  # it numbers annotations from 1, and is rarely told areas
    "voc2007": _rules(_VOC, interpolation="voc11", recall_bins="float", pixels="inclusive"),
    "voc2012": _rules(_VOC, pixels="inclusive"),
    "voc2007-exclusive": _rules(_VOC, interpolation="voc11", recall_bins="float"),
    "voc2012-exclusive": _VOC,
    "darknet": _rules(_VOC, score_floor=0.005, absent="zero"),  # AlexeyAB's `detector map`
    "darknet11": _rules(_VOC, interpolation="voc11", score_floor=0.005, absent="zero"),  # ... with `-points 11`
    "darknet101": _rules(_VOC, interpolation="coco101", score_floor=0.005, absent="zero"),  # ... with `-points 101`
    "yolov5": _YOLOV5,
    "ultralytics": _rules(_YOLOV5, interpolation="ultralytics"),
}
