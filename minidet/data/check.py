"""Everything that is wrong with a data set, with file and line: what a reader meets, and what it never sees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minidet.errors import InputError

from .dataset import Record
from .formats import coco, masks, voc, yolo
from .formats.guess import FORMATS, guess_format
from .formats.names import FILES as NAME_FILES
from .formats.paths import Root
from .formats.pictures import Pictures, image_size
from .formats.text import LFS
from .formats.xml_lines import Node, read_xml
from .image import ImageError, load_image
from .policy import NORMAL, Defect

#: Told how many of how many pictures have been looked at.
Progress = Callable[[int, int], None]


def check(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    names: Sequence[str] | None = None,
    quick: bool = False,
    progress: Progress | None = None,
) -> list[Defect]:
    """Every defect of the data set at ``path``, all its splits, in the order of files and lines.

    ``format`` and ``names`` as in ``read_dataset``; ``quick`` looks at the heads of pictures alone and so does not find
    those that are cut short.  Kinds are those of ``minidet.data.policy.KINDS``.  Raises ``InputError`` where there is
    no data set to look at, ``ValueError`` for an unknown format.
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"format {format!r} is not known; expected one of {', '.join(FORMATS)}")
    root = Path(path)
    format = format or guess_format(root)
    if not root.exists():
        raise InputError(f"{root}: no such file or folder")
    look = _Look(quick, progress)
    try:
        {"voc": _voc, "coco": _coco, "yolo": _yolo, "masks": _masks}[format](root, names, look)
    except OSError as error:
        if error.filename is None:  # not about a file of the data set
            raise
        raise InputError(f"{error.filename or root}: cannot be read: {error.strerror or error}") from None
    order = sorted(range(len(look.defects)), key=lambda i: (look.defects[i].file, look.defects[i].line, i))
    return [look.defects[i] for i in order]


@dataclass
class _Look:
    """The judge that keeps everything, and looks at pictures."""

    quick: bool
    progress: Progress | None
    defects: list[Defect] = field(default_factory=list)

    def judge(self, defect: Defect) -> str:
        if defect.kind not in NORMAL:
            self.defects.append(defect)
        return "keep"

    def tell(self, kind: str, file: object, line: int, what: str) -> None:
        self.judge(Defect(kind, str(file), line, what))

    def pictures(self, root: Path, records: Sequence[tuple[Record, str, int]]) -> None:
        """Look at the pictures of records; file and line are where their size stands."""
        for i, (record, file, line) in enumerate(records):
            size = self.picture(root / record.path)
            if size is not None and all(record.size) and size != record.size:
                said, found = (f"{w}x{h}" for h, w in (record.size, size))
                self.tell("size-mismatch", file, line, f"a picture of {said} is described, {record.path} is {found}")
            if self.progress is not None:
                self.progress(i + 1, len(records))

    def picture(self, path: Path) -> tuple[int, int] | None:
        """(H, W) of a picture that is there and whole."""
        if not path.exists():
            return None  # told by whoever knows where it is named
        try:
            with path.open("rb") as file:
                if file.read(len(LFS)) == LFS:
                    self.tell("lfs-pointer", path, 0, "is a Git LFS pointer; fetch the picture with 'git lfs pull'")
                    return None
            size = image_size(path)
        except (ImageError, OSError) as error:
            self.tell("not-an-image", path, 0, str(error).removeprefix(f"{path}: "))
            return None
        try:
            if not self.quick:
                load_image(path)
            return size
        except ImageError as error:
            self.tell("truncated-image", path, 0, str(error).removeprefix(f"{path}: "))
            return None

    def orphans(self, root: Path, there: Iterable[str], known: set[str], what: str) -> None:
        """Tell of pictures that no annotation knows."""
        for path in there:
            if path not in known:
                self.tell("orphan-image", root / path, 0, what)


def _voc(root: Path, names: Sequence[str] | None, look: _Look) -> None:
    where = voc.folders(root)
    if where is None:
        raise InputError(f"{root}: a folder {voc.ANNOTATIONS} with XML files was expected, found none")
    every = voc.stems(root, where)
    there = Pictures(root, where.images)
    trees: dict[str, Node | None] = {}
    for stem in every:
        path = root / where.annotations / f"{stem}.xml"
        trees[stem] = read_xml(path, str(path), look.judge)
    names = tuple(names) if names is not None else voc.names_in(root) or voc.classes_of(trees.values())
    records = []
    for number, (stem, tree) in enumerate(trees.items()):
        record = None if tree is None else voc.parse(root, where, stem, tree, names, there, look.judge, number)
        if record is not None and tree is not None:
            node = tree.find("size")
            records.append((record, str(root / where.annotations / f"{stem}.xml"), node.line if node else 0))
    for split in voc.splits(root):
        voc.split_stems(root, split, set(every), look.judge)
    known = {record.path for record, _, _ in records} | {p for stem in every for p in there.files.get(stem, [])}
    every_picture = (path for paths in there.files.values() for path in paths)
    look.orphans(root, every_picture, known, "a picture without an annotation")
    look.pictures(root, records)


def _coco(root: Path, names: Sequence[str] | None, look: _Look) -> None:
    files = [root] if root.is_file() else coco.json_files(root)
    if not files:
        raise InputError(f"{root}: JSON files in it or in annotations were expected, found none")
    known: dict[Path, set[str]] = {}
    records: list[tuple[Path, Record, str, int]] = []
    for path in files:
        lines: dict[int, int] = {}
        dataset = coco.parse(path, look.judge, names=names, lines=lines)
        if dataset is None:
            continue
        known.setdefault(dataset.root, set()).update(record.path for record in dataset)
        for record in dataset:
            records.append((dataset.root, record, str(path), lines[record.id]))
            if not (dataset.root / record.path).exists():
                what = f"image {record.id}: the picture {dataset.root / record.path} is not there"
                look.tell("missing-image", path, lines[record.id], what)
    for folder, paths in known.items():
        if any((folder / path).exists() for path in paths):
            there = (path for found in Pictures(folder, "").files.values() for path in found)
            look.orphans(folder, there, paths, "a picture that no annotation file names")
    seen: set[Path] = set()
    for folder in known:
        mine = [(record, file, line) for of, record, file, line in records if of == folder]
        look.pictures(folder, [one for one in mine if (folder / one[0].path) not in seen])
        seen |= {folder / record.path for record, _, _ in mine}


def _yolo(root: Path, names: Sequence[str] | None, look: _Look) -> None:
    pairs = yolo.pairs(root)
    if not pairs:
        raise InputError(f"{root}: the folders images and labels were expected, found none")
    names = yolo.class_names(root, names)
    records: list[tuple[Record, str, int]] = []
    used: set[str] = set()
    for image, label in yolo.chosen(root, None):
        used.add(label)
        if not (root / label).exists():
            look.tell("orphan-image", root / image, 0, f"a picture without labels ({label} is not there)")
        before = len(look.defects)
        record = yolo.parse(root, image, label, names, look.judge, len(records))
        if record is not None:
            records.append((record, str(root / label), 0))
        elif any(defect.kind == "not-an-image" for defect in look.defects[before:]):
            look.defects[before:] = []  # the picture is looked at closely here
            look.picture(root / image)
    for folder in {labels for images, labels in pairs.values()}:
        for path in sorted((root / folder).rglob("*.txt") if folder else root.glob("*.txt")):
            relative = path.relative_to(root).as_posix()
            if relative not in used and path.name not in (*NAME_FILES, "train.txt", "val.txt", "test.txt"):
                look.tell("orphan-label", path, 0, "labels without a picture")
    look.pictures(root, records)


def _masks(root: Path, names: Sequence[str] | None, look: _Look) -> None:
    every = masks.samples(root)
    if not every:
        raise InputError(f"{root}: folders with the folders images and masks in them were expected, found none")
    names = masks.class_names(root, every, names)
    safe = Root(root)
    records: list[tuple[Record, str, int]] = []
    for number, sample in enumerate(every):
        record = masks.parse(root, sample, names, look.judge, number)
        if record is not None and safe.refusal(record.path) is None:
            records.append((record, str(root / sample), 0))
            if not len(record.objects):
                look.tell("orphan-image", root / record.path, 0, "a picture without masks")
    for path in sorted(root.glob("*.txt")):
        if path.stem in ("train", "val", "test"):
            masks.split_samples(root, path.stem, every, look.judge)
    look.pictures(root, records)
