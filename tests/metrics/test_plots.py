"""Pictures of an evaluation are whole files, of any number of classes, and of nothing."""

from __future__ import annotations

import numpy as np
import pytest
from support.drawn_columns import found_columns, truth_columns

from minidet.data.image import load_image
from minidet.metrics.by_rules import evaluate
from minidet.metrics.plots import save_confusion, save_curves
from minidet.metrics.rules import RULES

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("classes", [1, 3, 25])
def test_plots_of_classes(tmp_path, classes):
    boxes = [[10.0 * k, 0.0, 8.0, 8.0] for k in range(classes)]
    truths = truth_columns([{"image": 0, "label": k, "box": b} for k, b in enumerate(boxes)], images=1, classes=classes)
    found = found_columns([(0, k, b, 0.5 + k / 100) for k, b in enumerate(boxes)])
    names = [f"_{k} <$\\frac$> $" for k in range(classes)]
    save_curves(evaluate(truths, found, RULES["coco"]), names, tmp_path / "a.png")
    save_confusion(np.eye(classes + 1, dtype=int), names, tmp_path / "b.png")
    first = (tmp_path / "a.png").read_bytes()
    save_curves(evaluate(truths, found, RULES["coco"]), names, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == first, "the same every time"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert load_image(tmp_path / "a.png").std() > 0
    assert load_image(tmp_path / "b.png").std() > 0


def test_plots_of_nothing(tmp_path):
    report = evaluate(truth_columns([], images=1, classes=2), found_columns([]), RULES["coco"])
    save_curves(report, ["a", "b"], tmp_path / "a.png")
    save_confusion(np.zeros((3, 3), int), ["a", "b"], tmp_path / "b.png")
    assert load_image(tmp_path / "a.png").shape[2] == 3
