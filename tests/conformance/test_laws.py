"""Laws hold of what is right in any dialect, and each is broken by some fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minidet_kernels.overlap import iou_matrix
from minidet_kernels.pooling import max_pool2d
from minidet_kernels.regions import roi_align
from minidet_kernels.resampling import resize
from minidet_kernels.suppression import batched_nms, nms
from support.own_targets import Here, target

from minidet.cli import main
from minidet.conformance import LAWS, OPERATORS, laws, profiles
from minidet.conformance.laws.ask import asked

HERE = Path(__file__).parent


#: Their faults are rarer than one in forty.
THOROUGH = ("nms", "batched_nms")


@pytest.mark.parametrize("name", sorted(LAWS))
def test_they_hold_of_ours(name: str):
    operator = OPERATORS[name]
    examples = 100 if name in THOROUGH else 40
    found = laws(operator, target(name), operator.dialect(**profiles()["minidet"][name]), examples=examples)
    assert [(one.law.name, one.inputs) for one in found if one.word != "holds"] == []
    assert len(found) == len(LAWS[name]) >= 3
    assert all(one.tried >= 20 for one in found)


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("nms", {"compare": "inclusive"}),
        ("nms", {"width": "inclusive"}),
        ("nms", {"output_order": "index"}),
        ("nms", {"ties": "highest"}),
        ("nms", {"empty": "suppress"}),
        ("iou", {"width": "inclusive"}),
        ("iou", {"empty": "add_1e-7"}),
        ("roi_align", {"aligned": "half_pixel", "min_size": "none"}),
        ("roi_align", {"reduction": "max_corners"}),
        ("max_pool2d", {"windows": "darknet"}),
        ("max_pool2d", {"padding_value": "zero"}),
        ("resize", {"sampling": "bilinear_antialias"}),
    ],
)
def test_no_convention_breaks_one_that_it_does_not_suspend(name: str, dialect: dict[str, str]):
    operator = OPERATORS[name]
    full = operator.dialect(**{**profiles()["minidet"][name], **dialect})
    found = laws(operator, Here(lambda **inputs: operator.reference(inputs, full)), full, examples=25)
    assert [(one.law.name, one.inputs) for one in found if one.word not in ("holds", "suspended")] == []


def suspended(name: str, **dialect: str) -> set[str]:
    operator = OPERATORS[name]
    full = operator.dialect(**{**profiles()["minidet"][name], **dialect})
    never = Here(lambda **inputs: operator.reference(inputs, full))
    return {one.law.name for one in laws(operator, never, full, examples=1) if one.word == "suspended"}


def test_inclusive_pixels_suspend_scaling_alone():
    assert suspended("nms", width="inclusive") == {"scale"}
    assert suspended("nms") == set()


# Faults, and a law that each breaks.


def by_offset(boxes: Any, scores: Any, classes: Any, threshold: float) -> Any:
    """Classes are shifted apart by the greatest coordinate, in small calls."""
    if boxes.size <= 4000:
        boxes = boxes + (classes * (boxes.max() + 1))[:, None].astype(boxes.dtype)
        return nms(boxes, scores, threshold=threshold)
    return batched_nms(boxes, scores, classes, threshold=threshold)


def thirds(boxes: Any, scores: Any, threshold: float) -> Any:
    """Coordinates are clipped at zero."""
    return nms(np.maximum(boxes, 0), scores, threshold=threshold)


def by_place(boxes: Any, scores: Any, threshold: float) -> Any:
    """Scores are not looked at."""
    return nms(boxes, np.arange(len(scores), 0, -1).astype(np.float32), threshold=threshold)


def few(boxes: Any, scores: Any, threshold: float) -> Any:
    """No more than a thousand boxes are looked at, the first ones."""
    return nms(boxes, scores, threshold=threshold) if len(boxes) < 1000 else np.zeros(0, np.int64)


def sides_of(boxes: Any, scores: Any, threshold: float) -> Any:
    """IoU along x alone."""
    flat = boxes.copy()
    flat[:, 1], flat[:, 3] = 0, 1
    return nms(flat, scores, threshold=threshold)


def with_pixels(boxes: Any, scores: Any, threshold: float) -> Any:
    return nms(boxes, scores, threshold=threshold, width="inclusive")


@pytest.mark.parametrize(
    ("name", "wrong", "arrays", "law"),
    [
        ("batched_nms", by_offset, 4, "below zero"),
        ("batched_nms", lambda b, s, c, t: nms(b, s, threshold=t), 4, "class by class"),
        ("nms", thirds, 3, "translate"),
        ("nms", by_place, 3, "order"),
        ("nms", few, 3, "many far away"),
        ("nms", sides_of, 3, "transpose"),
        ("nms", with_pixels, 3, "scale"),
        ("nms", lambda b, s, t: nms(b, s, threshold=t)[:2], 3, "far away"),
        ("nms", lambda b, s, t: nms(b, s, threshold=t)[: len(b) // 2 + 1], 3, "once more"),
        ("iou", lambda a, b: iou_matrix(a, b) + (a[:, :1] < 0), 2, "translate"),
        ("iou", lambda a, b: iou_matrix(a, b) * (1 + (b[:, 2] - b[:, 0])), 2, "symmetry"),
        ("iou", lambda a, b: iou_matrix(a, a[::-1][: len(b)]) if len(a) >= len(b) else iou_matrix(a, b), 2, "pairs"),
        ("iou", lambda a, b: iou_matrix(a, b) * (1 + (b[:, 3] - b[:, 1])), 2, "transpose"),
        ("iou", lambda a, b: iou_matrix(a, b, width="inclusive"), 2, "scale"),
        ("roi_align", lambda x, r, **o: roi_align(x, r[::-1].copy(), **o), 2, "region alone"),
        ("roi_align", lambda x, r, **o: roi_align(x, r, **o) + 1, 2, "double"),
        ("roi_align", lambda x, r, **o: roi_align(x, r, **o) * (1 + len(x)), 2, "image alone"),
        ("roi_align", lambda x, r, **o: roi_align(x, r * np.float32([1, 1, 1, 1, 0.5]), **o), 2, "transpose"),
        ("max_pool2d", lambda x, **o: np.maximum(max_pool2d(x, **o)[0], -3), 1, "double"),
        ("max_pool2d", lambda x, **o: max_pool2d(x - x.mean(axis=0), **o)[0], 1, "image alone"),
        ("max_pool2d", lambda x, **o: np.maximum.accumulate(max_pool2d(x, **o)[0], axis=3), 1, "transpose"),
        ("resize", lambda x, **o: resize(x, **o).clip(-3, 3), 1, "double"),
        ("resize", lambda x, **o: resize(x[::-1].copy(), **o), 1, "image alone"),
        ("resize", lambda x, **o: resize(np.sort(x, axis=3), **o), 1, "transpose"),
    ],
)
def test_a_fault_breaks_its_law(name: str, wrong: Callable[..., Any], arrays: int, law: str):
    operator = OPERATORS[name]
    (one,) = (one for one in LAWS[name] if one.name == law)
    found = asked(one, operator, Here(wrong, arrays), operator.dialect(**profiles()["minidet"][name]))
    assert found.word == "broken"


def test_every_law_of_nms_has_a_fault_here():
    assert {law.name for law in LAWS["batched_nms"]} == {
        "transpose", "translate", "below zero", "scale", "far away", "many far away", "order", "once more",
        "class by class",
    }  # fmt: skip


def test_the_command_says_which_law_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.syspath_prepend(str(HERE))
    words = ["conform", "laws", "targets:chained", "--op", "nms", "--profile", "minidet", "--examples", "20"]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "far away" in said
    assert "broken: a worse box far away changes nothing for the others" in said
    assert "boxes = np.array(" in said
    assert main([*words, "--json"]) == 1
    assert {one["verdict"] for one in json.loads(capsys.readouterr().out)["laws"]} >= {"broken", "holds"}
    assert main(["conform", "laws", "targets:dies", "--op", "nms", "--profile", "minidet", "--examples", "20"]) == 1
    assert "crashes (ended by SIGABRT" in capsys.readouterr().out
