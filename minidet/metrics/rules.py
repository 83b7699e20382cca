"""Every choice by which evaluators of detections differ, each by name.

Two programs that report "mAP" of the same boxes disagree because they differ in one of these.  A set of values is a
``Rules``; ``RULES`` holds the well-known ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: IoU .50, .55, ... .95, as quotients of integers rounded once.
COCO_THRESHOLDS = tuple(t / 100 for t in range(50, 100, 5))

#: COCO's ranges of areas in pixels, both ends included.
COCO_AREAS = {"all": (0.0, 1e10), "small": (0.0, 1024.0), "medium": (1024.0, 9216.0), "large": (9216.0, 1e10)}


@dataclass(frozen=True)
class Rules:
    """How detections are matched and precision is integrated.  The defaults are COCO's, computed exactly.

    thresholds      of IoU; AP is the mean over them.
    interpolation   "coco101", the mean of the interpolated precision at recalls 0, .01, ... 1; "voc11", 0, .1, ... 1;
                    "all", the area under the interpolated curve (VOC 2010 and later).
    recall_bins     "exact": a recall k/n reaches the bin i/100 when 100 k >= i n; "float": compared as float64 with
                    ``numpy.linspace`` (COCO's program: k/n = .7 misses its own bin) or ``numpy.arange`` (VOC's).
    precision       "exact": tp / (tp + fp); "epsilon": tp / (tp + fp + 2^-52), as COCO's program does.
    match           "free": a detection takes the best truth that is not taken; "best": it looks at its best truth
                    alone, and is false when that is taken (VOC).
    compare         ">=" or ">" of IoU against the threshold.
    tie             of truths with equal IoU, which is taken: "last" (COCO's program) or "first".
    pixels          "exclusive": a box is x2 - x1 wide; "inclusive": x2 - x1 + 1 (VOC's development kit).
    crowd           "ignore": a detection inside a crowd (intersection over its own area) is not counted; "drop": crowds
                    are as if not annotated; "count": they are truths like any other.
    difficult       "ignore": neither it nor what matches it is counted; "count": a truth like any other.
    limit           most detections of an image and class, best first; None for no limit.
    area            of a truth, for the ranges: "annotated" (its own where not given) or "box".
    areas           names and ranges of areas, both ends included.
    score_floor     detections with a lower score do not take part; None for none.
    zero_area       truths without area: "count" or "drop".
    zero_id         "matches"; "unmatched": a truth whose annotation id is 0 never makes a match, as in COCO's program.
    """

    thresholds: tuple[float, ...] = COCO_THRESHOLDS
    interpolation: Literal["coco101", "voc11", "all"] = "coco101"
    recall_bins: Literal["exact", "float"] = "exact"
    precision: Literal["exact", "epsilon"] = "exact"
    match: Literal["free", "best"] = "free"
    compare: Literal[">=", ">"] = ">="
    tie: Literal["first", "last"] = "last"
    pixels: Literal["exclusive", "inclusive"] = "exclusive"
    crowd: Literal["ignore", "drop", "count"] = "ignore"
    difficult: Literal["ignore", "count"] = "count"
    limit: int | None = 100
    area: Literal["annotated", "box"] = "annotated"
    areas: tuple[tuple[str, float, float], ...] = tuple((name, *ends) for name, ends in COCO_AREAS.items())
    score_floor: float | None = None
    zero_area: Literal["count", "drop"] = "count"
    zero_id: Literal["matches", "unmatched"] = "matches"


_VOC = {"thresholds": (0.5,), "match": "best", "compare": ">", "tie": "first", "difficult": "ignore", "limit": None}

#: Rules by the name of whoever uses them.
RULES: dict[str, Rules] = {
    "coco": Rules(),
    "pycocotools": Rules(recall_bins="float", precision="epsilon", zero_id="unmatched"),
    "voc2007": Rules(interpolation="voc11", recall_bins="float", pixels="inclusive", **_VOC),  # type: ignore[arg-type]
    "voc2012": Rules(interpolation="all", pixels="inclusive", **_VOC),  # type: ignore[arg-type]
}
