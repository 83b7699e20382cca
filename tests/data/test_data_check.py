"""The checker lists what is wrong with a data set, with file and line, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.drawn_datasets import small
from support.realdata import data

from minidet.data.check import check
from minidet.data.formats import FORMATS, write_dataset
from minidet.data.policy import KINDS, Defect
from minidet.errors import InputError


def kinds(found: list[Defect]) -> dict[str, int]:
    assert {defect.kind for defect in found} <= set(KINDS)
    return dict(Counter(defect.kind for defect in found))


def one(root: Path, kind: str, **options: Any) -> Defect:
    """The single defect of a data set."""
    found = check(root, **options)
    assert kinds(found) == {kind: 1}, found
    return found[0]


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A VOC data set of five pictures without defects."""
    write_dataset(small(tmp_path / "before"), tmp_path / "voc", format="voc", split="train")
    return tmp_path / "voc"


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    """The same in YOLO's format."""
    write_dataset(small(tmp_path / "before"), tmp_path / "yolo", format="yolo")
    return tmp_path / "yolo"


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """The same in COCO's format."""
    write_dataset(small(tmp_path / "before"), tmp_path / "coco", format="coco")
    return tmp_path / "coco"


def test_what_is_right_has_no_defects(voc: Path, yolo: Path, coco: Path) -> None:
    for root in (voc, yolo, coco):
        assert check(root) == []


def change(path: Path, old: str, new: str) -> int:
    """Replace the first ``old`` in a file; the line in which it stood."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "kind", "after"),
    [
        ("<xmax>", "<xmax>x", "malformed", 0),
        ("<width>40", "<width>41", "size-mismatch", -1),
        ("<xmin>", "<xmin>-", "out-of-bounds", -1),
        ("<xmax>", "<xmax>-", "inverted", -3),
        ("<filename>p1.png", "<filename>../p1.png", "unsafe-path", 0),
        ("<folder>JPEGImages", "<folder>elsewhere", "foreign-folder", 0),
        ("<size>", "<path>/elsewhere/p1.png</path><size>", "foreign-path", 0),
        ("</annotation>", "", "malformed", 1),
    ],
)
def test_voc_in_the_file(voc: Path, old: str, new: str, kind: str, after: int) -> None:
    path = voc / "Annotations/p1.xml"
    line = change(path, old, new)
    found = one(voc, kind)
    assert (found.file, found.line) == (str(path), line + after)


def test_voc_zero_area_and_twice(voc: Path) -> None:
    path = voc / "Annotations/p2.xml"
    blocks = path.read_text().split("\t<object>")
    path.write_text("\t<object>".join([*blocks[:3], blocks[1], *blocks[3:]]))
    found = one(voc, "duplicate-box")
    first = path.read_text().split("\n").index("\t\t<bndbox>") + 1
    assert found.line == path.read_text()[: path.read_text().rindex(blocks[1])].count("\n") + 5
    assert f"(line {first})" in found.what
    assert found.warning
    xml = (
        "<annotation><object><name>a</name>\n<bndbox><xmin>3</xmin><ymin>3</ymin><xmax>3</xmax><ymax>9</ymax></bndbox>"
    )
    path.write_text(f"{xml}</object></annotation>")
    assert one(voc, "zero-area").line == 2


def test_voc_files_that_are_missing_or_too_many(voc: Path) -> None:
    (voc / "JPEGImages/p1.png").rename(voc / "JPEGImages/q.png")
    found = check(voc)
    assert kinds(found) == {"missing-image": 1, "orphan-image": 1}
    assert {d.file for d in found} == {str(voc / "Annotations/p1.xml"), str(voc / "JPEGImages/q.png")}
    (voc / "JPEGImages/q.png").rename(voc / "JPEGImages/p1.png")
    (voc / "ImageSets/Main/train.txt").write_text("p0\nnone\n")
    found = check(voc)
    assert [(d.kind, d.line) for d in found] == [("malformed", 2)]


def test_unknown_classes_where_names_are_given(voc: Path, yolo: Path, coco: Path) -> None:
    for root in (voc, yolo, coco):
        found = check(root, names=["a"])
        assert set(kinds(found)) == {"unknown-class"}
        assert all(defect.line for defect in found)


def test_pictures_that_are_none(voc: Path, yolo: Path, coco: Path) -> None:
    for root, folder in ((voc, "JPEGImages"), (yolo, "images"), (coco, "images")):
        path = root / folder / "p4.png"
        whole = path.read_bytes()
        path.write_bytes(whole[:-200])
        assert one(root, "truncated-image").file == str(path)
        assert check(root, quick=True) == []
        path.write_bytes(b"<html>")
        assert one(root, "not-an-image", quick=True).what.endswith("found an HTML page")
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        assert one(root, "lfs-pointer").file == str(path)
        path.write_bytes(whole)


def test_yolo(yolo: Path) -> None:
    path = yolo / "labels/p2.txt"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([*lines, "", lines[0], "0 .5 .5 0 1", "0 .5 .5 -1 1", "0 1 1 1 1", "0 1 1 1", "9 1 1 1 1", ""])
    )
    found = check(yolo)
    expected = ["duplicate-box", "zero-area", "inverted", "out-of-bounds", "malformed", "unknown-class"]
    assert [(d.kind, d.line) for d in found] == [(kind, 5 + i) for i, kind in enumerate(expected)]
    path.rename(path.with_name("q.txt"))
    found = check(yolo)
    assert kinds(found) == {"orphan-label": 1, "orphan-image": 1}


def test_coco(coco: Path) -> None:
    path = coco / "annotations/instances.json"
    document = json.loads(path.read_text())
    document["annotations"] += [
        {**document["annotations"][0], "id": 500},
        {**document["annotations"][1], "bbox": [0, 0, 5, 5]},
        {"id": 501, "image_id": 2, "category_id": 1, "bbox": [0, 0, 5, 0]},
        {"id": 502, "image_id": 77, "category_id": 1, "bbox": [0, 0, 5, 1]},
        {"id": 503, "image_id": 2, "category_id": 3, "bbox": [0, 0, 5, 1]},
    ]
    document["images"][4]["height"] = 31
    document["images"][3]["file_name"] = "gone.png"
    path.write_text(json.dumps(document, indent=1))
    found = check(coco)
    assert kinds(found) == {
        "duplicate-box": 1, "duplicate-annotation": 1, "zero-area": 1, "malformed": 1, "unknown-class": 1,
        "size-mismatch": 1, "missing-image": 1, "orphan-image": 1,
    }  # fmt: skip
    lines = path.read_text().splitlines()
    for defect in found:
        if defect.kind in ("zero-area", "malformed", "unknown-class"):
            assert lines[defect.line - 1].strip() == "{"
            number = {"zero-area": 501, "malformed": 502, "unknown-class": 503}[defect.kind]
            assert f'"id": {number}' in lines[defect.line]
    assert found == sorted(found, key=lambda d: (d.file, d.line))


def test_masks(tmp_path: Path) -> None:
    for name in "xyz":
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "masks").mkdir()
        Image.fromarray(np.zeros((6, 5, 3), np.uint8)).save(tmp_path / name / "images" / f"{name}.png")
        Image.fromarray(np.full((6, 5), 255, np.uint8)).save(tmp_path / name / "masks/1.png")
    assert check(tmp_path) == []
    (tmp_path / "x/masks/1.png").write_bytes(b"")
    Image.fromarray(np.zeros((6, 5), np.uint8)).save(tmp_path / "y/masks/2.png")
    Image.fromarray(np.ones((5, 6), np.uint8)).save(tmp_path / "z/masks/2.png")
    found = check(tmp_path)
    assert [(d.kind, Path(d.file).name) for d in found] == [
        ("orphan-image", "x.png"), ("not-an-image", "1.png"), ("zero-area", "2.png"), ("malformed", "2.png"),
    ]  # fmt: skip


def test_progress_is_told(voc: Path) -> None:
    told: list[tuple[int, int]] = []
    check(voc, progress=lambda done, of: told.append((done, of)))
    assert told == [(i, 5) for i in range(1, 6)]


def test_where_there_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a data set was expected"):
        check(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        check(tmp_path / "none")
    with pytest.raises(ValueError, match="format 'x' is not known"):
        check(tmp_path, format="x")
    for form in FORMATS:
        with pytest.raises(InputError, match="expected"):
            check(tmp_path, format=form)


def test_bccd() -> None:
    found = check(data("bccd"), quick=True)
    assert kinds(found) == {"foreign-path": 292, "foreign-folder": 1, "zero-area": 2}
    lines = {(Path(d.file).stem, d.line) for d in found if d.kind == "zero-area"}
    assert lines == {("BloodImage_00338", 163), ("BloodImage_00343", 55)}
