"""Real libraries where rounding may decide: no false divergence; and OpenCV's Soft-NMS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from minidet.conformance import OPERATORS, Target, check, fingerprint, profiles

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _wrappers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.mark.parametrize(
    ("path", "name", "profile", "dtype", "options"),
    [
        ("torchvision.ops:nms", "nms", "torchvision-cpu", "float32", {}),
        ("torchvision.ops:nms", "nms", "torchvision-cpu", "float64", {}),
        ("torchvision.ops:batched_nms", "batched_nms", "torchvision-cpu", "float32", {}),
        ("torchvision.ops:batched_nms", "batched_nms", "torchvision-cpu", "float64", {}),
        ("opencv_targets:nms", "nms", "opencv", "float32", {"arrays": "list", "form": "xywh"}),
        ("onnx_targets:nms", "nms", "onnxruntime", "float32", {}),
    ],
)
def test_a_library_conforms_to_its_profile_also_where_boxes_are_not_whole(
    path: str, name: str, profile: str, dtype: str, options: dict[str, Any]
):
    operator = OPERATORS[name]
    with Target(path, boxes=operator.boxes, **options) as target:
        verdict = check(
            operator, target, operator.dialect(**profiles()[profile][name]), dtype=dtype, examples=300, seed=2
        )
    assert verdict.word == "conforms", verdict.found


def not_whole(inputs: Mapping[str, Any]) -> str:
    return "boxes that are not of whole numbers" if (inputs["boxes"] % 1).any() else ""


@pytest.mark.parametrize("linear", [False, True])
def test_opencv_soft_nms_keeps_a_score_at_the_least_and_takes_two_empty_boxes_for_one(linear: bool):
    operator = OPERATORS["soft_nms"]
    options: dict[str, Any] = {"arrays": "list", "form": "xywh", "extra": {"linear": linear}}
    with Target("overlap_targets:soft_nms", boxes=operator.boxes, outputs=operator.outputs, **options) as target:
        one = fingerprint(operator, target)
        dialect = operator.dialect(**{n: values[0] for n, values in one.values.items()})
        verdict = check(operator, target, dialect, skip=not_whole)
    assert not one.unexplained
    assert one.values["kernel"] == ("linear" if linear else "gaussian",)
    assert (one.values["at_floor"], one.values["empty"], one.values["top"]) == (("kept",), ("one",), ("checked",))
    assert one.values["compare" if linear else "spread"] == ("strict" if linear else "sigma",)
    assert verdict.word == "conforms", verdict.found
    assert verdict.left_out["boxes that are not of whole numbers"] > 10
