"""Detections: what is checked when one is made, and the forms it is given in."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.realdata import data

from minidet.data.names import COCO_CATEGORIES, COCO_CATEGORY_IDS, COCO_NAMES, VOC_NAMES, default_names, read_names
from minidet.detections import Detections
from minidet.errors import InputError


def two() -> Detections:
    """A dog and a bicycle in a picture 40 wide and 30 high."""
    boxes = [[1.5, 2, 11.25, 22], [0, 0, 40, 30]]
    return Detections(boxes, [0.9, 0.123456789], [16, 1], COCO_NAMES, (30, 40), "a/dog.jpg")


@st.composite
def drawn(draw: st.DrawFn) -> Detections:
    """Any detections of any size."""
    height, width = draw(st.integers(1, 500)), draw(st.integers(1, 500))
    edges = st.tuples(*[st.floats(0, 1)] * 4)
    boxes = [
        [min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height]
        for a, b, c, d in draw(st.lists(edges, max_size=5))
    ]
    n = len(boxes)
    scores = draw(st.lists(st.floats(0, 1), min_size=n, max_size=n))
    labels = draw(st.lists(st.integers(0, 19), min_size=n, max_size=n))
    return Detections(boxes, scores, labels, VOC_NAMES, (height, width), draw(st.none() | st.text(max_size=5)))


def test_iterating_names_each() -> None:
    found = [(box.tolist(), score, label, name) for box, score, label, name in two()]
    assert found == [([1.5, 2, 11.25, 22], 0.9, 16, "dog"), ([0, 0, 40, 30], 0.123456789, 1, "bicycle")]
    assert len(two()) == 2
    assert repr(two()) == "Detections(2 in 40x30: dog 0.90, bicycle 0.12)"


def test_arrays_are_copies_that_cannot_be_written_to() -> None:
    boxes = np.array([[0.0, 0, 1, 1]])
    found = Detections(boxes, [0.5], [0], ["x"], (2, 2))
    boxes[:] = 9
    assert found.boxes.tolist() == [[0, 0, 1, 1]]
    with pytest.raises(ValueError, match="read-only"):
        found.boxes[0] = 0


def test_empty() -> None:
    found = Detections([], [], [], VOC_NAMES, (3, 4))
    assert found.boxes.shape == (0, 4)
    assert found.labels.dtype == np.int64
    assert found.to_dict()["detections"] == found.to_coco(1) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"boxes": [[0, 0, 1]]}, r"found \(1, 3\)"),
        ({"scores": [0.5, 0.5]}, r"found \(1, 4\), \(2,\)"),
        ({"labels": []}, r"and \(0,\)"),
        ({"boxes": [[0, 0, np.nan, 1]]}, "must be finite"),
        ({"scores": [np.inf]}, "must be finite"),
        ({"boxes": [[2, 0, 1, 1]]}, "the other way round"),
        ({"boxes": [[0, 2, 1, 1]]}, "the other way round"),
        ({"labels": [-1]}, "from 0 to 1 were expected, found -1"),
        ({"labels": [2]}, "from 0 to 1 were expected, found 2 to 2"),
        ({"size": (1, 2, 3)}, r"size \(height, width\)"),
    ],
)
def test_what_is_refused(change: dict, said: str) -> None:
    good = {"boxes": [[0, 0, 1, 1]], "scores": [0.5], "labels": [1], "names": ["a", "b"], "size": (2, 2)}
    Detections(**good)
    with pytest.raises(ValueError, match=said):
        Detections(**{**good, **change})


def test_labels_are_integers() -> None:
    with pytest.raises(TypeError, match="labels: integers were expected, found float64"):
        Detections([[0, 0, 1, 1]], [0.5], [1.0])


def test_json_says_names_pixels_and_sizes() -> None:
    assert json.loads(two().to_json()) == {
        "path": "a/dog.jpg",
        "width": 40,
        "height": 30,
        "detections": [
            {"label": 16, "name": "dog", "score": 0.9, "box": [1.5, 2.0, 11.25, 22.0]},
            {"label": 1, "name": "bicycle", "score": 0.123457, "box": [0.0, 0.0, 40.0, 30.0]},
        ],
    }


@given(drawn())
def test_json_is_exact_to_its_places(found: Detections) -> None:
    read = json.loads(found.to_json(indent=None))
    assert len(read["detections"]) == len(found)
    for entry, (box, score, label, name) in zip(read["detections"], found, strict=True):
        np.testing.assert_allclose(entry["box"], box, atol=0.5001e-3)
        assert abs(entry["score"] - score) <= 0.5001e-6
        assert (entry["label"], entry["name"]) == (label, name)


@given(drawn())
def test_coco_boxes_are_x_y_width_height(found: Detections) -> None:
    for entry, (box, score, label, _) in zip(found.to_coco(7), found, strict=True):
        x, y, width, height = entry["bbox"]
        np.testing.assert_allclose([x, y, x + width, y + height], box, atol=1e-9)
        assert (entry["image_id"], entry["category_id"], entry["score"]) == (7, label + 1, score)
    json.dumps(found.to_coco("name"), allow_nan=False)


def test_coco_categories() -> None:
    assert [entry["category_id"] for entry in two().to_coco(1)] == [18, 2]  # COCO's own: dog 18, bicycle 2
    own = Detections([[0, 0, 1, 1]], [0.5], [1], ["a", "b"], (2, 2))
    assert own.to_coco(1)[0]["category_id"] == 2
    assert own.to_coco(1, category_ids=[50, 60])[0]["category_id"] == 60
    with pytest.raises(ValueError, match="category_ids has 1 entries; label 1 needs"):
        own.to_coco(1, category_ids=[50])


def test_coco_category_ids_are_those_of_the_annotations() -> None:
    (path,) = data("coco_eval").rglob("instances_val2014_100.json")
    categories = json.loads(path.read_text())["categories"]
    assert [category["id"] for category in categories] == list(COCO_CATEGORY_IDS)
    same = [category["name"] == name for category, name in zip(categories, COCO_NAMES, strict=True)]
    assert sum(same) == 74  # Darknet spells six of them otherwise: motorbike, aeroplane, sofa, ...
    assert all(COCO_CATEGORIES[category["id"] - 1] == category["name"] for category in categories)


def test_built_in_names_are_darknets() -> None:
    assert read_names(data("darknet/names/coco.names"), 80) == COCO_NAMES
    assert read_names(data("darknet/names/voc.names"), 20) == VOC_NAMES


def test_default_names() -> None:
    assert default_names(80) == COCO_NAMES
    assert default_names(20) == VOC_NAMES
    assert default_names(90) == COCO_CATEGORIES
    assert default_names(2) == ("class 0", "class 1")


def test_a_class_without_a_name_is_numbered() -> None:
    found = Detections([[0, 0, 1, 1]], [0.5], [7], (), (2, 2))
    assert found.to_dict()["detections"][0]["name"] == "class 7"


def test_table_says_everything_and_no_markup_is_obeyed() -> None:
    found = Detections([[0, 0, 1, 1]], [0.5], [0], ["[red]x[/red]"], (2, 3), "[bold].jpg")
    console = Console(file=io.StringIO(), width=100)
    console.print(found.table())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]x[/red]" in text
    assert "[bold].jpg  3x2  1 object" in text
    assert "0.500" in text


@pytest.mark.parametrize(
    ("content", "classes", "said"),
    [
        (b"a\nb\n", 3, "3 names were expected, one for each class of the model, found 2"),
        (b"", None, "found none"),
        (b"\n\n", None, "found none"),
        (b"a\n\nb\n", None, "line 2: a class name was expected"),
        (b"\xff\xfe", None, "UTF-8 was expected, found byte 0xff"),
        (b"a\x00\n", None, "line 1: a class name was expected"),
    ],
)
def test_names_files_that_are_refused(tmp_path, content: bytes, classes: int | None, said: str) -> None:
    path = tmp_path / "x.names"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_names(path, classes)
    assert "x.names" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_files_that_are_read(tmp_path) -> None:
    path = tmp_path / "x.names"
    path.write_bytes("\ufeffa b\r\nß \r\n\r\n".encode())
    assert read_names(path) == ("a b", "ß")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_names(tmp_path / "none")
