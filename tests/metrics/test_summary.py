"""The summary: what it holds together, and that many detections are evaluated fast to the same numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn_columns import columns

from minidet.metrics import summary
from minidet.metrics.counts import best_f1, together
from minidet.metrics.rules import RULES

NAMES = ["a", "b", "c"]


@given(columns(), st.sampled_from(["coco", "pycocotools", "coco-boxes-area", "torchmetrics"]))
@settings(max_examples=12)
def test_many_detections_have_the_same_numbers(case, name):
    slow = summary.summarise(*case, RULES[name], NAMES)
    before, summary.MANY = summary.MANY, 0
    try:
        fast = summary.summarise(*case, RULES[name], NAMES)
    finally:
        summary.MANY = before
    assert fast.numbers == pytest.approx(slow.numbers, abs=1e-12, nan_ok=True)
    for one, other in zip(fast.classes, slow.classes, strict=True):
        assert one.pop("name") == other.pop("name")
        assert one == pytest.approx(other, abs=1e-12, nan_ok=True)
    assert fast.counts == slow.counts
    assert (fast.confusion == slow.confusion).all()
    assert (fast.dropped, fast.at, fast.iou) == (slow.dropped, slow.at, slow.iou)


@given(columns(), st.sampled_from(sorted(RULES)))
@settings(max_examples=20)
def test_it_holds_together(case, name):
    found = summary.summarise(*case, replace(RULES[name], zero_area="drop"), NAMES)
    best = best_f1(together(found.curves.curve(k) for k in range(3)))
    assert found.counts == best
    assert found.at == best.score
    assert found.counts.right + found.counts.missed == sum(row["truths"] for row in found.classes)
    for row in found.classes:
        assert math.isnan(row["recall"]) == (row["truths"] == 0)
    assert found.to_dict()["counts"]["f1"] == pytest.approx(best.f1, nan_ok=True)
