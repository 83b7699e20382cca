"""The small evaluator that the demo uses is one set of rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn_columns import columns

from minidet import metrics
from minidet.metrics.by_rules import evaluate
from minidet.metrics.rules import Rules


def edges(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


@given(columns(flags=False), st.sampled_from([0.25, 0.5, 0.75]))
@settings(max_examples=25)
def test_average_precision_is_that_of_these_rules(case, threshold):
    truths, found = case
    images = range(truths.images)
    small = metrics.evaluate(
        [
            metrics.Found(
                edges(found.boxes[found.image == i]), found.scores[found.image == i], found.label[found.image == i]
            )
            for i in images
        ],
        [metrics.Truth(edges(truths.boxes[truths.image == i]), truths.label[truths.image == i]) for i in images],
        truths.classes,
        iou=threshold,
    )
    report = evaluate(truths, found, Rules(thresholds=(threshold,), interpolation="all", tie="first", limit=None))
    for k in range(truths.classes):
        assert report.ap(label=k) == pytest.approx(small.ap[k], abs=1e-12, nan_ok=True)
    assert report.ap() == pytest.approx(small.mean, abs=1e-12, nan_ok=True)
