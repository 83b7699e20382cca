"""minidet data: what it prints and writes, and that wrong input is one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.drawn_datasets import small

from minidet.cli import main
from minidet.data.formats import read_dataset, write_dataset


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A VOC data set of twelve pictures with split train of all of them."""
    write_dataset(small(tmp_path / "before", pictures=12), tmp_path / "voc", format="voc", split="train")
    return tmp_path / "voc"


def run(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["data", *map(str, arguments)]) == status
    found = capsys.readouterr()
    return found.out, found.err


def damage(root: Path) -> None:
    """Two errors and a warning."""
    path = root / "Annotations/p1.xml"
    path.write_text(
        path.read_text().replace("<size>", "<path>/elsewhere/p1.png</path>\n<size>").replace("<xmax>", "<xmax>-")
    )


def test_check(voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "check", voc)[0] == "0 errors, 0 warnings\n"
    damage(voc)
    out, err = run(capsys, "check", voc, status=1)
    assert err == ""
    lines = out.splitlines()
    assert re.fullmatch(r".*/Annotations/p1\.xml:4: foreign-path: <path> '/elsewhere/p1\.png' is ignored", lines[0])
    assert re.fullmatch(r".*/Annotations/p1\.xml:\d+: inverted: a box with x1 <= x2 .*", lines[1])
    assert lines[-1] == "2 errors, 1 warning (2 inverted, 1 foreign-path)"
    assert "foreign-path:" not in run(capsys, "check", voc, "--no-warnings", status=1)[0]


def test_check_as_json(voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(voc)
    document = json.loads(run(capsys, "check", voc, "--json", status=1)[0])
    assert (document["errors"], document["warnings"]) == (2, 1)
    first = document["defects"][0]
    assert (first["kind"], first["level"], first["line"]) == ("foreign-path", "warning", 4)
    assert first["file"].endswith("p1.xml")


def test_anchors(voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "anchors", voc, "--count", 3, "--size", "64x96", "--seed", 2)
    assert out.startswith("3 anchors, width x height, for an input of 96x64 (letterbox) from 24 boxes\n")
    document = json.loads(run(capsys, "anchors", voc, "--count", 3, "--size", "64x96", "--seed", 2, "--json")[0])
    assert len(document["anchors"]) == 3
    assert f"mean IoU with the best anchor  {document['mean_iou']:.4f}" in out
    assert out.splitlines()[-1] == "anchors = " + ",  ".join(f"{w:g},{h:g}" for w, h in document["anchors"])


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_convert(voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str) -> None:
    damage(voc)
    out, err = run(capsys, "convert", voc, tmp_path / "new", "--to", to, "--split", "train", "--images", "link")
    assert out == ""
    assert "2 inverted boxes dropped (the first in " in err
    assert f"12 pictures with 22 objects written to {tmp_path / 'new'}" in err
    assert len(read_dataset(tmp_path / "new", split="train")) == 12
    _, err = run(capsys, "convert", voc, tmp_path / "swapped", "--to", to, "--policy", "inverted=swap")
    assert "2 inverted boxes swapped" in err


def test_convert_says_what_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x/x/images").mkdir(parents=True)
    (tmp_path / "x/x/masks").mkdir()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "x/x/images/x.png")
    Image.fromarray(np.full((9, 9), 255, np.uint8)).save(tmp_path / "x/x/masks/1.png")
    _, err = run(capsys, "convert", tmp_path / "x", tmp_path / "y", "--to", "yolo")
    assert "1 object lost: mask (the format has no place for it)" in err


@pytest.mark.parametrize("form", ["voc", "coco", "yolo"])
def test_split(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    write_dataset(small(tmp_path / "before", pictures=12), tmp_path / "set", format=form)
    _, err = run(capsys, "split", tmp_path / "set", "--parts", "train=2", "val=1", "--stratify")
    assert "train, 8 pictures: " in err
    parts = [read_dataset(tmp_path / "set", split=name) for name in ("train", "val")]
    assert [len(part) for part in parts] == [8, 4]
    assert len({record.path for part in parts for record in part}) == 12
    assert sum(len(record.objects) for part in parts for record in part) == 24


def test_split_does_not_replace_unasked(
    voc: Path, refused: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "train.txt: is there already; say --replace" in refused("data", "split", voc)
    run(capsys, "split", voc, "--replace", "--seed", "4")
    assert len(read_dataset(voc, split="val")) == 2
    run(capsys, "split", voc, "--out", voc.parent / "lists", "--seed", "4")
    first = (voc / "ImageSets/Main/train.txt").read_text()
    assert (voc.parent / "lists/train.txt").read_text() == first


def test_show(voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, "show", voc, "--out", tmp_path / "seen", "--count", 3)
    assert (out, err) == ("", f"minidet: wrote 3 pictures to {tmp_path / 'seen'}\n")
    files = sorted((tmp_path / "seen").iterdir())
    assert [file.name for file in files] == [f"p{k}-annotated.png" for k in (0, 1, 10)]
    shown, plain = (np.asarray(Image.open(p)) for p in (files[0], voc / "JPEGImages/p0.png"))
    assert shown.shape == plain.shape
    assert 0 < (shown != plain).any(axis=2).mean() < 0.8
    run(capsys, "show", voc, "--out", tmp_path / "drawn", "--count", 3, "--seed", 1)
    assert sorted(p.name for p in (tmp_path / "drawn").iterdir()) != [file.name for file in files]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("check nowhere", "nowhere: no such file or folder"),
        ("check .", "a data set was expected, found none of"),
        ("convert VOC OUT --to masks", "masks were expected, found boxes alone"),
        ("convert VOC VOC --to coco", "a new or empty folder was expected"),
        ("convert VOC OUT --to coco --split test", "no split 'test'"),
        ("convert VOC OUT --to coco --policy size=drop", "WHAT=DO was expected"),
        ("convert VOC OUT --to coco --policy inverted=maybe", "inverted='maybe' is not known"),
        ("split VOC --parts train", "NAME=SHARE was expected"),
        ("split VOC --parts train=1 train=2", "each name once"),
        ("split VOC --parts ../x=1", "NAME=SHARE was expected"),
        ("split VOC --parts a=1 b=1000", "none is left for 'a'"),
        ("split VOC --seed -1", "--seed from 0"),
        ("anchors VOC --count 99", "99 anchors need as many different sizes of boxes"),
        ("anchors VOC --count 0", "--count from 1"),
        ("anchors VOC --names none.txt", "none.txt: the names file cannot be read"),
        ("show VOC --out OUT --count 0", "--count from 1"),
        ("", "the following arguments are required: WHAT"),
        ("mend VOC", "invalid choice: 'mend'"),
    ],
)
def test_bad_input_is_one_line(
    voc: Path, tmp_path: Path, refused: Callable[..., str], arguments: str, said: str
) -> None:
    words = [{"VOC": str(voc), "OUT": str(tmp_path / "out"), ".": str(tmp_path)}.get(w, w) for w in arguments.split()]
    if words[:1] == ["check"] and words[1] == str(tmp_path):
        words[1] = str(tmp_path / "voc/JPEGImages")
    assert said in refused("data", *words)


def test_malformed_files_are_one_line(voc: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    for text, said in (("<annotation>", "malformed XML"), ("version https://git-lfs.github.com/spec/v1\n", "Git LFS")):
        (voc / "Annotations/p3.xml").write_text(text)
        for command in ("anchors", "split"):
            line = refused("data", command, voc)
            assert "p3.xml" in line
            assert said in line
