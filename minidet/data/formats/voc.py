"""VOC XML: a file for each picture, boxes in whole pixels counted from 1, both ends inside.

    root/Annotations/a.xml   root/JPEGImages/a.jpg   root/ImageSets/Main/train.txt   [root/names.txt]

**Boxes.**  A box of pixels xmin..xmax (1-based, both included) has the edges xmin - 1 and xmax: the first pixel, alone,
is written 1 1 1 1 and has the edges 0 0 1 1; the whole picture is 1 1 W H.  ``write`` does the opposite.  A file that
says xmax = xmin (or ymax = ymin) means one pixel by the letter; annotators that work with edges write it for a box
without width, and nobody boxes a single column, so it counts as *without area* (``Policy.zero_area``; "keep" keeps the
one pixel).

**Pictures.**  ``Annotations/a.xml`` belongs to ``JPEGImages/a.*``; ``<filename>`` is looked at when there is no such
picture or more than one.  ``<path>`` and ``<folder>``, which are the annotator's, are ignored.

**Classes.**  The names given; else those in ``names.txt`` or ``classes.txt``, one a line; else all that occur in the
folder, in alphabetical order, whatever the split, so that the splits agree.

**Splits.**  ``split="train"`` is ``ImageSets/Main/train.txt``: a name a line, after which VOC's 1, -1 or 0 may stand.
Without a split every annotation is read, sorted by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minidet.errors import InputError

from ..dataset import Dataset, Objects, Record
from ..policy import Defect, Judge, Policy, Remark
from .boxes import sift, twice
from .names import names_in
from .paths import refusal
from .pictures import Pictures
from .text import read_lines, strict
from .xml_lines import Node, read_xml

ANNOTATIONS, IMAGES, SETS = "Annotations", "JPEGImages", "ImageSets/Main"


@dataclass
class Folders:
    """Where things lie under a root, relative to it with forward slashes ("" for the root itself)."""

    annotations: str
    images: str


def folders(root: Path) -> Folders | None:
    """The folders of a VOC data set, or of one whose XML files lie in one folder; None if there is no XML in it."""
    for folder in (ANNOTATIONS, "annotations", ""):
        if (root / folder).is_dir() and next((root / folder).glob("*.xml"), None) is not None:
            images = next((name for name in (IMAGES, "images") if (root / name).is_dir()), folder)
            return Folders(folder, images)
    if (root / ANNOTATIONS).is_dir():  # empty, or with folders in it
        return Folders(ANNOTATIONS, IMAGES)
    return None


def read(root: Path, *, split: str | None, policy: Policy, names: Sequence[str] | None) -> Dataset:
    """The data set in ``root``; raises ``InputError`` for what is wrong."""
    remarks: list[Remark] = []
    judge = policy.judge(remarks)
    where = folders(root)
    if where is None:
        raise InputError(f"{root}: a folder {ANNOTATIONS} with XML files was expected, found none")
    every = stems(root, where)
    chosen = every if split is None else split_stems(root, split, set(every), strict)
    if names is None:
        names = names_in(root)
    files: dict[str, Node | None] = {}
    if names is None:
        files = {stem: read_xml(*_xml(root, where, stem), judge) for stem in every}
        names = classes_of(files.values())
    there = Pictures(root, where.images)
    records = []
    for number, stem in enumerate(chosen):
        path, file = _xml(root, where, stem)
        tree = files[stem] if stem in files else read_xml(path, file, judge)
        record = None if tree is None else parse(root, where, stem, tree, tuple(names), there, judge, number)
        if record is not None:
            records.append(record)
    return Dataset(root, tuple(names), tuple(records), remarks=tuple(remarks))


def stems(root: Path, where: Folders) -> list[str]:
    """The annotation files, sorted, as paths under the folder of annotations without their ending."""
    base = root / where.annotations
    found = base.rglob("*.xml") if where.annotations else base.glob("*.xml")
    return sorted(path.relative_to(base).with_suffix("").as_posix() for path in found)


def splits(root: Path) -> dict[str, Path]:
    """The lists of names, by their own."""
    found: dict[str, Path] = {}
    for folder in (root / SETS, root / "ImageSets", root):
        for path in sorted(folder.glob("*.txt")):
            if folder != root or path.stem in ("train", "val", "test", "trainval"):
                found.setdefault(path.stem, path)
    return found


def split_stems(root: Path, split: str, every: set[str], judge: Judge) -> list[str]:
    """The names of a split, in its order; a name without an annotation is told to the judge and left out."""
    known = splits(root)
    if split not in known:
        have = ", ".join(known) or "none"
        raise InputError(f"{root}: no split {split!r} ({SETS}/{split}.txt); there are: {have}")
    path = known[split]
    file = str(path)
    chosen, seen = [], dict[str, int]()
    for number, line in enumerate(read_lines(path, file, judge) or [], 1):
        text = line.strip()
        if not text:
            continue
        words = text.split()
        stem = text if text in every or len(words) == 1 or words[-1] not in ("-1", "0", "1") else " ".join(words[:-1])
        if stem not in every:
            judge(Defect("malformed", file, number, f"{stem!r} has no annotation ({ANNOTATIONS}/{stem}.xml)"))
        elif stem in seen:
            judge(Defect("duplicate-id", file, number, f"{stem!r} stands in line {seen[stem]} already"))
        else:
            seen[stem] = number
            chosen.append(stem)
    return chosen


def classes_of(trees: Iterable[Node | None]) -> tuple[str, ...]:
    """Every class that occurs, in alphabetical order."""
    found = set()
    for tree in trees:
        for node in tree.all("object") if tree is not None else ():
            name = node.find("name")
            if name is not None and name.text:
                found.add(name.text)
    return tuple(sorted(found))


def parse(
    root: Path,
    where: Folders,
    stem: str,
    tree: Node,
    names: tuple[str, ...],
    there: Pictures,
    judge: Judge,
    number: int,
) -> Record | None:
    """The record of one annotation file; None when it has none and the judge goes on.  ``there``: the pictures."""
    _, file = _xml(root, where, stem)
    source = f"{where.annotations}/{stem}.xml" if where.annotations else f"{stem}.xml"
    if tree.tag != "annotation":
        judge(Defect("malformed", file, tree.line, f"<annotation> was expected, found <{tree.tag}>"))
        return None
    image = picture(root, where, stem, tree, there, judge)
    if image is None:
        return None
    _foreign(root, where, tree, file, judge)
    size = _size(tree, file, judge)
    reader = _Numbers(file, judge)
    boxes, labels, flags, lines, points = [], [], [], [], []
    index = {name: label for label, name in enumerate(names)}
    for node in tree.all("object"):
        name, box = node.find("name"), node.find("bndbox")
        if name is None or not name.text:
            judge(Defect("malformed", file, node.line, "an <object> with a <name> was expected, found none"))
            continue
        if box is None:
            judge(Defect("malformed", file, node.line, "an <object> with a <bndbox> was expected, found none"))
            continue
        ends = [reader.number(box, tag) for tag in ("xmin", "ymin", "xmax", "ymax")]
        marks = [reader.flag(node, tag) for tag in ("difficult", "truncated")]
        if any(one is None for one in (*ends, *marks)):
            continue
        if name.text not in index:
            known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            judge(Defect("unknown-class", file, name.line, f"a class of {known} was expected, found {name.text!r}"))
            continue
        if marks[0] and judge(Defect("difficult", file, node.line, f"{name.text} is marked as difficult")) == "drop":
            continue
        x1, y1, x2, y2 = (float(one) for one in ends if one is not None)
        boxes.append((x1 - 1, y1 - 1, x2, y2))
        points.append(x1 == x2 or y1 == y2)
        labels.append(index[name.text])
        flags.append(marks)
        lines.append(box.line)
    kept, keep = sift(
        np.asarray(boxes, np.float64), np.tile(size, (len(boxes), 1)), judge, lambda i: (file, lines[i]),
        zero=np.asarray(points, bool),
    )  # fmt: skip
    twice(kept, np.asarray(labels), np.zeros(len(labels)), judge, lambda i: (file, lines[i]))
    marked = np.asarray(flags, bool).reshape(-1, 2)
    objects = Objects(kept, np.asarray(labels, np.int64), difficult=marked[:, 0], truncated=marked[:, 1])
    return Record(image, size, number, objects[keep], source)


def picture(root: Path, where: Folders, stem: str, tree: Node, there: Pictures, judge: Judge) -> str | None:
    """The picture of an annotation, relative to the root; None where the judge has been told why not."""
    file = _xml(root, where, stem)[1]
    prefix = f"{where.images}/" if where.images else ""
    node = tree.find("filename")
    named = node.text if node is not None else ""
    line = node.line if node is not None else 0
    reason = refusal(named) if named else None
    if reason is not None:
        judge(Defect("unsafe-path", file, line, f"<filename>: {reason}"))
        return None
    beside = f"{prefix}{Path(stem).parent.joinpath(named).as_posix()}"
    candidates = there.files.get(stem, [])
    if len(candidates) == 1 or (candidates and beside not in candidates):
        path = candidates[0]
    elif named:
        path = beside
    else:
        path = f"{prefix}{stem}.jpg"
    reason = there.root.refusal(path)
    if reason is not None:
        judge(Defect("unsafe-path", file, line, reason))
        return None
    if not candidates and not (root / path).exists():
        judge(Defect("missing-image", file, line, f"the picture {path} is not there"))
    return path


def _foreign(root: Path, where: Folders, tree: Node, file: str, judge: Judge) -> None:
    """Tell of a path and a folder that were the annotator's; nobody reads them."""
    path, folder = tree.find("path"), tree.find("folder")
    if path is not None and path.text and refusal(path.text) is not None:
        judge(Defect("foreign-path", file, path.line, f"<path> {path.text[:200]!r} is ignored"))
    own = {where.images.split("/")[-1], root.resolve().name}
    if folder is not None and folder.text and folder.text not in own:
        judge(Defect("foreign-folder", file, folder.line, f"<folder> {folder.text[:200]!r} is ignored"))


def _xml(root: Path, where: Folders, stem: str) -> tuple[Path, str]:
    path = root / where.annotations / f"{stem}.xml"
    return path, str(path)


def _size(tree: Node, file: str, judge: Judge) -> tuple[int, int]:
    """(H, W) as the file says, (0, 0) where it does not."""
    node = tree.find("size")
    if node is None:
        return 0, 0
    reader = _Numbers(file, judge)
    sides = [reader.number(node, tag) for tag in ("height", "width")]
    if any(side is None for side in sides):
        return 0, 0
    h, w = (float(side) for side in sides if side is not None)
    if h != int(h) or w != int(w) or min(h, w) < 0 or max(h, w) > 2**31:
        judge(Defect("malformed", file, node.line, f"<size>: whole numbers of pixels were expected, found {w:g} {h:g}"))
        return 0, 0
    return int(h), int(w)


class _Numbers:
    """Numbers in the children of a node, or complaints that name the line."""

    def __init__(self, file: str, judge: Judge) -> None:
        self.file, self.judge = file, judge

    def number(self, node: Node, tag: str) -> float | None:
        """The number in child ``tag``."""
        child = node.find(tag)
        if child is None:
            self.judge(Defect("malformed", self.file, node.line, f"<{node.tag}> with a <{tag}> was expected"))
            return None
        try:
            value = float(child.text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in child.text:
            found = f"<{tag}>: a number was expected, found {child.text[:40]!r}"
            self.judge(Defect("malformed", self.file, child.line, found))
            return None
        return value

    def flag(self, node: Node, tag: str) -> bool | None:
        """The 0 or 1 in child ``tag``; False where there is none or it is empty."""
        child = node.find(tag)
        if child is None or child.text in ("", "0", "Unspecified"):
            return False
        if child.text != "1":
            self.judge(Defect("malformed", self.file, child.line, f"<{tag}>: 0 or 1 expected, found {child.text!r}"))
            return None
        return True
