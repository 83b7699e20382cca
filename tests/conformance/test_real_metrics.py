"""What is found out about evaluators, runs and outlines that nobody here wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from minidet.conformance import OPERATORS, Fingerprint, Target, check, fingerprint, laws, profiles

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _wrappers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def target(path: str, name: str, form: str = "xyxy") -> Target:
    operator = OPERATORS[name]
    return Target(f"metrics_targets:{path}", boxes=operator.boxes, form=form, limit=120)


def found(path: str, name: str, form: str = "xyxy") -> Fingerprint:
    with target(path, name, form) as one:
        return fingerprint(OPERATORS[name], one)


def follows(one: Fingerprint, **values: str) -> None:
    assert not one.unexplained
    assert {name: one.values[name] for name in values} == {name: (value,) for name, value in values.items()}


@pytest.mark.parametrize("path", ["coco_ap", "faster_coco_ap"])
def test_evaluators_of_coco_lose_recall_7_of_10_and_the_truth_of_id_0(path: str):
    one = found(path, "coco_ap", "xywh")
    follows(one, **profiles()["coco"]["coco_ap"])
    assert one.values["recall_bins"] == ("float",)
    assert one.values["zero_id"] == ("unmatched",)
    assert one.profiles() == ("coco",)


@pytest.mark.parametrize("path", ["coco_ap", "faster_coco_ap"])
def test_a_search_finds_nothing_else_in_them(path: str):
    operator = OPERATORS["coco_ap"]
    with target(path, "coco_ap", "xywh") as one:
        verdict = check(operator, one, operator.dialect(**profiles()["coco"]["coco_ap"]), examples=150)
    assert verdict.word == "conforms", verdict.found


def test_ids_that_are_renumbered_change_the_ap_of_pycocotools():
    operator = OPERATORS["coco_ap"]
    with target("coco_ap", "coco_ap", "xywh") as one:
        asked = laws(operator, one, operator.dialect(**profiles()["coco"]["coco_ap"]), examples=60)
    (broken,) = [one for one in asked if one.word != "holds"]
    assert broken.law.name == "ids"
    assert broken.inputs is not None
    assert 0 in broken.inputs["truth_ids"]
    assert len(broken.inputs["truth_ids"]) == len(broken.inputs["scores"]) == 1


def test_masks_of_pycocotools():
    operator = OPERATORS["coco_mask_ap"]
    dialect = profiles()["coco"]["coco_mask_ap"]
    one = found("coco_mask_ap", "coco_mask_ap")
    follows(one, **dialect)
    with target("coco_mask_ap", "coco_mask_ap") as program:
        verdict = check(operator, program, operator.dialect(**dialect), examples=100)
    assert verdict.word == "conforms", verdict.found


def test_runs_of_pycocotools():
    follows(found("rle", "rle"), order="columns", start="zeros", form="counts")


def test_outlines_of_pycocotools():
    operator = OPERATORS["polygon_mask"]
    follows(found("coco_polygon", "polygon_mask"), fill="coco", corners="xy")
    with target("coco_polygon", "polygon_mask") as one:
        verdict = check(operator, one, operator.dialect(fill="coco"), examples=300)
    assert verdict.word == "conforms", verdict.found


@pytest.mark.parametrize("path", ["opencv_polygon", "pillow_polygon"])
def test_opencv_and_pillow_fill_nine_pixels(path: str):
    one = found(path, "polygon_mask")
    assert (one.values["fill"], one.values["corners"]) == (("closed",), ("xy",))
    # their slanted outlines are each drawn in a way of its own
    assert {seen.vector.name for seen in one.unexplained} <= {"a triangle of eight centres"}
