"""Each law of evaluation, of runs and of outlines is broken by a fault; none by a convention that it allows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from support.own_metrics import coco_ap_by_rules, polygon_mask, rle, voc_ap
from support.own_targets import Here

from minidet.conformance import LAWS, OPERATORS, laws, profiles
from minidet.conformance.draws import DRAWS
from minidet.conformance.search import smallest
from minidet.metrics.rules import RULES


def breaks(name: str, function: Callable[..., Any], law: str) -> bool:
    """Does it break that law?  The first input is enough, and is not shrunk."""
    operator, seen = OPERATORS[name], []
    (asked,) = [one for one in LAWS[name] if one.name == law]
    dialect = operator.dialect(**profiles()["minidet"][name])

    def call(inputs: Any) -> Any:
        return Here(function).call(inputs).answer

    def wrong(inputs: dict[str, Any]) -> bool:
        if not seen and not operator.same(*asked.ask(call, inputs), inputs):
            seen.append(inputs)
            return True
        return False

    return smallest(DRAWS[name](dialect), wrong, examples=200, seed=0)[1]


def words(name: str, function: Callable[..., Any], examples: int = 100, **dialect: str) -> dict[str, str]:
    operator = OPERATORS[name]
    full = operator.dialect(**{**profiles()["minidet"][name], **dialect})
    return {one.law.name: one.word for one in laws(operator, Here(function), full, examples=examples)}


def changed(function: Callable[..., Any], **changes: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
    """The function of inputs of which some are others."""
    return lambda **inputs: function(**{**inputs, **{name: change(inputs) for name, change in changes.items()}})


def by_place(inputs: dict[str, Any]) -> np.ndarray:
    """Scores by which the first detection is the best."""
    return np.arange(len(inputs["scores"]), 0, -1) / 16


ZEROS = {name: lambda inputs, name=name: np.zeros_like(inputs[name]) for name in ("labels", "truth_labels")}
coco = coco_ap_by_rules


@pytest.mark.parametrize(
    ("name", "wrong", "law"),
    [
        ("coco_ap", partial(coco, rules=RULES["pycocotools"]), "ids"),
        ("coco_ap", changed(coco, scores=by_place), "order"),
        ("coco_ap", changed(coco, scores=lambda i: i["scores"] * (1 + i["images"])), "images"),
        ("coco_ap", changed(coco, truth_crowd=lambda i: i["truth_crowd"] | (i["truth_images"] == 0)), "empty image"),
        ("coco_ap", changed(coco, **ZEROS), "class alone"),
        ("coco_ap", changed(coco, boxes=lambda i: i["boxes"] + np.float32([0, 0, 1, 1])), "double"),
        ("coco_ap", changed(coco, boxes=lambda i: np.minimum(i["boxes"], 10)), "translate"),
        ("voc_ap", changed(voc_ap, scores=by_place), "order"),
        ("voc_ap", lambda **i: voc_ap(**i) * len(i["scores"]), "worse miss"),
    ],
)
def test_a_fault_breaks_its_law(name: str, wrong: Callable[..., Any], law: str):
    assert breaks(name, wrong, law)


@pytest.mark.parametrize(
    ("name", "wrong", "law"),
    [
        ("rle", lambda mask: rle(mask)[1:], "sum"),
        ("rle", lambda mask: np.append(rle(mask), 0), "column"),
        ("rle", lambda mask: rle(mask) * (1 + mask[0, 0].astype(np.int64)), "complement"),
        ("polygon_mask", lambda polygon, size: polygon_mask(polygon[:-1], size), "start"),
        ("polygon_mask", lambda polygon, size: polygon_mask(polygon[:3], size), "direction"),
        ("polygon_mask", lambda polygon, size: polygon_mask(np.maximum(polygon, 0), size), "move"),
    ],
)
def test_a_fault_of_masks_breaks_its_law(name: str, wrong: Callable[..., Any], law: str):
    assert breaks(name, wrong, law)


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("coco_ap", {"score_ties": "backwards", "tie": "first", "match": "best"}),
        ("coco_ap", {"width": "inclusive", "interpolation": "yolov5"}),
        ("coco_ap", {"limit_per": "image", "areas": "half_open", "area": "measured"}),
        ("coco_ap", {"score_ties": "together", "crowd": "drop", "ignore": "honoured", "no_truth": "zero"}),
        ("coco_mask_ap", {"interpolation": "area", "crowd": "count", "area": "measured"}),
        ("voc_ap", {"interpolation": "eleven", "width": "inclusive", "difficult": "ignore"}),
        ("rle", {"order": "rows", "start": "as_it_is"}),
        ("rle", {"form": "pairs"}),
        ("polygon_mask", {"fill": "coco"}),
        ("polygon_mask", {"fill": "closed", "corners": "yx"}),
    ],
)
def test_no_convention_breaks_a_law_that_it_does_not_suspend(name: str, dialect: dict[str, str]):
    operator = OPERATORS[name]
    full = operator.dialect(**{**profiles()["minidet"][name], **dialect})
    found = words(name, lambda **inputs: operator.reference(inputs, full), 20, **dialect)
    assert set(found.values()) <= {"holds", "suspended"}, found
    assert len(found) == len(LAWS[name])
