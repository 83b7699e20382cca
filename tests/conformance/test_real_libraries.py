"""What is found out about libraries that nobody here wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from minidet.conformance import OPERATORS, Fingerprint, Target, fingerprint, laws, profiles

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _wrappers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def found(path: str, name: str, *, dtype: str = "float32", **options: object) -> Fingerprint:
    operator = OPERATORS[name]
    with Target(path, boxes=operator.boxes, **options) as target:  # type: ignore[arg-type]
        return fingerprint(operator, target, dtype=dtype)


def follows(one: Fingerprint, **values: str) -> None:
    assert not one.unexplained
    assert {name: one.values[name] for name in values} == {name: (value,) for name, value in values.items()}


def test_torchvision_nms():
    one = found("torchvision.ops:nms", "nms")
    assert "torchvision-cpu" in one.profiles()
    known = dict(profiles()["torchvision-cpu"]["nms"])
    del known["inverted"]  # nothing tells it from "empty" by the other conventions that torchvision follows
    follows(one, **known)


def test_torchvision_nms_of_float64_compares_in_float64():
    assert found("torchvision.ops:nms", "nms", dtype="float64").values["compare"] == ("strict",)


def test_torchvision_loses_a_box_of_another_class_below_zero_and_not_among_many():
    one = found("torchvision.ops:batched_nms", "batched_nms")
    follows(one, batching="offset_if_few", compare_dtype="double_threshold")


def test_torchvision_breaks_laws_of_batched_nms_where_boxes_are_below_zero():
    """Its shift of classes by the greatest coordinate is too small there; whatever changes that changes the answer."""
    operator = OPERATORS["batched_nms"]
    with Target("torchvision.ops:batched_nms", boxes=operator.boxes) as target:
        asked = laws(operator, target, operator.dialect(**profiles()["torchvision-cpu"]["batched_nms"]))
    found = {one.law.name: one for one in asked if one.word != "holds"}
    assert {one.word for one in found.values()} == {"broken"}
    assert {"transpose", "order"}.isdisjoint(found)
    broken = found["below zero"]
    assert broken.inputs is not None
    assert len(broken.inputs["boxes"]) <= 3
    assert len(set(broken.inputs["classes"].tolist())) == 2


def test_torchvision_box_iou():
    follows(found("torchvision.ops:box_iou", "iou"), **profiles()["torchvision-cpu"]["iou"])


def test_torchvision_roi_align_in_both_alignments():
    follows(found("torchvision.ops:roi_align", "roi_align"), aligned="corner", min_size="one", outside="margin")
    aligned = found("torchvision.ops:roi_align", "roi_align", extra={"aligned": True})
    follows(aligned, **profiles()["detectron2"]["roi_align"])


def test_torch_pooling_and_resizing():
    follows(found("torch.nn.functional:max_pool2d", "max_pool2d"), windows="floor", nan="propagates")
    ceil = found("torch.nn.functional:max_pool2d", "max_pool2d", extra={"ceil_mode": True})
    follows(ceil, windows="ceil_dropped", padding_value="minus_infinity")
    for mode, sampling in (("nearest", "nearest_floor"), ("nearest-exact", "nearest_exact"), ("bilinear", "bilinear")):
        follows(found("torch.nn.functional:interpolate", "resize", extra={"mode": mode}), sampling=sampling)
    smooth = {"mode": "bilinear", "antialias": True}
    follows(found("torch.nn.functional:interpolate", "resize", extra=smooth), sampling="bilinear_antialias")
    corners = {"mode": "bilinear", "align_corners": True}
    follows(found("torch.nn.functional:interpolate", "resize", extra=corners), sampling="bilinear_align_corners")


def test_opencv_nms_takes_two_empty_boxes_for_one():
    one = found("opencv_targets:nms", "nms", arrays="list", form="xywh")
    follows(one, compare="strict", empty="suppress", nan_scores="dropped", compare_dtype="complement")
    assert "opencv" in one.profiles()


def test_opencv_resize():
    follows(found("opencv_targets:resize", "resize"), sampling="bilinear")


def test_onnxruntime_nms_takes_any_two_corners():
    one = found("onnx_targets:nms", "nms")
    follows(one, compare="strict", inverted="normalise", compare_dtype="boxes", empty="keep")
    assert "onnxruntime" in one.profiles()


def test_onnx_roi_align_takes_the_greatest_weighted_corner():
    one = found("onnx_targets:roi_align", "roi_align", extra={"mode": "max"})
    follows(one, reduction="max_corners", aligned="half_pixel")
    follows(found("onnx_targets:roi_align", "roi_align"), reduction="average", aligned="half_pixel")


def test_pillow_resize_smooths():
    follows(found("opencv_targets:pillow", "resize"), sampling="bilinear_antialias")
