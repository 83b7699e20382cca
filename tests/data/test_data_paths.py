"""No path in an annotation leads out of the data root."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minidet.data.formats import read_dataset
from minidet.data.formats.paths import Root, plain, refusal
from minidet.errors import InputError

OUT = [
    "../secret.png", "a/../../secret.png", "..", "/etc/passwd", "//host/share", "~/x.png", "~root/x.png", "C:\\x.png",
    "c:x.png", "\\\\host\\share\\x.png", "a\\..\\..\\x.png", "..\\x.png", "", ".", " a.png", "a.png ", "a\nb.png",
    "a\0b.png", "x" * 300, "a/" * 3000 + "b",
]  # fmt: skip
IN = ["a.png", "a/b.png", "./a.png", "a//b.png", "a..b.png", "...", "a/..b", "ümlaut.png", "a b.png", "ab:c.png"]


@pytest.mark.parametrize("text", OUT)
def test_refused(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize("text", IN)
def test_taken(text: str, tmp_path: Path) -> None:
    assert refusal(text) is None
    assert Root(tmp_path).refusal(text) is None
    assert ".." not in Path(plain(text)).parts


@given(text=st.lists(st.sampled_from(["..", ".", "a", "/", "\\", "C:", "~", " "]), max_size=8).map("".join))
def test_what_is_taken_stays_inside(text: str) -> None:
    if refusal(text) is None:
        found = (Path("/base/data") / text).resolve()
        assert found.is_relative_to("/base/data")
        assert found != Path("/base/data")


def test_links_are_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    beside = tmp_path / "root-of-others"  # its name begins like the root's
    for folder in (root / "real", outside, beside):
        folder.mkdir(parents=True)
        (folder / "a.png").touch()
    (root / "file.png").symlink_to(outside / "a.png")
    (root / "folder").symlink_to(outside)
    (root / "beside").symlink_to(beside)
    (root / "fine").symlink_to(root / "real")
    (root / "loop").symlink_to(root / "loop")
    safe = Root(root)
    for name in ("file.png", "folder/a.png", "folder/missing.png", "beside/a.png"):
        assert "by a link" in str(safe.refusal(name))
    for name in ("fine/a.png", "real/a.png", "real/missing.png", "loop"):
        assert safe.refusal(name) is None
    (tmp_path / "way").symlink_to(root)  # the root itself may be a link
    assert Root(tmp_path / "way").refusal("real/a.png") is None
    assert Root(tmp_path / "way").refusal("folder/a.png")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)


@pytest.mark.parametrize("path", ["../out.png", "/etc/passwd", "C:\\out.png", "link.png"])
def test_no_format_reads_what_lies_outside(tmp_path: Path, path: str) -> None:
    root, out = tmp_path / "root", tmp_path / "out.png"
    picture(out)
    for folder in ("JPEGImages", "images", "Annotations", "labels"):
        (root / folder).mkdir(parents=True)
    text = f"<annotation><filename>{path}</filename></annotation>"
    (root / "Annotations/a.xml").write_text(text)
    (root / "JPEGImages/link.png").symlink_to(out)
    with pytest.raises(InputError, match=r"a\.xml.*(out of the data root|'\.\.'|Windows)"):
        read_dataset(root, format="voc")
    rows = {"images": [{"id": 1, "file_name": path}], "annotations": [], "categories": []}
    (root / "a.json").write_text(json.dumps(rows))
    (root / "link.png").symlink_to(out)
    with pytest.raises(InputError, match=r"a\.json.*images\[0\].*(out of the data root|'\.\.'|Windows)"):
        read_dataset(root / "a.json", images=root)
    (root / "names.txt").write_text("a\n")
    (root / "train.txt").write_text(f"{path}\n")
    with pytest.raises(InputError, match=r"(train\.txt, line 1|link\.png).*(out of the data root|'\.\.'|Windows)"):
        read_dataset(root, format="yolo", split="train")


def test_labels_and_masks_that_are_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("0 .5 .5 1 1\n")
    picture(tmp_path / "out.png")
    picture(tmp_path / "yolo/images/a.png")
    (tmp_path / "yolo/labels").mkdir()
    (tmp_path / "yolo/names.txt").write_text("a\n")
    (tmp_path / "yolo/labels/a.txt").symlink_to(tmp_path / "out.txt")
    with pytest.raises(InputError, match=r"a\.txt.*by a link"):
        read_dataset(tmp_path / "yolo")
    picture(tmp_path / "masks/x/images/x.png")
    (tmp_path / "masks/x/masks").mkdir()
    (tmp_path / "masks/x/masks/1.png").symlink_to(tmp_path / "out.png")
    with pytest.raises(InputError, match=r"1\.png.*by a link"):
        read_dataset(tmp_path / "masks")


def test_the_annotators_paths_are_ignored(tmp_path: Path) -> None:
    picture(tmp_path / "JPEGImages/a.png")
    (tmp_path / "Annotations").mkdir()
    text = "<annotation><folder>../x</folder><path>C:\\Users\\a.png</path><filename>a.png</filename></annotation>"
    (tmp_path / "Annotations/a.xml").write_text(text)
    dataset = read_dataset(tmp_path)
    assert dataset.records[0].path == "JPEGImages/a.png"
    assert not dataset.remarks
