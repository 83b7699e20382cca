"""What the numbers in each format's files mean, by hand; and what is said of files that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minidet_kernels.masks import areas, decode, encode, to_coco
from PIL import Image
from support.realdata import data

from minidet.data.formats import read_dataset
from minidet.data.policy import Policy, summary
from minidet.errors import InputError


def picture(path: Path, size: tuple[int, int] = (48, 64)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(path)


def refused(root: Path, pattern: str, **options: Any) -> str:
    """Reading fails with one line that matches."""
    with pytest.raises(InputError, match=pattern) as caught:
        read_dataset(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# VOC ---------------------------------------------------------------------------------------------------------------


def voc(root: Path, *objects: str, head: str = "", stem: str = "a") -> Path:
    """A VOC data set with one picture of 48 x 64 and these objects; the first begins in line 4."""
    text = f"<annotation>{head}\n<size><width>64</width><height>48</height></size>\n\n" + "\n".join(objects)
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / f"Annotations/{stem}.xml").write_text(f"{text}\n</annotation>\n", encoding="utf-8")
    picture(root / f"JPEGImages/{stem}.png")
    return root


def thing(box: str, name: str = "cat", more: str = "") -> str:
    """An object in one line."""
    tags = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    ends = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name>{more}<bndbox>{ends}</bndbox></object>"


def test_voc_counts_pixels_from_1_and_has_the_last(tmp_path: Path) -> None:
    root = voc(tmp_path, thing("1 1 64 48"), thing("3 5 4 6"), thing("1.5 1 2.25 9"))
    record = read_dataset(root).records[0]
    np.testing.assert_array_equal(record.objects.boxes, [[0, 0, 64, 48], [2, 4, 4, 6], [0.5, 0, 2.25, 9]])
    assert record.size == (48, 64)
    assert (record.path, record.source) == ("JPEGImages/a.png", "Annotations/a.xml")


def test_a_single_pixel_of_voc_is_without_area_unless_kept(tmp_path: Path) -> None:
    root = voc(tmp_path, thing("7 7 7 7"), thing("7 7 7 9"), thing("7 7 9 9"))
    dataset = read_dataset(root)
    assert len(dataset.records[0].objects) == 1
    assert summary(dataset.remarks)[0].startswith("2 boxes without area dropped (the first in ")
    kept = read_dataset(root, policy=Policy(zero_area="keep")).records[0].objects
    np.testing.assert_array_equal(kept.boxes, [[6, 6, 7, 7], [6, 6, 7, 9], [6, 6, 9, 9]])
    refused(root, r"a\.xml, line 4: a box with an area was expected", policy=Policy(zero_area="error"))


def test_voc_flags_and_parts(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>9</xmin></bndbox></part>"
    more = f"<difficult>1</difficult><truncated>1</truncated>{part}"
    root = voc(tmp_path, thing("1 1 5 5", more=more), thing("1 1 5 5", "dog", "<difficult/>"))
    objects = read_dataset(root).records[0].objects
    assert objects.difficult.tolist() == objects.truncated.tolist() == [True, False]
    assert objects.boxes.tolist() == [[0, 0, 5, 5]] * 2  # the part's name and box are not the object's
    assert len(read_dataset(root, policy=Policy(difficult="drop")).records[0].objects) == 1
    refused(root, "cat is marked as difficult", policy=Policy(difficult="error"))


def test_voc_names_are_those_of_all_splits(tmp_path: Path) -> None:
    voc(tmp_path, thing("1 1 5 5", "zebra"), stem="b")
    root = voc(tmp_path, thing("1 1 5 5", "ant"))
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_text("b  1\n\n")
    dataset = read_dataset(root, split="train")
    assert dataset.names == ("ant", "zebra")
    assert [record.path for record in dataset] == ["JPEGImages/b.png"]
    assert dataset.records[0].objects.labels.tolist() == [1]
    (root / "names.txt").write_text("zebra\nant\n")
    assert read_dataset(root, split="train").records[0].objects.labels.tolist() == [0]
    refused(root, r"b\.xml, line 4: a class of ant was expected, found 'zebra'", names=["ant"])
    some = read_dataset(root, names=["ant"], policy=Policy(unknown_class="drop"))
    assert [len(record.objects) for record in some] == [1, 0]
    assert summary(some.remarks)[0].startswith("1 object of an unknown class dropped")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("a\nc\n", r"train\.txt, line 2: 'c' has no annotation"),
        ("a\na\n", r"train\.txt, line 2: 'a' stands in line 1"),
        ("a 7\n", r"train\.txt, line 1: 'a 7' has no annotation"),
    ],
)
def test_voc_lists_that_are_wrong(tmp_path: Path, lines: str, said: str) -> None:
    root = voc(tmp_path, thing("1 1 5 5"))
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_text(lines)
    refused(root, said, split="train")


def test_voc_pictures_by_stem_then_by_filename(tmp_path: Path) -> None:
    root = voc(tmp_path, thing("1 1 5 5"), head="<filename>other.jpg</filename>")
    assert read_dataset(root).records[0].path == "JPEGImages/a.png"
    picture(root / "JPEGImages/a.bmp")
    assert read_dataset(root).records[0].path == "JPEGImages/a.bmp"  # in alphabetical order
    root = voc(tmp_path, head="<filename>a.png</filename>")
    assert read_dataset(root).records[0].path == "JPEGImages/a.png"
    for name in ("a.png", "a.bmp"):
        (root / f"JPEGImages/{name}").unlink()
    root.joinpath("Annotations/a.xml").write_text("<annotation><filename>x.jpg</filename></annotation>")
    assert read_dataset(root).records[0].path == "JPEGImages/x.jpg"  # not there; the loader says so


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (thing("1 1 5 x"), r"line 4: <ymax>: a number was expected, found 'x'"),
        (thing("1 1 5 nan"), r"line 4: <ymax>: a number was expected, found 'nan'"),
        (thing("1 1 5 1_0"), r"line 4: <ymax>: a number was expected, found '1_0'"),
        ("<object><name>a</name></object>", "line 4: an <object> with a <bndbox>"),
        ("<object><bndbox/></object>", "line 4: an <object> with a <name>"),
        ("<object><name>a</name><bndbox/></object>", "line 4: <bndbox> with a <xmin> was expected"),
        (thing("1 1 5 5", more="<difficult>maybe</difficult>"), "line 4: <difficult>: 0 or 1 expected, found 'maybe'"),
        ("<object>", r"line 5: malformed XML: mismatched tag"),
        ("&bomb;", r"line 4: malformed XML: undefined entity"),
        ("\x01", "malformed XML: not well-formed"),
    ],
)
def test_voc_files_that_are_wrong(tmp_path: Path, body: str, said: str) -> None:
    message = refused(voc(tmp_path, body), said)
    assert "a.xml" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "malformed XML: no element found"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "document type"),
        ("<html/>", "<annotation> was expected, found <html>"),
        ("<a>" * 100, "nested more than 64 deep"),
        ("<annotation><size><width>3.5</width><height>2</height></size></annotation>", "<size>: whole numbers"),
    ],
)
def test_voc_files_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    root = voc(tmp_path)
    (root / "Annotations/a.xml").write_text(text)
    refused(root, said)


def test_bccd() -> None:
    counts = {"train": (205, [209, 2381, 214]), "val": (87, [83, 967, 87])}
    for split, (pictures, objects) in counts.items():
        dataset = read_dataset(data("bccd"), split=split)
        assert dataset.names == ("Platelets", "RBC", "WBC")
        assert len(dataset) == pictures
        labels = np.concatenate([record.objects.labels for record in dataset])
        assert np.bincount(labels).tolist() == objects
        boxes = np.concatenate([record.objects.boxes for record in dataset])
        assert boxes.min() >= 0  # 1-based: nothing is out of the picture
        assert (boxes <= [640, 480, 640, 480]).all()
        (remark,) = dataset.remarks
        name = {"train": "BloodImage_00343", "val": "BloodImage_00338"}[split]
        assert (remark.action, Path(remark.defect.file).stem) == ("dropped", name)
    every = read_dataset(data("bccd"), policy=Policy(zero_area="keep"))
    assert sum(len(record.objects) for record in every) == 2382 + 214 + 209 + 968 + 87 + 83


# COCO --------------------------------------------------------------------------------------------------------------


def coco(root: Path, *annotations: dict[str, Any], **more: Any) -> Path:
    """A COCO file about one picture of 48 x 64, a record a line: annotation i is in line 3 + i."""
    rows = [
        {"id": i + 1, "image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], **one} for i, one in enumerate(annotations)
    ]
    document = {
        "annotations": rows,
        "images": [{"id": 7, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 9, "name": "dog"}, {"id": 5, "name": "cat"}],
        **more,
    }  # fmt: skip
    parts = [f'"{key}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for key, rows in document.items()]
    root.mkdir(parents=True, exist_ok=True)
    (root / "a.json").write_text("{\n" + ",\n".join(parts) + "\n}")
    picture(root / "a.png")
    return root / "a.json"


def test_coco_boxes_and_categories(tmp_path: Path) -> None:
    path = coco(tmp_path, {"bbox": [0.5, 1.25, 10, 20], "area": 77.5, "id": 3}, {"category_id": 9, "iscrowd": 1})
    dataset = read_dataset(path)
    assert (dataset.names, dataset.category_ids, dataset.root) == (("cat", "dog"), (5, 9), tmp_path)
    record = dataset.records[0]
    assert (record.path, record.size, record.id) == ("a.png", (48, 64), 7)
    np.testing.assert_array_equal(record.objects.boxes, [[0.5, 1.25, 10.5, 21.25], [1, 2, 4, 6]])
    assert record.objects.labels.tolist() == [0, 1]
    assert record.objects.crowd.tolist() == [False, True]
    np.testing.assert_array_equal(record.objects.areas, [77.5, np.nan])
    assert record.objects.ids.tolist() == [3, 2]
    assert read_dataset(path, names=["dog", "bird", "cat"]).records[0].objects.labels.tolist() == [2, 0]
    assert read_dataset(path, names=["dog", "cat"]).category_ids == (9, 5)
    assert len(read_dataset(path, policy=Policy(crowd="drop")).records[0].objects) == 1


def test_coco_keypoints_are_centres_of_pixels(tmp_path: Path) -> None:
    person = {"id": 5, "name": "person", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
    path = coco(tmp_path, {"keypoints": [3, 4, 2, 0, 0, 0]}, {"keypoints": [3, 4, 1, 9, 9, 0]}, categories=[person])
    dataset = read_dataset(path)
    assert (dataset.keypoint_names, dataset.skeleton) == (("nose", "tail"), ((0, 1),))
    points = [[[3.5, 4.5, 2], [0, 0, 0]], [[3.5, 4.5, 1], [9, 9, 0]]]
    np.testing.assert_array_equal(dataset.records[0].objects.keypoints, points)


def test_coco_masks_of_every_kind(tmp_path: Path) -> None:
    mask = np.zeros((1, 48, 64), bool)
    mask[0, 10:20, 30:50] = True
    text, plain = (to_coco(encode(mask), compressed=kind)[0] for kind in (True, False))
    square = [[30, 10, 50, 10, 50, 20, 30, 20]]
    path = coco(tmp_path, {"segmentation": text}, {"segmentation": plain}, {"segmentation": square, "bbox": None})
    objects = read_dataset(path).records[0].objects
    assert areas(objects.masks).tolist() == [200, 200, 200]
    np.testing.assert_array_equal(decode(objects.masks)[1], mask[0])
    np.testing.assert_array_equal(objects.boxes[2], [30, 10, 50, 20])  # of the mask, since it has no bbox
    assert objects.polygons[0] is None
    np.testing.assert_array_equal(objects.polygons[2][0], np.reshape(square, (4, 2)))
    assert read_dataset(path, with_masks=False).records[0].objects.masks is None
    mixed = coco(tmp_path, {"segmentation": text}, {})
    assert read_dataset(mixed).records[0].objects.masks is None


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"bbox": [1, 2, 3]}, r"line 3: annotations\[0\] \(id 1\): bbox: four numbers"),
        ({"bbox": [1, 2, True, 4]}, "bbox: four numbers"),
        ({"bbox": None}, "a bbox or a segmentation was expected"),
        ({"image_id": 8}, "image_id: no image has the id 8"),
        ({"image_id": "7"}, "image_id: no image has the id '7'"),
        ({"category_id": 6}, "category_id 6, which is not among the categories"),
        ({"category_id": 5.0}, "category_id: an integer was expected, found 5.0"),
        ({"iscrowd": 2}, "iscrowd: 0 or 1 was expected, found 2"),
        ({"area": "big"}, "area: a number was expected, found 'big'"),
        ({"area": 10**400}, "area: a number was expected"),
        ({"segmentation": [[1, 2, 3, 4]]}, "segmentation: polygons x0, y0"),
        ({"segmentation": [[1, 2, 3, 4, 5, 2**30]]}, "segmentation: coordinates below"),
        ({"segmentation": "x"}, "segmentation: polygons or runs"),
        ({"segmentation": {"size": [48, 64], "counts": "abc"}}, "segmentation: from_coco"),
        ({"segmentation": {"size": [4, 4], "counts": [16]}}, "segmentation: from_coco"),
        ({"segmentation": {"size": [48], "counts": [16]}}, r"segmentation: runs with a size"),
    ],
)
def test_coco_annotations_that_are_wrong(tmp_path: Path, one: dict[str, Any], said: str) -> None:
    path = coco(tmp_path, one, {"segmentation": [[1, 1, 9, 1, 9, 9]]})
    assert "a.json" in refused(path, said)
    assert "line 3" in refused(path, said)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"images": [{"id": 7}]}, r"images\[0\] \(id 7\): file_name: text was expected, found nothing"),
        ({"images": [{"id": 7, "file_name": "a", "width": -1}]}, "width and height: whole numbers"),
        ({"images": [{"id": 7, "file_name": "a"}] * 2}, r"images\[0\] has that id already"),
        (
            {"categories": [{"id": 5, "name": "cat"}, {"id": 6, "name": "cat"}]},
            r"categories\[1\] \(id 6\): id 6 or name",
        ),
        ({"categories": [{"id": None, "name": "cat"}]}, "id: an integer was expected, found None"),
        (
            {"categories": [{"id": 5, "name": "p", "keypoints": ["a"], "skeleton": [[1, 2]]}]},
            r"skeleton: pairs of 1\.\.1",
        ),
    ],
)
def test_coco_lists_that_are_wrong(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    refused(coco(tmp_path, {}, **more), said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{\n", "line 2: malformed JSON: Expecting property name"),
        ('{"images":\n [1,]}', "malformed JSON"),
        ("[]", r"a JSON object \{\.\.\.\} was expected, found list"),
        ('{"images": NaN}', "NaN is no number of JSON"),
        ("[" * 200_000, "malformed JSON"),
        (
            '{"images": [3], "annotations": [], "categories": []}',
            r"images\[0\]: an object \{\.\.\.\} was expected, found 3",
        ),
        ('{"images": [], "annotations": []}', "a list 'categories' was expected at the top, found no such key"),
        ("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("\udcff", "text in UTF-8 was expected, found byte 0xff"),
    ],
)
def test_coco_files_that_are_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(tmp_path / "a.json", said)


def test_coco_pictures_lie_where_they_are_found(tmp_path: Path) -> None:
    path = coco(tmp_path / "annotations")
    path.rename(path.with_name("instances_val2014.json"))
    path.with_name("a.png").unlink()
    assert read_dataset(tmp_path).root == tmp_path
    for folder in ("val2014", "images"):  # the last made is looked at first
        picture(tmp_path / folder / "a.png")
        assert read_dataset(tmp_path).root == tmp_path / folder
    assert read_dataset(tmp_path, images=tmp_path / "val2014").root == tmp_path / "val2014"
    refused(tmp_path, "one JSON file for split 'train' was expected", split="train")
    assert len(read_dataset(tmp_path, split="val2014")) == 1


def test_the_real_coco_file() -> None:
    dataset = read_dataset(data("coco_eval/instances_val2014_100.json"))
    assert (len(dataset), len(dataset.names)) == (100, 80)
    objects = [record.objects for record in dataset]
    assert sum(len(one) for one in objects) == 839
    assert sum(int(one.crowd.sum()) for one in objects) == 9
    assert not dataset.remarks
    # Areas in the file are of the polygons; those of masks differ by what a polygon's border is.
    mine = np.concatenate([areas(one.masks) for one in objects]).astype(float)
    theirs = np.concatenate([one.areas for one in objects])
    assert np.abs(mine - theirs).max() < 0.02 * theirs.max()
    assert np.median(np.abs(mine - theirs) / np.maximum(theirs, 1)) < 0.02


# YOLO --------------------------------------------------------------------------------------------------------------


def yolo(root: Path, text: str, size: tuple[int, int] = (48, 64)) -> Path:
    """A YOLO data set with one picture."""
    (root / "labels").mkdir(parents=True, exist_ok=True)
    (root / "labels/a.txt").write_text(text)
    (root / "names.txt").write_text("cat\ndog\n")
    picture(root / "images/a.png", size)
    return root


def test_yolo_boxes_and_outlines(tmp_path: Path) -> None:
    root = yolo(tmp_path, "1 .5 .5 1 1\n\n0 .5 .25 .25 .5\n0 0 0 .5 0 .5 .5\n")
    record = read_dataset(root).records[0]
    np.testing.assert_array_equal(record.objects.boxes, [[0, 0, 64, 48], [24, 0, 40, 24], [0, 0, 32, 24]])
    assert record.objects.labels.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(record.objects.polygons[2][0], [[0, 0], [32, 0], [32, 24]])
    assert record.objects.masks is None  # two have none
    masked = read_dataset(yolo(tmp_path, "0 0 0 .5 0 .5 .5 0 .5\n")).records[0].objects
    expected = np.zeros((48, 64), bool)
    expected[:24, :32] = True
    np.testing.assert_array_equal(decode(masked.masks)[0], expected)


def test_yolo_takes_six_digits_for_what_they_mean(tmp_path: Path) -> None:
    for w in (640, 643):
        x2 = round(1 - 100.25 / w / 2, 6)  # the centre of a box from 100.25 pixels before the end to it
        root = yolo(tmp_path, f"0 {x2:.6f} .5 {100.25 / w:.6f} 1\n", (10, w))
        dataset = read_dataset(root, policy=Policy(out_of_bounds="error"))
        assert abs(dataset.records[0].objects.boxes[0, 2] - w) < 2e-6 * w
        assert dataset.records[0].objects.boxes[0, 2] <= w
    refused(yolo(tmp_path, "0 .5 .5 1.00001 1\n"), "a box inside the picture", policy=Policy(out_of_bounds="error"))


def test_yolo_sizes_are_of_the_picture_as_it_is_seen(tmp_path: Path) -> None:
    root = yolo(tmp_path, "0 .5 .5 1 1\n")
    (root / "images/a.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(root / "images/a.jpg", exif=exif)
    dataset = read_dataset(root)
    assert dataset.records[0].size == (64, 48) == dataset.image(0).shape[:2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 1 2 3", "line 1: a class and 4 numbers, or the pairs of an outline, were expected, found 4 words"),
        ("\n0 1 2 3 4 5", "line 2: a class and 4 numbers"),
        ("cat .5 .5 1 1", "line 1: the number of a class was expected first, found 'cat'"),
        ("-1 .5 .5 1 1", "the number of a class was expected first"),
        ("1.0 .5 .5 1 1", "the number of a class was expected first"),
        ("0 .5 .5 1 nan", "a fraction of the picture's side was expected, found 'nan'"),
        ("0 .5 .5 1 x", "a fraction of the picture's side was expected, found 'x'"),
        ("2 .5 .5 1 1", "line 1: a class from 0 to 1 was expected, found 2"),
        ("version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
    ],
)
def test_yolo_files_that_are_wrong(tmp_path: Path, text: str, said: str) -> None:
    assert "a.txt" in refused(yolo(tmp_path, text), said)


@pytest.mark.parametrize(
    "text", ["names: [cat, 'dog']  # two", 'nc: 2\nnames:\n- cat\n- "dog"\nx: 1', "names:\n  0: cat\n  1: dog\n"]
)
def test_yolo_names_in_a_plain_data_yaml(tmp_path: Path, text: str) -> None:
    root = yolo(tmp_path, "1 .5 .5 1 1\n")
    (root / "names.txt").unlink()
    refused(root, "names of the classes were expected in names.txt")
    (root / "data.yaml").write_text(text)
    assert read_dataset(root).names == ("cat", "dog")
    (root / "data.yaml").write_text("names: {0: cat}\n")
    refused(root, r"data\.yaml, line 1: .* write the names to names\.txt")


def test_yolo_lists_and_folders_for_splits(tmp_path: Path) -> None:
    root = yolo(tmp_path, "0 .5 .5 1 1\n")
    (root / "train.txt").write_text("./images/a.png\n")
    assert [r.path for r in read_dataset(root, split="train")] == ["images/a.png"]
    for line, said in (("/tmp/a.png", "leads out"), ("images/b.png", "there is no picture"), ("C:\\a.png", "Windows")):
        (root / "train.txt").write_text(f"images/a.png\n{line}\n")
        refused(root, rf"train\.txt, line 2: .*{said}", split="train")
    for part in ("images", "labels"):
        (tmp_path / "other/train").mkdir(parents=True, exist_ok=True)
        (root / part).rename(tmp_path / "other/train" / part)
    (root / "names.txt").rename(tmp_path / "other/names.txt")
    assert [r.path for r in read_dataset(tmp_path / "other", split="train")] == ["train/images/a.png"]
    assert len(read_dataset(tmp_path / "other")) == 1


# Masks -------------------------------------------------------------------------------------------------------------


def test_masks_of_two_classes(tmp_path: Path) -> None:
    picture(tmp_path / "x/images/x.png")
    mask = np.zeros((48, 64), np.uint8)
    mask[3:5, 7:11] = 1  # any that is not black
    for folder, name in (("b", "2"), ("a", "1"), ("a", "3")):
        (tmp_path / f"x/masks/{folder}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(tmp_path / f"x/masks/{folder}/{name}.png")
    dataset = read_dataset(tmp_path)
    assert dataset.names == ("a", "b")
    objects = dataset.records[0].objects
    assert objects.labels.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(objects.boxes, [[7, 3, 11, 5]] * 3)
    np.testing.assert_array_equal(decode(objects.masks)[2], mask > 0)
    Image.fromarray(mask[:40]).save(tmp_path / "x/masks/a/1.png")
    refused(tmp_path, r"1\.png: a mask of 64x48 was expected, found 64x40")


def test_masks_that_are_wrong(tmp_path: Path) -> None:
    picture(tmp_path / "x/images/x.png")
    (tmp_path / "x/masks").mkdir()
    (tmp_path / "x/masks/1.png").write_text("version https://git-lfs.github.com/spec/v1\n")
    refused(tmp_path, r"1\.png: expected a picture .*, found a Git LFS pointer")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(tmp_path / "x/masks/1.png")
    dataset = read_dataset(tmp_path)
    assert len(dataset.records[0].objects) == 0
    assert summary(dataset.remarks)[0].startswith("1 box without area dropped")
    picture(tmp_path / "x/images/y.png")
    refused(tmp_path, "one picture was expected in images, found 2")


def test_the_real_nuclei() -> None:
    dataset = read_dataset(data("dsb2018_nuclei"), split="train", names=["nucleus"])
    assert len(dataset) == 28
    assert dataset.names == ("nucleus",)
    counts = [len(record.objects) for record in dataset]
    assert (min(counts), max(counts), sum(counts)) == (1, 125, 593)
    record = dataset.records[3]
    dense = decode(record.objects.masks)
    files = sorted((dataset.root / record.source).glob("*.png"))
    for mask, path in zip(dense, files, strict=True):
        np.testing.assert_array_equal(mask, np.asarray(Image.open(path)) > 0)
