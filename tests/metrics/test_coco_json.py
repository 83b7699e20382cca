"""COCO's files as columns: the published numbers, there and back, and every way in which a file can be wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.masks import decode, encode, to_coco
from support.drawn_columns import columns
from support.drawn_masks import with_keypoints, with_masks
from support.realdata import data

from minidet.data.dataset import Dataset, Objects, Record
from minidet.detections import Detections
from minidet.errors import InputError
from minidet.metrics.coco import coco
from minidet.metrics.coco_json import CocoIndex, found_in, read_found, read_truths, results_of, write_found
from minidet.metrics.columns import FoundColumns, TruthColumns
from minidet.metrics.from_dataset import found_of, truth_columns

NAMES = {"boxes": "bbox", "masks": "segm"}


@pytest.mark.parametrize("rules", ["coco", "pycocotools"])
@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_the_published_numbers_to_the_printed_digit(kind, rules):
    masks = kind == "masks"
    truths, index = read_truths(data("coco_eval/instances_val2014_100.json"), masks=masks)
    results = data(f"coco_eval/cocoapi_results/instances_val2014_fake{NAMES[kind]}100_results.json")
    text = data("coco_eval/cocoapi_results/val2014_fake_eval_res.txt").read_text()
    published = re.findall(r"\] = (\S+)", text.split(f"type={NAMES[kind]}")[1].split("type=")[0])
    assert len(published) == 12
    report = coco(truths, read_found(results, index, masks=masks), rules, kind)
    assert [f"{number:.3f}" for number in report.numbers().values()] == published


def test_the_published_keypoints_can_be_read():
    """Their annotations are not among the files."""
    _, index = read_truths(data("coco_eval/instances_val2014_100.json"))
    results = data("coco_eval/cocoapi_results/person_keypoints_val2014_fakekeypoints100_results.json")
    found = read_found(results, index, keypoints=True)
    assert found.keypoints.shape == (125, 17, 3)
    points = found.keypoints[:, :, :2]
    np.testing.assert_array_equal(found.boxes[:, :2] + found.boxes[:, 2:], points.max(axis=1))


# --- a small file -----------------------------------------------------------------------------------------------------

RUNS = {"size": [4, 5], "counts": [2, 3, 15]}
POLYGON = [[1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0, 1.0]]


def document() -> dict[str, Any]:
    """Two images, the one with the greater number first; three objects."""
    return {
        "images": [{"id": 9, "height": 4, "width": 5}, {"id": 3, "height": 4, "width": 5}],
        "categories": [
            {"id": 7, "name": "cat"},
            {"id": 2, "name": "dog", "keypoints": ["nose", "tail"]},
        ],
        "annotations": [
            {"id": 5, "image_id": 9, "category_id": 2, "bbox": [0, 1, 2, 3], "area": 4.5, "segmentation": POLYGON},
            {"id": 6, "image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 1], "iscrowd": 1, "segmentation": RUNS},
            {"image_id": 3, "category_id": 7, "bbox": [0.1, 0.2, 0.3, 0.4], "segmentation": []},
        ],
    }


def results() -> list[dict[str, Any]]:
    return [
        {"image_id": 3, "category_id": 7, "bbox": [0.1, 0.2, 0.3, 0.4], "score": 0.5},
        {"image_id": 9, "category_id": 2, "bbox": [0, 1, 2, 3], "score": 1},
    ]


def saved(tmp_path: Any, value: Any) -> Any:
    path = tmp_path / "file.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture
def index(tmp_path) -> CocoIndex:
    return read_truths(saved(tmp_path, document()))[1]


def test_annotations(tmp_path):
    truths, index = read_truths(saved(tmp_path, document()), masks=True)
    assert (index.images.tolist(), index.categories.tolist(), index.names) == ([3, 9], [2, 7], ("dog", "cat"))
    assert index.keypoints == ("nose", "tail")
    assert (truths.images, truths.classes) == (2, 2)
    assert (truths.image.tolist(), truths.label.tolist()) == ([1, 1, 0], [0, 1, 1])
    assert truths.boxes.tolist() == [[0, 1, 2, 3], [0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]]
    assert truths.area[0] == 4.5
    assert np.isnan(truths.area[1:]).all()
    assert (truths.crowd.tolist(), truths.ids.tolist()) == ([False, True, False], [5, 6, 3])
    assert [decode(one).sum(axis=(1, 2)).tolist() for one in truths.masks] == [[0], [4, 3]]


def test_polygons_are_drawn_by_the_rule_that_is_asked_for(tmp_path):
    square = document()
    square["annotations"][0]["segmentation"] = [[0, 0, 2.5, 0, 2.5, 2.5, 0, 2.5]]
    path = saved(tmp_path, square)
    for rule, pixels in (("coco", 9), ("even_odd", 4)):
        assert decode(read_truths(path, masks=True, rule=rule)[0].masks[1])[0].sum() == pixels


def test_results(tmp_path, index):
    found = read_found(saved(tmp_path, results()), index)
    assert (found.image.tolist(), found.label.tolist(), found.scores.tolist()) == ([0, 1], [1, 0], [0.5, 1.0])
    assert found.boxes.tolist() == [[0.1, 0.2, 0.3, 0.4], [0, 1, 2, 3]]
    assert found.masks is found.keypoints is None
    assert len(found_in([], index).image) == 0


def test_boxes_of_results_without_a_box_are_those_around_masks_and_keypoints(index):
    rows = [{"image_id": 9, "category_id": 2, "score": 0.5, "segmentation": RUNS, "keypoints": [1, 5, 0, 3, 2, 1]}]
    assert found_in(rows, index, masks=True).boxes.tolist() == [[0, 0, 2, 4]]
    assert found_in(rows, index, keypoints=True).boxes.tolist() == [[1, 2, 2, 3]]
    rows[0]["bbox"] = [1, 2, 3, 4]
    assert found_in(rows, index, masks=True).boxes.tolist() == [[1, 2, 3, 4]]


@given(case=columns(classes=2), data=st.data())
def test_results_there_and_back(tmp_path_factory, case, data):
    kind = data.draw(st.sampled_from(["boxes", "masks", "keypoints"]))
    truths, found = {"masks": with_masks, "keypoints": with_keypoints}.get(kind, lambda _, *c: c)(data.draw, *case)
    order = np.random.default_rng(0).permutation(truths.images * 3)[: truths.images]
    sizes = np.full((truths.images, 2), 12)
    names = tuple(f"part {k}" for k in range(17)) if kind == "keypoints" else ()
    index = CocoIndex(np.sort(order), sizes, np.array([4, 8]), ("a", "b"), names)
    path = tmp_path_factory.mktemp("results") / "found.json"
    write_found(path, found, index)
    assert json.loads(path.read_text()) == results_of(found, index)
    back = read_found(path, index, **({} if kind == "boxes" else {kind: True}))
    for name in ("image", "label", "boxes", "scores", "keypoints"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    if found.masks is not None:
        assert [to_coco(one) for one in back.masks] == [to_coco(one) for one in found.masks]


def test_no_results_with_keypoints(tmp_path):
    found = FoundColumns(*(np.zeros(0, np.int64),) * 2, np.zeros((0, 4)), np.zeros(0), keypoints=np.zeros((0, 17, 3)))
    index = CocoIndex(np.array([3]), np.array([[9, 9]]), np.array([1]), ("a",), tuple(map(str, range(17))))
    assert results_of(found, index) == []
    write_found(tmp_path / "found.json", found, index)
    assert read_found(tmp_path / "found.json", index, keypoints=True).keypoints.shape == (0, 17, 3)


# --- data sets and detectors ------------------------------------------------------------------------------------------


def test_data_sets_and_detections(tmp_path):
    full = encode(np.ones((1, 4, 5), bool))
    points = np.array([[[1.5, 2.5, 2], [0, 0, 0]]])
    with_all = Objects(np.array([[1.0, 2, 4, 6]]), [1], ids=[7], masks=full, keypoints=points)
    records = (Record("b.jpg", (4, 5), 9, with_all), Record("a.jpg", (4, 5), 3, Objects(np.zeros((0, 4)), [])))
    dataset = Dataset(tmp_path, ("x", "y"), records)
    truths = truth_columns(dataset)
    assert isinstance(truths, TruthColumns)
    assert (truths.image.tolist(), truths.boxes.tolist(), truths.ids.tolist()) == ([1], [[1, 2, 3, 4]], [7])
    assert [len(one) for one in truths.masks] == [0, 1]
    assert truths.keypoints.tolist() == [[[1, 2, 2], [0, 0, 0]]]
    assert truth_columns(dataset.subset([1])).masks is None
    found = found_of([Detections(np.zeros((0, 4)), [], np.zeros(0, int)), Detections([[1, 2, 4, 6]], [0.5], [1])])
    assert (found.image.tolist(), found.label.tolist(), found.boxes.tolist()) == ([1], [1], [[1, 2, 3, 4]])
    assert coco(truths, found).ap() == 1
    assert len(found_of([]).image) == 0


# --- what can be wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer, not the file itself"),
        ('[{"a": 1}, ', "malformed JSON: Expecting value"),
        ("[" * 100_000, "malformed JSON: nested too deeply"),
        ('{"a": 1}', "expected a list of results, found an object"),
        ("null", "expected a list of results, found nothing"),
        ("[[1]]", "result 0: expected an object, found a list"),
        ("[1e400]", "result 0: expected an object, found a number"),
    ],
)
def test_files_that_are_no_results(tmp_path, index, text, says):
    path = saved(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_found(path, index)
    assert str(caught.value).startswith(f"{path}: {says}")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_files(tmp_path, index):
    with pytest.raises(InputError, match=r"nothing.json: cannot be read: No such file"):
        read_found(tmp_path / "nothing.json", index)
    path = tmp_path / "bytes.json"
    path.write_bytes(b'["\xff"]')
    with pytest.raises(InputError, match="expected JSON in UTF-8, found byte 0xff"):
        read_truths(path)


EXPECTED = "runs were expected, {'size': [h, w], 'counts': ...}"
BAD_RUNS = {"size": [4, 5], "counts": [2, 3]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image_id": 4}, "image_id 4 is no image of the annotations"),
        ({"image_id": "3"}, 'image_id must be a whole number, found "3"'),
        ({"image_id": 3.5}, "image_id must be a whole number, found 3.5"),
        ({"image_id": 2**70}, "image_id must be a whole number, found 1180591620717411303424"),
        ({"image_id": None}, "image_id must be a whole number, found null"),
        ({"category_id": 1}, "category_id 1 is no category of the annotations"),
        ({"category_id": ...}, "category_id must be a whole number, found none"),
        ({"score": float("nan")}, "score must be finite, found NaN"),
        ({"score": float("inf")}, "score must be finite, found Infinity"),
        ({"score": "0.5"}, 'score must be a number, found "0.5"'),
        ({"score": [0.5]}, "score must be a number, found [0.5]"),
        ({"score": True}, "score must be a number, found true"),
        ({"bbox": [0, 1, 2]}, "bbox must be [x, y, width, height] of 4 numbers, found [0, 1, 2]"),
        ({"bbox": [0, 1, 2, "3"]}, 'bbox must be [x, y, width, height] of 4 numbers, found [0, 1, 2, "3"]'),
        ({"bbox": [0, 1, 2, float("nan")]}, "bbox must be finite, found [0, 1, 2, NaN]"),
        ({"bbox": 5}, "bbox must be [x, y, width, height] of 4 numbers, found 5"),
        ({"bbox": ...}, "bbox must be [x, y, width, height] of 4 numbers, found none"),
        ({"segmentation": ...}, f"segmentation: {EXPECTED}"),
        (
            {"segmentation": POLYGON},
            f"segmentation: {EXPECTED}, found polygons",
        ),
        ({"segmentation": BAD_RUNS}, "segmentation: the runs of counts sum to 5, not to 4 x 5 = 20"),
        ({"segmentation": {"size": [4, 5], "counts": "2"}}, "segmentation: the runs of counts sum to 2"),
        ({"segmentation": {"size": [4, 5], "counts": "2o"}}, "segmentation: the string ends within a number"),
        ({"segmentation": {"size": [4, 5], "counts": "é"}}, "segmentation: the string has"),
        ({"segmentation": {"size": [5, 4], "counts": [20]}}, "segmentation: mask 0 has size (5, 4), others (4, 5)"),
        ({"segmentation": {"size": [4], "counts": [20]}}, "segmentation: runs were expected"),
        ({"keypoints": [1, 2, 3]}, "keypoints must be [x, y, anything, ...] of 6 numbers, found [1, 2, 3]"),
        ({"keypoints": [1, 2, 3, 4, 5, None]}, "keypoints must be [x, y, anything, ...] of 6 numbers"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_records_that_are_no_results(index, change, says, place):
    fine = {"segmentation": {"size": [4, 5], "counts": "\x64"}, "keypoints": [1, 2, 3, 4, 5, 6]}
    rows = [row | fine | {"segmentation": RUNS} for row in results()]
    found_in(rows, index, masks=True, keypoints=True)
    rows[place] |= change
    rows[place] = {key: value for key, value in rows[place].items() if value is not ...}
    if place == 0 and change == {"bbox": ...}:
        return  # then none is asked for
    options = {"masks": "segmentation" in change, "keypoints": "keypoints" in change}
    with pytest.raises(InputError) as caught:
        found_in(rows, index, source="r.json", **options)
    assert str(caught.value).startswith(f"r.json: result {place}: {says}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "change", "says"),
    [
        ("annotations", {"image_id": 4}, "annotation 1 (id 6): image_id 4 is no image of the file"),
        ("annotations", {"category_id": 1}, "annotation 1 (id 6): category_id 1 is no category of the file"),
        ("annotations", {"area": "large"}, 'annotation 1 (id 6): area must be a number, found "large"'),
        ("annotations", {"iscrowd": None}, "annotation 1 (id 6): iscrowd must be a number, found null"),
        ("annotations", {"id": 2**64}, "annotation 1 (id 18446744073709551616): id must be below 2**63"),
        ("annotations", {"bbox": []}, "annotation 1 (id 6): bbox must be [x, y, width, height]"),
        (
            "annotations",
            {"segmentation": [[1, 2, 3, 4, 5]]},
            "annotation 1 (id 6): segmentation: a polygon of 5",
        ),
        ("annotations", {"segmentation": BAD_RUNS}, "annotation 1 (id 6): segmentation: the runs of counts sum to 5"),
        ("annotations", {"keypoints": [1]}, "annotation 1 (id 6): keypoints must be"),
        ("images", {"id": 9}, "image 1 (id 9): the same id as one before"),
        ("images", {"id": None}, "image 1: id must be a whole number, found null"),
        ("images", {"height": -1}, "image 1 (id 3): height and width must not be negative"),
        (
            "images",
            {"height": 0, "width": 0},
            "annotation 2: segmentation: polygons are drawn in an image",
        ),
        ("categories", {"id": 7}, "category 1 (id 7): the same id as one before"),
    ],
)
def test_records_that_are_no_annotations(tmp_path, where, change, says):
    value = document()
    value[where][1] |= change
    keypoints = "keypoints" in change
    if keypoints:
        value["annotations"][0]["keypoints"] = [0] * 6
    path = saved(tmp_path, value)
    with pytest.raises(InputError) as caught:
        read_truths(path, masks=True, keypoints=keypoints)
    assert str(caught.value).startswith(f"{path}: {says}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_documents_without_a_list(tmp_path, key):
    value = document()
    del value[key]
    with pytest.raises(InputError, match=f"expected a list of {key}, found nothing"):
        read_truths(saved(tmp_path, value))


def test_a_document_that_is_a_list(tmp_path):
    with pytest.raises(InputError, match="expected COCO annotations, an object, found a list"):
        read_truths(saved(tmp_path, results()))


def test_writing_leaves_the_old_file_when_it_fails(tmp_path, index):
    path = saved(tmp_path, results())
    old, found = path.read_text(), read_found(path, index)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_found(path, replace(found, scores=np.array([0.5, np.nan])), index)
    assert path.read_text() == old
    assert list(tmp_path.iterdir()) == [path]
